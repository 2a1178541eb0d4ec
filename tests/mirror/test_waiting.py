"""The queue of a candidate: bounded in count and bytes, first in first out."""

from shadow.exchange import Rewrite
from shadow.mirror.planned import RECORD_BYTES, Planned
from shadow.mirror.reasons import Dropped
from shadow.mirror.waiting import Queue, Waiting
from tests.mirror.making import chat, observed


def waiting(size=0):
    exchange = chat(b"{}", b"{}")
    return Waiting(Planned(exchange, observed(exchange), "ferry", 1.0, b"x" * size, Rewrite()), 0.0)


def test_the_oldest_goes_first():
    """Replays leave in the order in which they came."""
    queue, ones = Queue(), [waiting() for _ in range(3)]
    assert [queue.put(one) for one in ones] == [None] * 3
    assert [queue.take() for _ in range(4)] == [*ones, None]


def test_the_count_is_bounded():
    """The newest is refused; those that wait keep their place."""
    queue = Queue(max_count=2)
    assert [queue.put(waiting()) for _ in range(3)] == [None, None, Dropped.QUEUE_COUNT]
    queue.take()
    assert queue.put(waiting()) is None


def test_the_bytes_are_bounded():
    """Bodies and what surrounds them count, and room comes back when one leaves."""
    queue = Queue(max_bytes=2 * RECORD_BYTES + 1500)
    assert queue.put(waiting(1000)) is None
    assert queue.put(waiting(1000)) is Dropped.QUEUE_BYTES
    assert queue.put(waiting(500)) is None
    queue.take()
    assert queue.put(waiting(1000)) is None


def test_an_empty_queue_holds_no_bytes():
    """What was taken out is no longer counted."""
    queue = Queue()
    for size in (10, 20, 30):
        queue.put(waiting(size))
    while queue.take():
        pass
    assert (len(queue), queue.size) == (0, 0)
