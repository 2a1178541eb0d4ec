"""The way upstream: aiohttp's client, set so that it changes nothing and hides no failure."""

import asyncio
import logging
import urllib.request
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from shadow.config import Upstream as UpstreamConfig
from shadow.forward.headers import RawHeaders
from shadow.forward.refusals import DISCONNECTED, FAILED, GARBLED, TIMED_OUT, TLS_FAILED, UNREACHABLE, Refusal

LINE_BYTES: Final = 64 << 10  # request line, status line and each header: 32 KB of cookies or prompt ids pass
HEADER_COUNT: Final = 1000
KEEPALIVE_S: Final = 15  # shorter than load balancers keep theirs, so that few requests meet a dead connection
# aiohttp would invent these where the client sent none.
NOT_ADDED: Final = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")

# Every way in which the client library says that the exchange with upstream broke.
BROKEN: Final = (aiohttp.ClientError, OSError, TimeoutError)

log = logging.getLogger("shadow.forward")


class UpstreamError(Exception):
    """No answer came. `refusal` is what the client is told instead."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


class Upstream:
    """A pool of connections to the one configured upstream. The destination never depends on a request."""

    def __init__(self, config: UpstreamConfig) -> None:
        self._base = config.url
        self._session = aiohttp.ClientSession(
            connector=_Connector(limit=0, keepalive_timeout=KEEPALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=NOT_ADDED,
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=config.connect_timeout_s, sock_read=config.read_timeout_s
            ),
            max_line_size=LINE_BYTES,
            max_field_size=LINE_BYTES,
            max_headers=HEADER_COUNT,
            proxy=egress_proxy(config.url),
        )

    async def send(
        self, method: bytes, target: bytes, headers: RawHeaders, body: AsyncIterator[bytes] | None
    ) -> aiohttp.ClientResponse:
        """Send a request; returns once the answer's head is here. Raises UpstreamError."""
        try:
            return await self._session.request(
                method.decode(),
                URL(self._base + target.decode(), encoded=True),
                headers=_as_text(headers),
                data=body,
                allow_redirects=False,
            )
        except BROKEN as error:
            raise UpstreamError(_refusal(error)) from error
        except ValueError as error:
            log.warning("a request could not be expressed to upstream: %s", type(error).__name__)
            raise UpstreamError(FAILED) from error

    async def close(self) -> None:
        await self._session.close()


class _Connector(aiohttp.TCPConnector):
    def __init__(self, *, limit: int, keepalive_timeout: float) -> None:
        super().__init__(limit=limit, keepalive_timeout=keepalive_timeout)
        make: Callable[..., ResponseHandler] = _Answers
        self._factory = partial(make, loop=asyncio.get_running_loop())


class _Answers(ResponseHandler):
    """aiohttp's reader of answers, except that a reset ends no body: a body that ends with the connection broke off."""

    def connection_lost(self, exc: BaseException | None) -> None:
        if exc is not None and self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(aiohttp.ClientPayloadError("the connection was reset"))
        super().connection_lost(exc)


def egress_proxy(url: str) -> str | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the environment name for a URL.

    Looked up once: aiohttp's own `trust_env` asks a thread, and reads ~/.netrc, for every request.
    """
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.netloc):
        return None
    proxy = urllib.request.getproxies().get(parts.scheme)
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def _as_text(headers: RawHeaders) -> list[tuple[str, str]]:
    """Headers as aiohttp takes them: of two names that differ in case it loses one, so the first one's is used.

    `Expect` is answered by the server of this side; sent on, both ends would wait for each other.
    """
    names: dict[bytes, str] = {}
    return [
        (names.setdefault(name.lower(), name.decode()), value.decode())
        for name, value in headers
        if name.lower() != b"expect"
    ]


def _refusal(error: Exception) -> Refusal:
    """What an exception of aiohttp means. The order matters: its classes overlap."""
    match error:
        case aiohttp.ClientSSLError():
            return TLS_FAILED
        case aiohttp.ConnectionTimeoutError() | aiohttp.ClientConnectorError() | aiohttp.ClientHttpProxyError():
            return UNREACHABLE
        case TimeoutError():
            return TIMED_OUT
        case aiohttp.ClientResponseError():
            return GARBLED
        case _:
            return DISCONNECTED
