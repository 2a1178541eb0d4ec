"""Sending one replay: what goes out, what comes back, and every way in which a wire can break."""

import asyncio
import socket
import ssl
import time
import tracemalloc
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest
from aiohttp import web

from shadow.egress import Proxy
from shadow.exchange import Outcome, Rewrite
from shadow.mirror.intake import Allowance, Intake
from shadow.mirror.planned import Planned
from shadow.mirror.reasons import Failed
from shadow.mirror.replay import Target, open_session, request_headers, send
from tests.mirror.making import chat, observed

MEGABYTE = 1 << 20


@pytest.fixture
async def perform():
    """Sends a replay of a request to a URL, and returns the candidate's exchange."""
    async with open_session() as session:

        async def start(
            url, *, body=b'{"model":"small"}', key="k", proxy=None, limit=8 * MEGABYTE, room=64 * MEGABYTE, timeout_s=20
        ):
            primary = chat()
            planned = Planned(primary, observed(primary), "ferry", 1.0, body, Rewrite())
            intake = Intake(limit, Allowance(room), time.monotonic)
            target = Target(f"{url}/v1", key=key, proxy=proxy)
            return await send(session, target, planned, intake, timeout_s=timeout_s, started_at=1.0)

        yield start


async def test_the_candidate_gets_the_body_and_the_allowed_headers_alone(serve, perform):
    """The whole list of headers: nothing of the client's, no telemetry, no encodings to guess at."""
    seen = []

    async def note(request):
        seen.append((request.method, request.path_qs, dict(request.headers), await request.read()))
        return web.Response(text="{}")

    exchange = await perform(await serve(note), body=b'{"model":"small","messages":[]}')
    ((method, path, headers, body),) = seen
    assert (method, path, body) == ("POST", "/v1/chat/completions", b'{"model":"small","messages":[]}')
    assert headers.pop("Host").startswith("127.0.0.1:")
    assert headers.pop("User-Agent").startswith("shadow-sidecar/")
    assert headers == {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Authorization": "Bearer k",
        "X-Shadow-Replay": exchange.exchange_id,
        "Content-Length": "31",
    }


def test_azure_takes_its_key_in_its_own_header():
    """A key goes out in one header, and none where there is none."""
    assert "Authorization" not in request_headers(Target("u", "api-key", "k"), "id")
    assert request_headers(Target("u", "api-key", "k"), "id")["api-key"] == "k"
    assert set(request_headers(Target("u"), "id")) == {"Content-Type", "Accept", "User-Agent", "X-Shadow-Replay"}


def test_a_target_does_not_show_its_key():
    """Its representation may end up in a log."""
    assert "secret" not in repr(Target("u", key="secret"))


async def test_the_exchange_is_the_candidates_own(serve, perform):
    """It is read like a primary's: same id and path, the arm's name, the body that was sent, the answer as it came."""

    async def answer(_request):
        return web.Response(body=b'{"a":1}', content_type="application/json", headers={"X-Request-ID": "r1"})

    exchange = await perform(await serve(answer))
    assert (exchange.arm, exchange.path, exchange.status) == ("ferry", "/api/v1/chat/completions", 200)
    assert exchange.request_body.head == b'{"model":"small"}'
    assert (exchange.outcome, exchange.failure) == (Outcome.COMPLETE, None)
    assert exchange.response_body.head == b'{"a":1}'
    assert ("x-request-id", "r1") in exchange.response_headers


async def test_chunks_are_timed_as_they_come(serve, perform):
    """A stream's chunks keep their offsets and the order of their times."""

    async def stream(request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        await asyncio.sleep(0.05)
        await response.write(b"data: 2\n\n")
        return response

    exchange = await perform(await serve(stream))
    (first_end, first_at), (last_end, last_at) = exchange.arrivals[0], exchange.arrivals[-1]
    assert (first_end, last_end) == (9, 18)
    assert 0 < exchange.first_byte_s == first_at < last_at <= exchange.total_s


async def test_compressed_answers_are_kept_as_sent(serve, perform):
    """Bytes and encoding stay together for the wire room to decode."""

    async def answer(_request):
        return web.Response(body=b"\x1f\x8bwhatever", headers={"Content-Encoding": "gzip"})

    exchange = await perform(await serve(answer))
    assert exchange.response_body.head == b"\x1f\x8bwhatever"
    assert ("content-encoding", "gzip") in exchange.response_headers


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_not_followed(serve, perform, status):
    """A candidate's URL comes from the configuration only: the key goes nowhere else."""
    elsewhere = []

    async def other(request):
        elsewhere.append(request.path)
        return web.Response(text="{}")

    other_url = await serve(other)

    async def redirect(_request):
        return web.Response(status=status, headers={"Location": f"{other_url}/v1/chat/completions"})

    exchange = await perform(await serve(redirect))
    assert (exchange.status, elsewhere) == (status, [])


async def test_cookies_are_not_kept(serve, perform):
    """A second replay does not carry what the first was given."""
    cookies = []

    async def answer(request):
        cookies.append(request.headers.get("Cookie"))
        return web.Response(text="{}", headers={"Set-Cookie": "session=1; Path=/"})

    url = await serve(answer)
    await perform(url)
    await perform(url)
    assert cookies == [None, None]


async def test_nothing_is_tried_twice(serve_raw, perform):
    """A connection that closes without an answer is a failure, not a reason to pay again."""
    seen = []

    async def close(reader, _writer):
        seen.append(await reader.readuntil(b"\r\n\r\n"))

    exchange = await perform(await serve_raw(close))
    assert (len(seen), exchange.failure, exchange.outcome) == (1, Failed.CONNECTION_LOST, Outcome.UPSTREAM_FAILED)


async def say(reader, writer, *parts):
    await reader.readuntil(b"\r\n\r\n")
    for part in parts:
        writer.write(part)
        await writer.drain()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((b"garbage\r\n\r\n",), Failed.PROTOCOL),
        ((b"\x16\x03\x01\x02\x00",), Failed.PROTOCOL),
        ((b"HTTP/1.1 200 OK\r\nX: " + b"x" * (1 << 20) + b"\r\n\r\n",), Failed.PROTOCOL),
        ((b"HTTP/1.1 200 OK\r\nContent-Le",), Failed.CONNECTION_LOST),
        ((HEAD + b"Content-Length: 100\r\n\r\n{",), Failed.ANSWER_TRUNCATED),
        ((HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",), Failed.ANSWER_TRUNCATED),
        ((HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",), Failed.ANSWER_TRUNCATED),
        ((HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",), Failed.PROTOCOL),
        ((HEAD + b"Content-Length: -5\r\n\r\n",), Failed.PROTOCOL),
    ],
)
async def test_a_broken_wire_has_its_reason(serve_raw, perform, parts, expected):
    """Garbage, a flood of headers, and answers that break off: each is an outcome, none an exception."""
    exchange = await perform(await serve_raw(lambda reader, writer: say(reader, writer, *parts)))
    assert exchange.failure == expected


async def test_a_reset_is_a_lost_connection(serve_raw, perform):
    """RST before an answer began."""

    async def reset(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    exchange = await perform(await serve_raw(reset))
    assert exchange.failure == Failed.CONNECTION_LOST


async def test_a_reset_within_an_answer_truncates_it(serve_raw, perform):
    """RST in the middle: what came is kept, and known not to be all."""

    async def reset(reader, writer):
        await say(reader, writer, HEAD + b"Content-Length: 100\r\n\r\n{")
        await asyncio.sleep(0.05)
        writer.transport.abort()

    exchange = await perform(await serve_raw(reset))
    assert (exchange.failure, exchange.outcome) == (Failed.ANSWER_TRUNCATED, Outcome.UPSTREAM_TRUNCATED)


def through(url, *credentials):
    """The proxy at a URL."""
    parts = urlsplit(url)
    return Proxy(parts.hostname, parts.port, *credentials)


async def test_a_proxy_on_the_way_out_is_used(serve_raw, perform):
    """A pod that may only leave through a proxy asks it for the candidate's address."""
    lines = []

    async def carry(reader, writer):
        lines.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        writer.write(HEAD + b"Content-Length: 2\r\n\r\n{}")
        await writer.drain()

    exchange = await perform("http://candidate.invalid", proxy=through(await serve_raw(carry)))
    assert lines == [b"POST http://candidate.invalid/v1/chat/completions HTTP/1.1"]
    assert exchange.failure is None


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_is_told_its_own_credentials(serve_raw, perform, scheme):
    """Those of its URL, asked for a page or for a tunnel, and not the candidate's key in their place."""
    heads = []

    async def refuse(reader, writer):
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    await perform(f"{scheme}://candidate.invalid", proxy=through(await serve_raw(refuse), "us@er", "pa:ss"))
    [head] = heads
    assert b"\r\nProxy-Authorization: Basic dXNAZXI6cGE6c3M=\r\n" in head


async def test_a_proxy_that_refuses_is_a_failure_to_connect(serve_raw, perform):
    """It is not the candidate that said 403."""

    async def refuse(reader, writer):
        await say(reader, writer, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    exchange = await perform("https://candidate.invalid", proxy=through(await serve_raw(refuse)))
    assert (exchange.failure, exchange.status) == (Failed.CONNECT, None)


async def test_nobody_listening_is_a_failure_to_connect(perform):
    """Refused, as a candidate that is down refuses."""
    exchange = await perform("http://127.0.0.1:1")
    assert (exchange.failure, exchange.status) == (Failed.CONNECT, None)


async def test_an_unknown_name_is_a_failure_to_connect(perform):
    """A host that no resolver knows."""
    exchange = await perform("http://candidate.invalid")
    assert exchange.failure == Failed.CONNECT


async def test_a_server_without_tls_is_a_tls_failure(serve, perform):
    """https to a plain port: nothing is sent, least of all the key."""

    async def answer(_request):
        return web.Response(text="{}")

    exchange = await perform((await serve(answer)).replace("http://", "https://"))
    assert exchange.failure in (Failed.TLS, Failed.CONNECTION_LOST)


async def never(_reader, _writer):
    await asyncio.Event().wait()


async def silent_after_head(reader, writer):
    await say(reader, writer, HEAD + b"Content-Length: 100\r\n\r\n{")
    await asyncio.Event().wait()


async def drip(reader, writer):
    await say(reader, writer, HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1\r\nx\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("candidate", [never, silent_after_head, drip])
async def test_the_deadline_ends_what_does_not_end(serve_raw, perform, candidate):
    """A candidate that hangs, falls silent or drips for ever costs one deadline."""
    exchange = await perform(await serve_raw(candidate), timeout_s=0.3)
    assert exchange.failure == Failed.DEADLINE


async def flood(reader, writer):
    await say(reader, writer, HEAD + b"Content-Length: 104857600\r\n\r\n")
    for _ in range(100):
        writer.write(b"x" * MEGABYTE)
        await writer.drain()


async def endless(reader, writer):
    await say(reader, writer, HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        await writer.drain()


@pytest.mark.parametrize("candidate", [flood, endless])
async def test_a_flood_is_cut_and_memory_stays_flat(serve_raw, perform, candidate):
    """100 MB, or an answer without end, is cut at the bound; what is held stays near it."""
    url = await serve_raw(candidate)
    tracemalloc.start()
    try:
        exchange = await perform(url, limit=2 * MEGABYTE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert exchange.failure == Failed.ANSWER_TOO_LARGE
    assert exchange.response_body.size <= 2 * MEGABYTE
    assert peak < 16 * MEGABYTE  # two copies of the bound, and the server's own pieces


async def test_a_candidate_that_reads_nothing_keeps_no_connection(perform, monkeypatch):
    """A large request that is never read: after its deadline, and a while, socket and buffer are gone."""
    monkeypatch.setattr("shadow.mirror.replay.UNREAD_S", 0.3)

    def sockets():
        return sum(one.is_socket() for one in Path("/proc/self/fd").iterdir())

    with socket.create_server(("127.0.0.1", 0)) as deaf:
        before = sockets()
        exchange = await perform(
            f"http://127.0.0.1:{deaf.getsockname()[1]}", body=b"x" * (32 * MEGABYTE), timeout_s=0.2
        )
        assert exchange.failure in (Failed.DEADLINE, Failed.CONNECTION_LOST)
        async with asyncio.timeout(30):
            while sockets() > before:  # noqa: ASYNC110 (the kernel tells nobody)
                await asyncio.sleep(0.05)


async def test_room_for_all_answers_is_bounded(serve_raw, perform):
    """The sidecar's own bound is its own fault, and said to be so."""
    exchange = await perform(await serve_raw(flood), room=MEGABYTE)
    assert exchange.failure == Failed.MEMORY


async def test_large_requests_are_sent_whole(serve, perform):
    """A body of several megabytes, as images make them, goes out with its length."""
    seen = []

    async def note(request):
        seen.append((request.headers["Content-Length"], len(await request.read())))
        return web.Response(text="{}")

    body = orjson.dumps({"x": "y" * (6 * MEGABYTE)})
    exchange = await perform(await serve(note), body=body)
    assert (seen, exchange.failure) == ([(str(len(body)), len(body))], None)


async def test_an_answer_before_the_request_is_read_counts(serve_raw, perform):
    """An early refusal of a large body is the candidate's answer, not a broken wire."""

    async def refuse(reader, writer):
        await say(reader, writer, b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await asyncio.sleep(0.2)

    exchange = await perform(await serve_raw(refuse), body=b"x" * (8 * MEGABYTE))
    assert exchange.status == 413


async def test_certificates_are_checked():
    """The session trusts what the system trusts, and nothing else."""
    async with open_session() as session:
        assert session.connector._ssl is True or isinstance(session.connector._ssl, ssl.SSLContext)
