"""Sends one planned replay and brings back the candidate's exchange, whole or cut short.

The request is built from an allow-list, never from what the client sent: the candidate's own URL and key from the
configuration, a content type, this program's name, and a header by which any sidecar knows a replay. Redirects are not
followed, cookies not kept, nothing is tried twice.
"""

import asyncio
import io
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Final

import aiohttp
from aiohttp.connector import AddrInfoType
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from shadow import USER_AGENT
from shadow.egress import Proxy
from shadow.exchange import Body, Exchange, Outcome
from shadow.mirror.intake import Intake, NoRoomError, TooLargeError
from shadow.mirror.planned import Planned
from shadow.mirror.reasons import Failed

PATH: Final = "/chat/completions"
BEARER: Final = "authorization"  # where a key goes, as a bearer token, unless the endpoint has a header of its own
CONNECT_TIMEOUT_S: Final = 10.0  # a reachable endpoint answers in one; the deadline is for the answer
KEEPALIVE_S: Final = 15.0  # below the idle limits of common gateways, so that a pooled connection is seldom stale
# A candidate that takes a connection and reads nothing of a large request: closing waits for what is still to be sent,
# so the kernel ends such a connection, or each would cost a socket and megabytes for ever.
UNREAD_S: Final = 60.0
MAX_HEAD_BYTES: Final = 32 << 10  # of an answer's header line


@dataclass(frozen=True, slots=True)
class Target:
    """Where a replay goes. `key` goes out in `key_header`; it is never shown."""

    url: str
    key_header: str = BEARER
    key: str | None = field(default=None, repr=False)
    proxy: Proxy | None = None


def open_session() -> aiohttp.ClientSession:
    """A session for replays: pools and settings apart from anything the request path uses."""
    tracing = aiohttp.TraceConfig()
    tracing.on_request_headers_sent.append(_head_sent)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0,  # each candidate's workers are the bound
            keepalive_timeout=KEEPALIVE_S,
            socket_factory=_socket,
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
        auto_decompress=False,
        skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
        max_line_size=MAX_HEAD_BYTES,
        max_field_size=MAX_HEAD_BYTES,
        trace_configs=[tracing],
    )


def request_headers(target: Target, exchange_id: str) -> Mapping[str, str]:
    """The whole list of headers that a candidate is sent, `Host` and `Content-Length` apart."""
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": USER_AGENT,
        "X-Shadow-Replay": exchange_id,
    }
    if target.key is not None and target.key_header == BEARER:
        headers["Authorization"] = f"Bearer {target.key}"
    elif target.key is not None:
        headers[target.key_header] = target.key
    return headers


async def send(
    session: aiohttp.ClientSession,
    target: Target,
    planned: Planned,
    intake: Intake,
    *,
    timeout_s: float,
    started_at: float,
) -> Exchange:
    """The candidate's exchange. Every failure of the wire ends up in it; only cancellation is raised.

    `intake` collects what comes in, within its bounds. `started_at` is Unix time.
    """
    failed: Failed | None
    try:
        async with asyncio.timeout(timeout_s):
            failed = await _carry(session, target, planned, intake)
    except TimeoutError:
        failed = Failed.DEADLINE
    return Exchange(
        exchange_id=planned.exchange_id,
        arm=planned.arm,
        started_at=started_at,
        method="POST",
        path=planned.exchange.path,  # by which `shadow.wire` knows the kind of call
        attribution=planned.exchange.attribution,
        request_headers=(("content-type", "application/json"),),
        request_body=Body(planned.body, b"", len(planned.body)),
        outcome=_outcome(intake, failed),
        status=intake.status,
        response_headers=intake.headers,
        response_body=intake.body(),
        first_byte_s=intake.first_byte_s,
        total_s=intake.elapsed_s(),
        arrivals=intake.arrivals(),
        failure=None if failed is None else failed.value,
    )


def _outcome(intake: Intake, failed: Failed | None) -> Outcome:
    if failed is None:
        return Outcome.COMPLETE
    return Outcome.UPSTREAM_FAILED if intake.status is None else Outcome.UPSTREAM_TRUNCATED


async def _carry(session: aiohttp.ClientSession, target: Target, planned: Planned, intake: Intake) -> Failed | None:
    """Send the request and take the answer in; what broke, if anything did."""
    try:
        await _exchange(session, target, planned, intake)
    except TooLargeError:
        return Failed.ANSWER_TOO_LARGE
    except NoRoomError:
        return Failed.MEMORY
    except aiohttp.ClientSSLError:
        return Failed.TLS
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError):
        return Failed.CONNECT
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError):
        return Failed.CONNECTION_LOST if intake.status is None else Failed.ANSWER_TRUNCATED
    except (aiohttp.ClientError, HttpProcessingError):
        return Failed.PROTOCOL
    return None


async def _exchange(session: aiohttp.ClientSession, target: Target, planned: Planned, intake: Intake) -> None:
    response = await session.post(
        URL(target.url + PATH, encoded=True),
        data=io.BytesIO(planned.body),  # sent in pieces: a large body in one write would hold up the loop
        headers=request_headers(target, planned.exchange_id),
        allow_redirects=False,
        proxy=target.proxy.url if target.proxy else None,
        trace_request_ctx=intake,
    )
    try:
        intake.began(response.status, response.headers)
        async for data in response.content.iter_any():
            intake.chunk(data)
    except BaseException:
        response.close()  # the rest of the answer is nobody's: the connection goes with it
        raise
    response.release()


def _socket(address: AddrInfoType) -> socket.socket:
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # not on macOS, where nobody runs this for long
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNREAD_S * 1000))
    return made


async def _head_sent(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _sent: aiohttp.TraceRequestHeadersSentParams
) -> None:
    context.trace_request_ctx.sent()
