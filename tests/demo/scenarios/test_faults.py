"""Faults of the transport, and what is rare but right."""

import pytest

from shadow.demo.openrouter import OpenRouter
from shadow.demo.provider import StandIn
from shadow.demo.scenarios import SCENARIOS
from shadow.demo.scenarios.scenario import GREETING, TEXT
from shadow.demo.script import Pause
from tests.demo.wire import Heard, converse, hear


async def hear_named(stand_in: StandIn, name: str) -> Heard:
    return await hear(stand_in, SCENARIOS[name].ask)


@pytest.mark.parametrize(
    ("name", "status", "chunks", "fault"),
    [
        ("reset-before-headers", None, 0, "reset"),
        ("closes-before-headers", None, 0, "closed"),
        ("reset-after-headers", 200, 0, "reset"),
        ("reset-mid-stream", 200, 2, "reset"),
        ("truncated-chunk", 200, 3, "closed"),
        ("no-last-chunk", 200, 2, "closed"),
    ],
)
async def test_where_it_breaks(stand_in: StandIn, name: str, status: int | None, chunks: int, fault: str) -> None:
    """Row 23: with this status, after so many chunks (the third one cut), in this way."""
    heard = await hear_named(stand_in, name)
    assert (heard.status, len(heard.chunks), heard.fault) == (status, chunks, fault)


async def test_no_done(stand_in: StandIn) -> None:
    """Row 23: a well-framed body whose stream gives usage and no [DONE]."""
    heard = await hear_named(stand_in, "no-done")
    assert heard.fault is None
    assert heard.data[-1]["usage"]["total_tokens"] == 32


async def test_short_body(stand_in: StandIn) -> None:
    """Row 23: a hundred bytes fewer than promised."""
    heard = await hear_named(stand_in, "short-body")
    assert int(heard.header("content-length") or 0) == len(heard.body) + 100
    assert heard.fault == "closed"


@pytest.mark.parametrize(("name", "fault"), [("close-delimited", None), ("reset-close-delimited", "reset")])
async def test_close_delimited(stand_in: StandIn, name: str, fault: str | None) -> None:
    """Row 23: no length of any kind; a close is the end, a reset is a fault."""
    heard = await hear_named(stand_in, name)
    assert heard.header("content-length") is heard.header("transfer-encoding") is None
    assert heard.data[-1] == "[DONE]"
    assert heard.fault == fault


async def test_no_answer(stand_in: StandIn) -> None:
    """Row 23: thirty seconds before the first byte."""
    await hear_named(stand_in, "no-answer")
    assert OpenRouter()(stand_in.received[0].request())[0] == Pause(30)


async def test_both_lengths(stand_in: StandIn) -> None:
    """Row 23: two lengths that contradict each other."""
    heard = await hear_named(stand_in, "both-lengths")
    assert b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" in heard.raw


async def test_extra_bytes(stand_in: StandIn) -> None:
    """Row 23: a second answer on the heels of the only request."""
    ask = SCENARIOS["extra-bytes"].ask
    first, stray = await converse(stand_in, ask.wire("x"), answers=2)
    assert (first.json["choices"][0]["message"]["content"], stray.body) == (TEXT, b"not for you")
    assert len(stand_in.received) == 1


async def test_repeated_headers(stand_in: StandIn) -> None:
    """Row 39: every line is there, in its order and case."""
    headers = (await hear_named(stand_in, "repeated-headers")).headers
    at = [name for name, _ in headers].index(b"Set-Cookie")
    assert [name for name, _ in headers[at : at + 6]] == [
        b"Set-Cookie", b"Set-Cookie", b"Vary", b"vary", b"alt-svc", b"X-Empty",
    ]  # fmt: skip
    assert headers[at][1] != headers[at + 1][1]
    assert headers[at + 5][1] == b""


async def test_non_ascii_headers(stand_in: StandIn) -> None:
    """Row 39: bytes above 0x7F, in two encodings."""
    headers = dict((await hear_named(stand_in, "non-ascii-headers")).headers)
    assert headers[b"X-Served-From"] == "Zürich".encode()
    assert headers[b"X-Latin-1"] == b"caf\xe9"


async def test_large_headers(stand_in: StandIn) -> None:
    """Row 39: more than 32,000 bytes of them."""
    heard = await hear_named(stand_in, "large-headers")
    assert sum(len(value) for _, value in heard.headers) > 32_000


async def test_odd_reason(stand_in: StandIn) -> None:
    """Row 39: the reason phrase is the server's own."""
    assert (await hear_named(stand_in, "odd-reason")).reason == b"Fine By Me (mostly)"


@pytest.mark.parametrize(
    ("name", "status", "header", "value"),
    [
        ("redirect", 302, "location", "/elsewhere"),
        ("no-content", 204, "content-length", None),
        ("not-modified", 304, "content-length", "2048"),
    ],
)
async def test_statuses(stand_in: StandIn, name: str, status: int, header: str, value: str | None) -> None:
    """Row 39: a redirect, and the two statuses without a body."""
    heard = await hear_named(stand_in, name)
    assert (heard.status, heard.header(header)) == (status, value)


async def test_keep_alive(stand_in: StandIn) -> None:
    """Row 40: two requests in one write on one connection get two answers."""
    wire = SCENARIOS["keep-alive"].ask.wire("x")
    heard = await converse(stand_in, wire + wire, answers=2)
    assert [one.status for one in heard] == [200, 200]
    assert [one.connection for one in stand_in.received] == [0, 0]


async def test_closes_on_reuse(stand_in: StandIn) -> None:
    """Row 40: the first answer is whole and keeps the connection; the second request on it gets none."""
    wire = SCENARIOS["closes-on-reuse"].ask.wire("x")
    first, second = await converse(stand_in, wire + wire, answers=2)
    assert (first.status, first.header("connection")) == (200, None)
    assert (second.status, second.fault) == (None, "closed")


async def test_tunnel(stand_in: StandIn) -> None:
    """Row 40: 101, after which the connection belongs to other protocols."""
    assert (await hear_named(stand_in, "tunnel")).status == 101


async def test_too_large(stand_in: StandIn) -> None:
    """Row 33: 413 while the body is still to come."""
    ask = SCENARIOS["too-large"].ask
    [heard] = await converse(stand_in, ask.wire("x")[:-1])
    assert (heard.status, stand_in.received[0].complete) == (413, False)


async def test_the_stream_before_a_fault_is_the_ordinary_one(stand_in: StandIn) -> None:
    """What comes before a reset are the first chunks of the ordinary stream."""
    heard = await hear_named(stand_in, "reset-mid-stream")
    assert [chunk["choices"][0]["delta"]["content"] for chunk in heard.data] == list(GREETING[:2])
