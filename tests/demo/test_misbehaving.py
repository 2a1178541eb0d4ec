"""Candidates that misbehave, each in its own way."""

import asyncio

import orjson
import pytest

from shadow.demo.candidates import Candidate
from shadow.demo.misbehaving import MISBEHAVING, breaks_inside, drips, fails_at_times, floods, hangs
from shadow.demo.provider import StandIn
from shadow.demo.quirks import VLLM
from shadow.demo.request import Request, RequestHead
from shadow.demo.scenarios import Ask
from shadow.demo.script import LAST_CHUNK, Hold, Pause, Send
from tests.demo.wire import Heard, hear


def request(text: str = "Hello") -> Request:
    body = orjson.dumps({"model": "small", "stream": True, "messages": [{"role": "user", "content": text}]})
    return Request(RequestHead("POST", "/v1/chat/completions", 1, ()), body, len(body), "")


async def hear_named(name: str) -> Heard:
    async with StandIn(MISBEHAVING[name], pace=0) as stand_in:
        return await hear(stand_in, Ask("POST", "/v1/chat/completions", (), request().body))


def test_hangs() -> None:
    """Nothing at all is sent."""
    assert hangs(request()) == (Hold(),)


def test_drips() -> None:
    """One byte a second."""
    script = drips(request())
    assert all(isinstance(step, Pause) and step.seconds == 1 for step in script[2::2])
    assert all(isinstance(step, Send) and step.data == b"1\r\n:\r\n" for step in script[1::2])


async def test_html() -> None:
    """502 and a page."""
    heard = await hear_named("html")
    assert (heard.status, heard.header("content-type")) == (502, "text/html; charset=UTF-8")


async def test_limits_all() -> None:
    """429 and when to come back."""
    heard = await hear_named("limits-all")
    assert (heard.status, heard.header("retry-after")) == (429, "20")


async def test_closes_after_headers() -> None:
    """A head that promises 512 bytes, and none of them."""
    heard = await hear_named("closes-after-headers")
    assert (heard.status, heard.body, heard.fault) == (200, b"", "closed")


async def test_resets() -> None:
    """After the head, and not in the ordinary way."""
    heard = await hear_named("resets")
    assert (heard.status, heard.fault) == (200, "reset")


async def test_garbage() -> None:
    """Nothing of it is an answer."""
    async with StandIn(MISBEHAVING["garbage"]) as stand_in:
        reader, writer = await asyncio.open_connection(*stand_in.url.removeprefix("http://").split(":"))
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        said = await reader.read()
        writer.close()
    assert said == bytes(range(256)) * 4


async def test_no_json() -> None:
    """200, and what no parser takes."""
    heard = await hear_named("no-json")
    assert (heard.status, heard.header("content-type")) == (200, "application/json")
    with pytest.raises(ValueError):  # noqa: PT011 (any parser's)
        orjson.loads(heard.body)


@pytest.mark.parametrize("stream", [False, True])
def test_floods(stream: bool) -> None:
    """A hundred megabytes; a stream of them has no end."""
    body = orjson.dumps({"model": "small", "stream": stream, "messages": [{"role": "user", "content": "Hello"}]})
    script = floods(Request(RequestHead("POST", "/v1/chat/completions", 1, ()), body, len(body), ""))
    sent = sum(len(step.data) for step in script if isinstance(step, Send))
    assert sent >= 95 << 20
    assert Send(LAST_CHUNK) not in script


async def test_breaks_inside() -> None:
    """Two chunks of a good stream, an error event, [DONE]."""
    data = (await hear_named("breaks-inside")).data
    assert [bool(chunk.get("choices")) for chunk in data[:2]] == [True, True]
    assert (data[2]["error"]["code"], data[3:]) == (500, ["[DONE]"])


def test_breaks_inside_plainly() -> None:
    """Without a stream there is no inside: 500."""
    plain = request().body.replace(b'"stream":true,', b"")
    [step] = breaks_inside(Request(RequestHead("POST", "/", 1, ()), plain, len(plain), ""))
    assert isinstance(step, Send)
    assert step.data.startswith(b"HTTP/1.1 500")


async def test_fails_at_times() -> None:
    """About one in four, and always the same ones."""
    behaviour = fails_at_times(Candidate(VLLM), 4)
    first, second = [[failed(behaviour(request(str(number)))) for number in range(200)] for _ in range(2)]
    assert first == second
    assert 25 < sum(first) < 75


def failed(script: tuple[object, ...]) -> bool:
    return isinstance(script[0], Send) and script[0].data.startswith(b"HTTP/1.1 503")


@pytest.mark.parametrize("name", sorted(set(MISBEHAVING) - {"hangs", "drips", "floods"}))
async def test_it_comes_the_same_to_the_byte(name: str) -> None:
    """Twice the same request, twice the same bytes."""
    assert (await hear_named(name)).raw == (await hear_named(name)).raw
