"""Asks the upstream what a generation cost, with the key of the client that had it made.

The host is the configured upstream's and no other: redirects are not followed, and the path is one of a closed set.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import quote

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from shadow import USER_AGENT
from shadow.config import Upstream
from shadow.egress import egress_proxy, trusting
from shadow.record.delayed_cost import Owed
from shadow.wire.generation import Generation, read_generation

CONNECTIONS: Final = 16  # when many streams break at once, their costs are asked for in turn
TIMEOUT_S: Final = 10.0  # waiting for a connection included; a read of a row takes well under one
MAX_BYTES: Final = 64 << 10  # the facts of a generation are under 3 kB
BROKEN: Final = (aiohttp.ClientError, HttpProcessingError, OSError, TimeoutError, ValueError)


class Generations:
    """`GET /generation` at one upstream."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def ask(self, owed: Owed) -> Generation | None:
        """The facts of a generation; None where they are not there yet, or the question failed. Never raises."""
        try:
            body = await self._get(owed)
        except BROKEN:
            return None
        return None if body is None else read_generation(body)

    async def _get(self, owed: Owed) -> bytes | None:
        url = URL(f"{self._url}{owed.path}?id={quote(owed.generation_id, safe='')}", encoded=True)
        headers = {"Authorization": f"Bearer {owed.credential}"}
        body = b""
        async with self._session.get(url, headers=headers, allow_redirects=False) as response:
            if response.status != 200:
                return None
            async for data in response.content.iter_any():
                body += data
                if len(body) > MAX_BYTES:
                    return None
        return body


@asynccontextmanager
async def generations(upstream: Upstream) -> AsyncIterator[Generations]:
    """A session of its own: its pool, its waits and its failures are nobody else's."""
    proxy = egress_proxy(upstream.url, os.environ)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=trusting(upstream.ca_file)),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": USER_AGENT,
        },
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S, sock_connect=upstream.connect_timeout_s),
        auto_decompress=False,  # what is compressed all the same could be a bomb
        proxy=proxy.url if proxy else None,
    ) as session:
        yield Generations(session, upstream.url)
