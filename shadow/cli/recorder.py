"""The way of commands to a recorder: over the admin port to the one that runs, else one of the command's own."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
from yarl import URL

from shadow.config import Admin, Config

AWAY: Final = 503  # of the admin port, whose recorder does not answer
UNKNOWN: Final = 404
ASK_EVERY_S: Final = 0.5
PATIENCE: Final = 40  # times: a recorder that was killed is back before
TIMEOUT_S: Final = 35.0  # the admin port waits 30 s for its recorder
EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (what is listened on everywhere is here, too)


class RecorderError(Exception):
    """It said no; the text says why."""


class AwayError(RecorderError):
    """It said nothing, or is another one by now."""


class Recorder:
    """A recorder that answers."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session = session
        self._base = base

    async def ask(self, method: str, path: str, said: dict[str, Any] | None = None) -> dict[str, Any]:
        """What a page says in JSON. Waits for a recorder that is being started. Raises RecorderError."""
        url = URL(f"{self._base}{path}", encoded=True)
        status, text = AWAY, ""
        for attempt in range(PATIENCE):
            await asyncio.sleep(ASK_EVERY_S if attempt else 0)
            try:
                async with self._session.request(method, url, json=said) as answer:
                    if answer.status < 300:
                        found: dict[str, Any] = await answer.json()
                        return found
                    status, text = answer.status, (await answer.text()).strip()
            except (aiohttp.ClientError, TimeoutError) as error:
                raise AwayError(f"the recorder does not answer any more: {error}") from error
            if status != AWAY:
                break
        if status == UNKNOWN:
            raise AwayError("the recorder knows nothing of it: it was restarted meanwhile; begin again")
        raise (AwayError if status == AWAY else RecorderError)(text or f"{path} is answered with {status}")


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[Recorder | None]:
    """The recorder that runs with this configuration; None where no service does. Raises RecorderError."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(headers=_token(config.admin), timeout=timeout, trust_env=False) as session:
        base = f"http://{_reached(config.admin)}"
        yield Recorder(session, base) if await _lives(session, base) else None


@asynccontextmanager
async def recorder(config: Config) -> AsyncIterator[Recorder]:
    """The recorder that runs with this configuration, or, where none does, one for as long as the command takes.

    Raises RecorderError, and StoreError and OSError where no recorder can begin.
    """
    async with running(config) as theirs:
        if theirs is not None:
            yield theirs
            return
    with tempfile.TemporaryDirectory(prefix="shadow-") as directory:
        async with _own(config, Path(directory) / "recorder.sock") as own:
            yield own


@asynccontextmanager
async def _own(config: Config, socket: Path) -> AsyncIterator[Recorder]:
    from shadow.record.recorder import recording
    from shadow.store.hold import held

    with held(config.store.path):
        async with recording(config, socket), aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket))) as to:
            yield Recorder(to, "http://recorder")


async def _lives(session: aiohttp.ClientSession, base: str) -> bool:
    """Whether a forwarder answers there, and not nobody or somebody else."""
    try:
        async with session.get(f"{base}/-/healthy") as answer:
            return await answer.read() == b"healthy\n"
    except (aiohttp.ClientError, TimeoutError):
        return False


def _reached(admin: Admin) -> str:
    host = EVERYWHERE.get(admin.listen.host, admin.listen.host)
    return f"[{host}]:{admin.listen.port}" if ":" in host else f"{host}:{admin.listen.port}"


def _token(admin: Admin) -> dict[str, str]:
    if admin.token_file is None:
        return {}
    try:
        return {"Authorization": f"Bearer {admin.token_file.read_text().strip()}"}
    except OSError as error:
        raise RecorderError(f"{admin.token_file} cannot be read: {error.strerror}") from error
