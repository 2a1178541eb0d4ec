"""Idle connections to the upstream."""

from unittest.mock import Mock

import pytest

from shadow.forward.heads import AnswerHead, read_answer
from shadow.forward.pool import IDLE_S, MARGIN_S, MAX_IDLE, Pool, idle_s
from shadow.forward.upstream import Upstream
from tests.forward.fakes import FakeTransport, upstream_on


class Clock:
    """The loop's clock and timers, moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.due: list[object] = []

    def time(self) -> float:
        return self.now

    def call_later(self, _delay: float, callback: object) -> Mock:
        self.due.append(callback)
        return Mock()


async def pool_at(clock: Clock) -> Pool:
    pool = Pool(Mock())
    pool._loop = clock  # type: ignore[assignment]
    return pool


def connection() -> tuple[Upstream, FakeTransport]:
    transport = FakeTransport()
    return upstream_on(transport), transport


def answered(*lines: bytes, version: bytes = b"1.1") -> AnswerHead:
    return read_answer(b"\r\n".join((b"HTTP/" + version + b" 200 OK", *lines, b"", b"")))


async def test_the_one_used_last_is_taken_first() -> None:
    """So that the others grow old in quiet times."""
    pool = await pool_at(Clock())
    (first, _), (second, _) = connection(), connection()
    for one in (first, second):
        pool.put(one, IDLE_S)
    assert [pool.take(), pool.take(), pool.take()] == [second, first, None]
    assert first.used


async def test_an_old_connection_is_not_taken() -> None:
    """It is closed instead, before the upstream does it under a request."""
    clock = Clock()
    pool = await pool_at(clock)
    old, transport = connection()
    pool.put(old, IDLE_S)
    clock.now += IDLE_S
    assert pool.take() is None
    assert transport.aborted


@pytest.mark.parametrize("speak", [b"x", b""], ids=["bytes", "its end"])
async def test_a_connection_that_has_spoken_is_not_taken(speak: bytes) -> None:
    """Even where the loop has not read it yet: whatever it says belongs to no exchange."""
    pool = await pool_at(Clock())
    one, transport = connection()
    pool.put(one, IDLE_S)
    transport.peer.send(speak) if speak else transport.peer.close()
    assert pool.take() is None
    assert transport.aborted


async def test_what_speaks_while_idle_is_closed_at_once() -> None:
    """A late second answer reaches nobody."""
    one, transport = connection()
    one.data_received(b"HTTP/1.1 200 OK\r\n\r\n")
    assert transport.aborted


async def test_no_time_is_no_place() -> None:
    """A connection on which nothing may follow is closed, and so is one too many."""
    pool = await pool_at(Clock())
    one, transport = connection()
    pool.put(one, 0.0)
    assert transport.closed
    pool._idle = [one] * MAX_IDLE
    other, transport = connection()
    pool.put(other, IDLE_S)
    assert transport.closed


async def test_sweeping_closes_what_is_too_old_and_keeps_the_rest() -> None:
    """Nobody need ask for a connection for the others to be closed in time."""
    clock = Clock()
    pool = await pool_at(clock)
    (old, was_old), (young, was_young) = connection(), connection()
    pool.put(old, 1.0)
    pool.put(young, 10.0)
    clock.now += 2.0
    pool._sweep()
    assert (was_old.closed, was_young.closed) == (True, False)
    assert pool.take() is young


@pytest.mark.parametrize(
    ("answer", "idle"),
    [
        (answered(), IDLE_S),
        (answered(b"Keep-Alive: timeout=5, max=100"), 5 - MARGIN_S),
        (answered(b"Keep-Alive: max=100, timeout=3600"), IDLE_S),
        (answered(b"Keep-Alive: timeout=1"), 0),
        (answered(b"Connection: close"), 0),
        (answered(version=b"1.0"), 0),
    ],
    ids=["unsaid", "short", "long", "too short", "closes", "old"],
)
def test_connections_idle_as_long_as_the_upstream_says(answer: AnswerHead, idle: float) -> None:
    """And a little less, never longer than load balancers commonly wait."""
    assert idle_s(answer) == idle
