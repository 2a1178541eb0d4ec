"""When the client's key leaves the forwarder: only for a cut answer, and only where that is configured."""

from pathlib import Path

import orjson
import pytest

from shadow.exchange import Exchange, Outcome
from shadow.forward.credential import KEY_CHARACTERS, entrusted
from shadow.forward.tap import Capture, Room
from tests.forward.conftest import Bench, running
from tests.record.samples import exchange

KEY = "sk-or-v1-secret"
ASK = (
    b"POST /api/v1/chat/completions HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer sk-or-v1-secret\r\n"
    b"Content-Length: 2\r\n\r\n{}"
)
BROKEN_OFF = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 99\r\n\r\ndata: {}\n\n"
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def capture(method: bytes = b"POST", status: int | None = 200, key: bytes = KEY.encode()) -> Capture:
    fields = {b"authorization": b"Bearer " + key} if key else {}
    asked = Capture(0.0, method, b"/", fields, orjson.Fragment(b"{}"), Room(100), 0.0)
    asked.status = status
    return asked


@pytest.mark.parametrize("outcome", [Outcome.CLIENT_CANCELLED, Outcome.UPSTREAM_TRUNCATED])
def test_a_cut_answer_takes_the_key_along(outcome: Outcome) -> None:
    """Whoever cut it, its cost can be asked for later."""
    assert entrusted(capture(), outcome) == KEY


@pytest.mark.parametrize("outcome", [Outcome.COMPLETE, Outcome.UPSTREAM_FAILED])
def test_what_was_not_cut_leaves_the_key(outcome: Outcome) -> None:
    """A whole answer has its cost, and none has no cost."""
    assert entrusted(capture(), outcome) is None


@pytest.mark.parametrize("other", [capture(b"GET"), capture(status=None), capture(status=429), capture(status=302)])
def test_where_nothing_can_be_owed_the_key_stays(other: Capture) -> None:
    """A read, no answer and an error leave the key where it is."""
    assert entrusted(other, Outcome.CLIENT_CANCELLED) is None


@pytest.mark.parametrize("key", [b"", b"k" * (KEY_CHARACTERS + 1), "sk-\u2028".encode(), "sk-é".encode()])
def test_what_is_no_key_is_not_taken_along(key: bytes) -> None:
    """No key, and one that no provider would give out."""
    assert entrusted(capture(key=key), Outcome.CLIENT_CANCELLED) is None


def test_an_exchange_does_not_show_its_key() -> None:
    """Neither printed nor in an error's text is there a key."""
    assert KEY not in repr(exchange(credential=KEY))


async def broken_off(bench: Bench, answer: bytes = BROKEN_OFF) -> Exchange:
    bench.origin.answering(answer)
    client = await bench.connect()
    await client.send(ASK)
    return await bench.recorded()


async def test_the_key_crosses_where_configured(tmp_path: Path) -> None:
    """With delayed costs, the recorder is given the key of a stream that broke off, apart from the headers."""
    async with running(tmp_path, upstream={"delayed_cost": True}) as bench:
        seen = await broken_off(bench)
        assert (seen.outcome, seen.credential) == (Outcome.UPSTREAM_TRUNCATED, KEY)
        assert all(KEY not in value for _, value in seen.request_headers)


async def test_the_key_stays_where_not_configured(tmp_path: Path) -> None:
    """By default no byte of the key is in a frame, however the exchange ended."""
    async with running(tmp_path) as bench:
        seen = await broken_off(bench)
        assert seen.outcome is Outcome.UPSTREAM_TRUNCATED
        assert seen.credential is None
        assert KEY.encode() not in bench.inbox.bytes


async def test_the_key_of_a_whole_answer_stays(tmp_path: Path) -> None:
    """What came with its cost needs no key, even where delayed costs are configured."""
    async with running(tmp_path, upstream={"delayed_cost": True}) as bench:
        seen = await broken_off(bench, WHOLE)
        assert (seen.outcome, seen.credential) == (Outcome.COMPLETE, None)
