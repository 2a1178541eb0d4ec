"""The recorder as a child process: started again with back-off whenever it ends, and ended when it hangs."""

import asyncio
import contextlib
import os
import pickle
import sys
from pathlib import Path
from typing import Final

from shadow.config import Config
from shadow.events import Event
from shadow.log import tell
from shadow.reload import Renewed
from shadow.tasks import spawn

FIRST_RESTART_S: Final = 0.1  # a recorder that was killed is back before the handoff holds much
LONGEST_RESTART_S: Final = 10.0  # one that cannot start must not burn the application's processor
HEALTHY_AFTER_S: Final = 30.0  # a run this long starts the back-off anew
PROBE_EVERY_S: Final = 10.0
HUNG_AFTER_S: Final = 60.0  # the longest it ever takes to begin, or over one batch; a stopped one never comes back
RECORDER_STOP_S: Final = 5.0  # to close pending replays and the store; after that the kernel ends it


class RecorderProcess:
    """The recorder as a child process: one at a time, restarted until `stop`. `config` is the pickle it works by."""

    def __init__(self, config: Config, private: Path) -> None:
        self.socket = private / "recorder.sock"
        self._process: asyncio.subprocess.Process | None = None
        # The very records this process works by: a restart must not find other ones in a file that was edited since.
        self.config = private / "config.pickle"
        self.config.write_bytes(pickle.dumps(config))
        self._adopted = 0  # how many others have taken its place

    async def adopt(self, renewed: Renewed) -> None:
        """Put a recorder that works by this configuration in the place of the one that runs.

        What it learnt of candidates goes, and replays that wait or run end with it, each counted. To exchange the
        configuration under its feet would be to restart it in all but name, and to test that as well.
        """
        renewed.config.replace(self.config)
        self._adopted += 1
        await self.stop()

    async def supervise(self) -> None:
        """Start the recorder, and start it again whenever it ends. Runs until cancelled."""
        clock = asyncio.get_running_loop().time
        failures = 0
        while True:
            started, adopted = clock(), self._adopted
            try:
                ended = f"ended with code {await self._run_once()}"
            except Exception as error:  # noqa: BLE001 (no process, no memory, no descriptor: whatever it is may pass)
                ended = f"cannot be started: {error}"
            if self._adopted != adopted:
                tell(Event.RECORDER_RENEWED)
                failures = 0
                continue
            failures = 0 if clock() - started >= HEALTHY_AFTER_S else failures + 1
            pause = restart_pause_s(failures)
            tell(Event.RECORDER_ENDED, how=ended, pause_s=pause)
            await asyncio.sleep(pause)

    async def _run_once(self) -> int:
        """Run the recorder to its end; its exit code, negative for a signal."""
        command = (sys.executable, "-m", "shadow.record", "--socket", self.socket, "--parent", str(os.getpid()))
        adopted = self._adopted
        with self.config.open("rb") as config:
            self._process = process = await asyncio.create_subprocess_exec(*command, stdin=config)
        if self._adopted != adopted:  # replaced while this one was being started
            process.terminate()
        watch = spawn(self._watch(process), "watch")
        try:
            return await process.wait()
        finally:
            watch.cancel()

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """Kill a recorder that answers nothing any more: only one that has ended is started again."""
        clock = asyncio.get_running_loop().time
        answered_at = clock()
        while clock() - answered_at < HUNG_AFTER_S:
            await asyncio.sleep(PROBE_EVERY_S)
            if await self._answers():
                answered_at = clock()
        tell(Event.RECORDER_HUNG, silent_s=HUNG_AFTER_S)
        with contextlib.suppress(ProcessLookupError):
            process.kill()

    async def _answers(self) -> bool:
        """Whether anything comes back over the recorder's socket, be it a 404."""
        try:
            async with asyncio.timeout(PROBE_EVERY_S):
                reader, writer = await asyncio.open_unix_connection(self.socket)
                with contextlib.closing(writer):
                    writer.write(b"GET /-/healthy HTTP/1.0\r\n\r\n")
                    return await reader.read(1) != b""
        except (OSError, TimeoutError):
            return False

    async def stop(self) -> None:
        """Ask the recorder to finish, and end it when it does not."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), RECORDER_STOP_S)
        except TimeoutError:
            tell(Event.RECORDER_OVERDUE, limit_s=RECORDER_STOP_S)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def restart_pause_s(failures: int) -> float:
    """How long to wait before the recorder starts again, after so many short runs in a row."""
    return min(LONGEST_RESTART_S, FIRST_RESTART_S * 2.0 ** max(0, failures - 1))
