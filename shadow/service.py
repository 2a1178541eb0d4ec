"""Starts, supervises and drains the two processes.

This process is the forwarder and the container's main process. The recorder is its child: started first because it
takes longest, started again with back-off whenever it ends, and stopped last, so that what the forwarder still holds
can be stored. Nothing on the request path waits for it.
"""

import asyncio
import contextlib
import hashlib
import os
import platform
import resource
import signal
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
from shadow.reload import Reloading
from shadow.supervision import RecorderProcess
from shadow.tasks import spawn

LONGEST_SOCKET_PATH: Final = 100  # sun_path holds 108 bytes


class StartError(Exception):
    """The service cannot start; the text says why and what to do."""


async def serve(config: Config, path: Path) -> None:
    """Run until SIGTERM or SIGINT, then drain. On SIGHUP the file in `path` is read again.

    Raises StartError or SecretError before anything is forwarded.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what was read just now need not be read again
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
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with _private_directory() as private:
        recorder = RecorderProcess(config, private)
        reloading = Reloading(path, recorder.config)
        supervision = spawn(recorder.supervise(), "supervision")  # first: the recorder takes longest to be ready
        try:
            forwarder = await _started(config, secret, recorder.socket, reloading)
            reloading.adopters += [recorder.adopt, forwarder.adopt]
            loop.add_signal_handler(signal.SIGHUP, lambda: spawn(reloading.reload(), "reload"))
            tell(Event.FORWARDING, listen=config.listen, upstream=config.upstream.url)
            await stop.wait()
            tell(Event.DRAINING, drain_s=config.drain_s)
            await forwarder.drain()
            await forwarder.close()
        finally:
            supervision.cancel()
            await recorder.stop()
    tell(Event.STOPPED)


def digest(config: Config) -> str:
    """Twelve hexadecimal characters that tell configurations apart by what they mean, however they are written."""
    return hashlib.sha256(repr(config).encode()).hexdigest()[:12]


async def _started(config: Config, secret: bytes, socket: Path, reloading: Reloading) -> Forwarder:
    """A forwarder that listens."""
    try:
        forwarder = Forwarder(config, secret, socket, reload=reloading.reload)
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
