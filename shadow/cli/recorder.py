"""The way of commands to a recorder: over the admin port to the one that runs, else one of the command's own."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from shadow.config import Admin, Config

AWAY: Final = 503  # of the admin port, whose recorder does not answer
TIMEOUT_S: Final = 30.0  # as long as the admin port waits for its recorder
EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (what is listened on everywhere is here, too)


class RecorderError(Exception):
    """It said no; the text says why."""


class AwayError(RecorderError):
    """It said nothing."""


class Recorder:
    """A recorder that answers."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session = session
        self._base = base

    async def ask(self, method: str, path: str, said: dict[str, Any] | None = None) -> dict[str, Any]:
        """What a page says in JSON. Raises RecorderError."""
        try:
            async with self._session.request(method, f"{self._base}{path}", json=said) as answer:
                if answer.status < 300:
                    found: dict[str, Any] = await answer.json()
                    return found
                said_so = (await answer.text()).strip() or f"{path} is answered with {answer.status}"
        except (aiohttp.ClientError, TimeoutError) as error:
            raise AwayError(f"the recorder does not answer any more: {error}") from error
        raise AwayError(said_so) if answer.status == AWAY else RecorderError(said_so)


@asynccontextmanager
async def recorder(config: Config) -> AsyncIterator[Recorder]:
    """The recorder that runs with this configuration, or, where none does, one for as long as the command takes.

    Raises RecorderError, and StoreError and OSError where no recorder can begin.
    """
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(headers=_token(config.admin), timeout=timeout, trust_env=False) as session:
        base = f"http://{_reached(config.admin)}"
        if await _listens(session, base):
            yield Recorder(session, base)
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


async def _listens(session: aiohttp.ClientSession, base: str) -> bool:
    try:
        async with session.get(f"{base}/-/healthy"):
            return True
    except aiohttp.ClientConnectorError:
        return False
    except (aiohttp.ClientError, TimeoutError) as error:
        raise RecorderError(f"{base} does not answer as an admin port does: {error}") from error


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
