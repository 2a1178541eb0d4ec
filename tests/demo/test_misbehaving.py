"""Candidates that misbehave, each in its own way."""

import orjson
import pytest

from shadow.demo.candidates import Candidate
from shadow.demo.misbehaving import MISBEHAVING, breaks_inside, drips, fails_at_times, hangs
from shadow.demo.provider import StandIn
from shadow.demo.quirks import VLLM
from shadow.demo.request import Request, RequestHead
from shadow.demo.scenarios import Ask
from shadow.demo.script import Hold, Pause, Send
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


@pytest.mark.parametrize("name", sorted(set(MISBEHAVING) - {"hangs", "drips"}))
async def test_it_comes_the_same_to_the_byte(name: str) -> None:
    """Twice the same request, twice the same bytes."""
    assert (await hear_named(name)).raw == (await hear_named(name)).raw
