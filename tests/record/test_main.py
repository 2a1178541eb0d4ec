import asyncio
import pickle
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from shadow.config import Config, Storage, Upstream
from tests.packing import packed
from tests.record.samples import exchange

PATIENCE_S = 30.0  # never asserted: only ends a broken run


def eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


def configured(directory: Path) -> Path:
    """A file with a configuration whose store is in `directory`, as the parent leaves it."""
    config = Config(
        upstream=Upstream(url="https://openrouter.ai"), store=Storage(path=directory / "shadow.db", retention_days=None)
    )
    path = directory / "config.pickle"
    path.write_bytes(pickle.dumps(config))
    path.chmod(0o600)
    return path


def started(directory: Path, *more: str) -> subprocess.Popen[str]:
    command = (sys.executable, "-m", "shadow.record", "--socket", directory / "r.sock", *more)
    with configured(directory).open("rb") as config:
        return subprocess.Popen(  # noqa: S603 (our own)
            command, stdin=config, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A recorder that serves."""
    with started(tmp_path) as process:
        eventually((tmp_path / "r.sock").exists)
        yield process
        process.kill()


def test_sigterm_stops_it_in_good_order(recorder: subprocess.Popen[str], tmp_path: Path) -> None:
    """Exit code 0, and no log left beside the database: it was closed."""
    recorder.send_signal(signal.SIGTERM)
    assert recorder.wait(PATIENCE_S) == 0
    assert not (tmp_path / "shadow.db-wal").exists()


def test_the_kernel_takes_it_first(recorder: subprocess.Popen[str]) -> None:
    """When memory runs out, the recorder goes and the forwarder stays."""
    assert Path(f"/proc/{recorder.pid}/oom_score_adj").read_text().strip() == "1000"


def test_its_files_are_private(recorder: subprocess.Popen[str], tmp_path: Path) -> None:
    """Neither socket nor database can be opened by another user."""
    assert recorder.poll() is None
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}


def test_a_store_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    """Exit code 1 and a sentence, no traceback: the service starts it again."""
    (tmp_path / "shadow.db").mkdir()
    with started(tmp_path) as process:
        _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert "the recorder cannot start" in said
    assert "Traceback" not in said


PARENT = """
import subprocess, sys
child = subprocess.Popen(
    [sys.executable, "-m", "shadow.record", "--socket", sys.argv[1] + "/r.sock"],
    stdin=open(sys.argv[2], "rb"),
)
print(child.pid, flush=True)
child.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_it_does_not_outlive_its_parent(tmp_path: Path) -> None:
    """When the forwarder is killed, the recorder ends and closes its database."""
    command = (sys.executable, "-c", PARENT, tmp_path, configured(tmp_path))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as parent:  # noqa: S603
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        eventually((tmp_path / "r.sock").exists)
        parent.kill()
        eventually(lambda: not alive(child))
    assert not (tmp_path / "shadow.db-wal").exists()


def test_it_does_not_start_for_a_parent_that_is_gone(tmp_path: Path) -> None:
    """A parent that died between starting it and being watched is noticed."""
    with started(tmp_path, "--parent", "4194305") as process:  # beyond the largest process id
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_promise_43_kills_of_whole_recorders_lose_and_double_nothing(tmp_path: Path) -> None:
    """SIGKILL again and again while batches are sent until acknowledged: every exchange is stored once, and the
    database is whole."""
    batches = [[exchange(number) for number in range(start, start + 20)] for start in range(0, 400, 20)]
    waiting = deque(b"".join(map(packed, batch)) for batch in batches)
    while waiting:
        with started(tmp_path) as process:
            await asyncio.to_thread(eventually, lambda: serving(tmp_path / "r.sock"))
            await hand_over(tmp_path / "r.sock", waiting, 4, process)
            process.kill()
    with closing(sqlite3.connect(tmp_path / "shadow.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        stored = [row.hex() for (row,) in connection.execute("SELECT exchange_id FROM exchanges ORDER BY exchange_id")]
    assert stored == [one.exchange_id.replace("-", "") for batch in batches for one in batch]


def serving(path: Path) -> bool:
    """Whether somebody listens on a Unix socket: a killed process leaves its file behind."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


async def hand_over(path: Path, waiting: deque[bytes], count: int, process: subprocess.Popen[str]) -> None:
    """Send batches until so many are acknowledged, then one more that is killed at some point of its way."""
    connector = aiohttp.UnixConnector(str(path))
    async with aiohttp.ClientSession("http://recorder", connector=connector) as client:
        for _ in range(min(count, len(waiting))):
            async with client.post("/exchanges", data=waiting[0]) as answer:
                assert answer.status == 204
            waiting.popleft()
        if waiting:
            last = asyncio.create_task(client.post("/exchanges", data=waiting[0]))
            await asyncio.sleep(random.random() * 0.02)  # noqa: S311 (where on its way the kill meets it)
            process.kill()
            await asyncio.wait([last])
            if last.exception() is None:
                waiting.popleft()
