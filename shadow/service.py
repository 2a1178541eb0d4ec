"""Starts, supervises and drains the two processes.

This process is the forwarder and the container's main process. The recorder is its child: started first because it
takes longest, started again with back-off whenever it ends, and stopped last, so that what the forwarder still holds
can be stored. Nothing on the request path waits for it.
"""

import asyncio
import contextlib
import hashlib
import os
import pickle
import platform
import resource
import signal
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Final

from shadow import __version__
from shadow.config import Config
from shadow.events import Event
from shadow.fingerprint import read_or_create_secret
from shadow.forward.forwarder import Forwarder
from shadow.log import tell
from shadow.tasks import spawn

FIRST_RESTART_S: Final = 0.1  # a recorder that was killed is back before the handoff holds much
LONGEST_RESTART_S: Final = 10.0  # one that cannot start must not burn the application's processor
HEALTHY_AFTER_S: Final = 30.0  # a run this long starts the back-off anew
PROBE_EVERY_S: Final = 10.0
HUNG_AFTER_S: Final = 60.0  # the longest it ever takes to begin, or over one batch; a stopped one never comes back
RECORDER_STOP_S: Final = 5.0  # to close pending replays and the store; after that the kernel ends it
LONGEST_SOCKET_PATH: Final = 100  # sun_path holds 108 bytes


class StartError(Exception):
    """The service cannot start; the text says why and what to do."""


async def serve(config: Config) -> None:
    """Run until SIGTERM or SIGINT, then drain. Raises StartError or SecretError before anything is forwarded."""
    tell(
        Event.STARTING,
        version=__version__,
        python=platform.python_version(),
        aiohttp=version("aiohttp"),
        configuration=digest(config),
    )
    secret = read_or_create_secret(config.fingerprint_secret_path)
    _allow_many_connections()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with _private_directory() as private:
        recorder = RecorderProcess(config, private)
        supervision = spawn(recorder.supervise(), "supervision")  # first: the recorder takes longest to be ready
        try:
            forwarder = await _started(config, secret, recorder.socket)
            tell(Event.FORWARDING, listen=config.listen, upstream=config.upstream.url)
            await stop.wait()
            tell(Event.DRAINING, drain_s=config.drain_s)
            await forwarder.drain()
            await forwarder.close()
        finally:
            supervision.cancel()
            await recorder.stop()
    tell(Event.STOPPED)


class RecorderProcess:
    """The recorder as a child process: one at a time, restarted until `stop`."""

    def __init__(self, config: Config, private: Path) -> None:
        self.socket = private / "recorder.sock"
        self._process: asyncio.subprocess.Process | None = None
        # The very records this process works by: a restart must not find other ones in a file that was edited since.
        self._config = private / "config.pickle"
        self._config.write_bytes(pickle.dumps(config))

    async def supervise(self) -> None:
        """Start the recorder, and start it again whenever it ends. Runs until cancelled."""
        clock = asyncio.get_running_loop().time
        failures = 0
        while True:
            started = clock()
            try:
                ended = f"ended with code {await self._run_once()}"
            except Exception as error:  # noqa: BLE001 (no process, no memory, no descriptor: whatever it is may pass)
                ended = f"cannot be started: {error}"
            failures = 0 if clock() - started >= HEALTHY_AFTER_S else failures + 1
            pause = restart_pause_s(failures)
            tell(Event.RECORDER_ENDED, how=ended, pause_s=pause)
            await asyncio.sleep(pause)

    async def _run_once(self) -> int:
        """Run the recorder to its end; its exit code, negative for a signal."""
        command = (sys.executable, "-m", "shadow.record", "--socket", self.socket, "--parent", str(os.getpid()))
        with self._config.open("rb") as config:
            self._process = process = await asyncio.create_subprocess_exec(*command, stdin=config)
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


def digest(config: Config) -> str:
    """Twelve hexadecimal characters that tell configurations apart by what they mean, however they are written."""
    return hashlib.sha256(repr(config).encode()).hexdigest()[:12]


def restart_pause_s(failures: int) -> float:
    """How long to wait before the recorder starts again, after so many short runs in a row."""
    return min(LONGEST_RESTART_S, FIRST_RESTART_S * 2.0 ** max(0, failures - 1))


async def _started(config: Config, secret: bytes, socket: Path) -> Forwarder:
    """A forwarder that listens."""
    try:
        forwarder = Forwarder(config, secret, socket)
    except ValueError as error:  # the environment's proxy
        raise StartError(str(error)) from error
    try:
        await forwarder.start()
    except OSError as error:
        await forwarder.close()
        raise StartError(
            f"cannot listen on {config.listen} and {config.admin.listen}: {error.strerror or error}; "
            "change `listen` or `admin.listen`, or stop what holds the port"
        ) from error
    return forwarder


@contextlib.contextmanager
def _private_directory() -> Iterator[Path]:
    """A directory for what the two processes share, gone afterwards; its path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="shadow-") as name:
        if len(os.fsencode(name)) > LONGEST_SOCKET_PATH - len("/recorder.sock"):
            raise StartError(f"{name} is too long a path for a Unix socket: set TMPDIR to a shorter one")
        yield Path(name)


def _allow_many_connections() -> None:
    """Raise the soft limit of open files to the hard one: every stream takes two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
