"""The recorder as a child: started again when it ends, ended when it hangs, left in peace when it cannot start."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from shadow import supervision
from shadow.config import Config, Storage, Upstream
from shadow.supervision import LONGEST_RESTART_S, RecorderProcess, restart_pause_s
from tests.end_to_end.sidecar import PATIENCE_S


def test_restarts_back_off() -> None:
    """The first restart comes at once, each further one later, up to a bound."""
    assert restart_pause_s(0) == restart_pause_s(1) < restart_pause_s(2) < restart_pause_s(3)
    assert restart_pause_s(1000) == LONGEST_RESTART_S


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hung"])
async def test_a_recorder_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: signal.Signals) -> None:
    """One that was killed, and one that answers nothing any more, give way to a new one that answers."""
    monkeypatch.setattr(supervision, "PROBE_EVERY_S", 0.5)
    config = Config(upstream=Upstream(url="http://127.0.0.1:9"), store=Storage(path=tmp_path / "shadow.db"))
    recorder = RecorderProcess(config, tmp_path)
    task = asyncio.create_task(recorder.supervise())
    try:
        first = await answering(recorder)
        os.kill(first, fault)
        with monkeypatch.context() as impatient:  # with the first only: the second may take its time to begin
            impatient.setattr(supervision, "HUNG_AFTER_S", 1.0)
            while Path(f"/proc/{first}").exists():  # noqa: ASYNC110 (other processes have no events here)
                await asyncio.sleep(0.05)
        assert await answering(recorder) != first
    finally:
        task.cancel()
        await recorder.stop()


async def answering(recorder: RecorderProcess) -> int:
    """The id of a recorder that answers."""
    async with asyncio.timeout(PATIENCE_S):
        while not await recorder._answers():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert recorder._process is not None
    return recorder._process.pid
