"""Whether what a configuration names can be reached from here: the upstream, the candidates, the stores.

Every probe is one harmless question: for a page of the upstream, for a candidate's list of models with its own key, for
what OpenRouter says of the control's key, for room in the store's directory, for the history of ClickHouse's tables.
Nothing is sent that costs anything, and nothing is written that stays.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
from yarl import URL

from shadow import USER_AGENT
from shadow.config import Candidate, ClickHouse, Config, Control
from shadow.egress import egress_proxy, trusting
from shadow.mirror.dialects import RULES
from shadow.mirror.replay import BEARER, Target, request_headers
from shadow.store.clickhouse.client import Client
from shadow.store.clickhouse.errors import ClickHouseError
from shadow.store.clickhouse.migrations import OURS, applied, check

TIMEOUT_S: Final = 10.0  # whatever takes longer to say hello is in trouble
MAX_BYTES: Final = 8 << 20  # of a list of models; OpenRouter's own takes half a megabyte
FREE_LEAST: Final = 64 << 20  # below this, SQLite's log and the reserve find no room
REFUSED: Final = frozenset({401, 403})
UNREACHED: Final = (aiohttp.ClientError, OSError, TimeoutError, ValueError)


@dataclass(frozen=True, slots=True)
class Found:
    """What one probe came to. Where it is not `well`, `said` tells what to do."""

    what: str
    well: bool
    said: str


async def probe(config: Config) -> AsyncIterator[Found]:
    """Every probe of a configuration, one after another, as each comes to its end."""
    yield await _probe_upstream(config)
    for candidate in config.candidates:
        yield await _probe_candidate(candidate)
    if config.control is not None:
        yield await _probe_control(config.control)
    yield await asyncio.to_thread(probe_directory, config.store.path.parent)
    if config.store.clickhouse is not None:
        yield await _probe_clickhouse(config.store.clickhouse)


async def _probe_upstream(config: Config) -> Found:
    """Any answer will do: an upstream that answers `GET /` with an error is there."""
    upstream, what = config.upstream, f"upstream {config.upstream.url}"
    started = time.monotonic()
    try:
        status, _ = await _get(upstream.url, "/", {"User-Agent": USER_AGENT}, authority=upstream.ca_file)
    except UNREACHED as error:
        return Found(what, well=False, said=_why(error))
    return Found(what, well=True, said=f"answers ({status}) after {time.monotonic() - started:.2f} s")


async def _probe_candidate(candidate: Candidate) -> Found:
    """Its list of models: tells whether the key is taken, and whether the mapped models are there."""
    what = f"candidate {candidate.name} {candidate.url}"
    asked = await _asked(what, candidate, RULES[candidate.dialect].key_header, "/models")
    if isinstance(asked, Found):
        return asked
    status, body = asked
    return _judged(what, candidate, status, _models(body) if status == 200 else None)


async def _probe_control(control: Control) -> Found:
    """OpenRouter's page about the key itself: its list of models it shows to everybody."""
    what = f"control {control.url}"
    asked = await _asked(what, control, BEARER, "/key")
    if isinstance(asked, Found):
        return asked
    status, _ = asked
    return Found(
        what, well=True, said="takes the key" if status == 200 else f"answers ({status}), and not as OpenRouter"
    )


async def _asked(what: str, arm: Candidate | Control, key_header: str, path: str) -> tuple[int, bytes] | Found:
    """Status and body of a page of an arm, with its own key; or why there is none."""
    try:
        key = arm.api_key()
    except (OSError, KeyError, ValueError):
        return Found(what, well=False, said="its key cannot be read: look at api_key_env or api_key_file")
    try:
        status, body = await _get(arm.url, path, request_headers(Target(arm.url, key_header, key), "probe"))
    except UNREACHED as error:
        return Found(what, well=False, said=_why(error))
    if status in REFUSED:
        return Found(what, well=False, said=f"refuses the key ({status}): look at api_key_env or api_key_file")
    return status, body


async def _probe_clickhouse(settings: ClickHouse) -> Found:
    """Its history of migrations: tells whether the user is known, and whether the tables are those of this release."""
    client = Client(settings, TIMEOUT_S)
    try:
        done = await applied(client)
        check(settings.database, done, complete=not settings.create_tables)
    except ClickHouseError as error:
        return Found(f"ClickHouse {settings.url}", well=False, said=str(error))
    finally:
        await client.close()
    said = f"has the tables in {settings.database}" if done == OURS else "answers; the first start makes the tables"
    return Found(f"ClickHouse {settings.url}", well=True, said=said)


def _judged(what: str, candidate: Candidate, status: int, listed: frozenset[str] | None) -> Found:
    """What a list of models says of the model map; an endpoint need not have such a list."""
    if listed is None:
        return Found(what, well=True, said=f"answers ({status}), and lists no models to hold the model map to")
    missing = sorted({model for model in candidate.models.values() if model is not None and model not in listed})
    if missing:
        return Found(what, well=False, said=f"takes the key, and does not list {', '.join(missing)}: look at `models`")
    return Found(what, well=True, said="takes the key, and lists every model of the map")


def probe_directory(directory: Path) -> Found:
    """Whether rows can be kept there: it can be written to, and has room."""
    what = f"store {directory}"
    existing = next(one for one in (directory, *directory.parents) if one.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
        room = os.statvfs(existing)
    except OSError as error:
        return Found(what, well=False, said=f"cannot be written to: {error.strerror}; change `store.path`")
    free = room.f_bavail * room.f_frsize
    said = f"{free >> 20:,} MiB are free"
    return Found(what, well=free >= FREE_LEAST, said=said if free >= FREE_LEAST else f"only {said}: make room")


def _models(body: bytes) -> frozenset[str] | None:
    """The ids in an OpenAI-compatible list of models; None where it is none."""
    try:
        document: Any = orjson.loads(body)
        return frozenset(str(one["id"]) for one in document["data"])
    except (ValueError, KeyError, TypeError):
        return None


async def _get(base: str, path: str, headers: Mapping[str, str], authority: Path | None = None) -> tuple[int, bytes]:
    """Status and body, bounded. Redirects are not followed: a key goes where the configuration says."""
    proxy = egress_proxy(base, os.environ)
    async with (
        aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            connector=aiohttp.TCPConnector(ssl=trusting(authority)),
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=proxy.url if proxy else None,
        ) as http,
        http.get(URL(base + path, encoded=True), headers=headers, allow_redirects=False) as answer,
    ):
        body = b""
        async for data in answer.content.iter_any():
            body += data
            if len(body) > MAX_BYTES:
                break
        return answer.status, body


def _why(error: Exception) -> str:
    """Why it was not reached. The error's text is not shown: it may quote a proxy's password."""
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return "its certificate is not trusted: name its authority, for the upstream in upstream.ca_file"
        case aiohttp.ClientConnectorDNSError():
            return "its name does not resolve"
        case aiohttp.ClientHttpProxyError():
            return f"the egress proxy answers {error.status}: look at HTTPS_PROXY and NO_PROXY"
        case TimeoutError():
            return f"no answer within {TIMEOUT_S:g} s"
        case aiohttp.ClientConnectorError():
            return f"no connection: {error.os_error.strerror or type(error.os_error).__name__}"
        case ValueError():
            return str(error)
        case _:
            return f"no answer: {type(error).__name__}"
