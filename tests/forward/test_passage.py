"""From the relay's word that a request is here to the frame that is handed over."""

from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from shadow.exchange import Outcome
from shadow.forward.handoff import Handoff
from shadow.forward.metrics import Metrics
from shadow.forward.passage import SETTLE_AT_ONCE, Passages
from shadow.forward.tap import Capture
from shadow.frames import join, unpack
from tests.forward.conftest import SECRET, configuration


class Hall:
    """Passages with a handoff that sends nothing: what is handed over stays in it."""

    def __init__(self, **settings: Any) -> None:
        self.metrics = Metrics(())
        self.handoff = Handoff(AsyncMock(), self.metrics, 1 << 20, 0.0)
        self.passages = Passages(configuration(**settings), SECRET, self.metrics, self.handoff)

    def passed(self, body: bytes = b"hello") -> Capture:
        """A request that has passed and whose end has been told."""
        capture, _ = self.passages.open(b"POST", b"/v1?k=1", {b"x-tenant-id": b"acme"}, 0.0)
        capture.request.feed(body)
        self.passages.close(capture, Outcome.COMPLETE)
        return capture

    def counted(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


async def test_what_has_ended_is_handed_over_as_it_passed() -> None:
    """Attributed, under a name of its own, in the order in which requests ended."""
    hall = Hall()
    for body in (b"one", b"two"):
        hall.passed(body)
    hall.passages.settle()
    first, second = unpack(join(hall.handoff._frames))
    assert (first.request_body.head, second.request_body.head) == (b"one", b"two")
    assert (first.attribution.tenant, first.path) == ("acme", "/v1")
    assert first.exchange_id != second.exchange_id


async def test_what_is_resolved_travels_upstream_unless_the_client_says_it() -> None:
    """A tag of the client's own is neither replaced nor repeated."""
    hall = Hall(attribution={"tenant": [{"query": "t"}]})
    assert hall.passages.open(b"POST", b"/?t=acme", {}, 0.0)[1] == [b"X-Tenant-Id: acme"]
    assert hall.passages.open(b"POST", b"/?t=acme", {b"x-tenant-id": b"mine"}, 0.0)[1] == []


async def test_only_some_are_handed_over_in_one_turn() -> None:
    """Requests have their turn in between."""
    hall = Hall()
    for _ in range(SETTLE_AT_ONCE + 1):
        hall.passed()
    hall.passages._settle()
    assert len(hall.handoff._frames) == SETTLE_AT_ONCE
    hall.passages._settle()
    assert len(hall.handoff._frames) == SETTLE_AT_ONCE + 1


async def test_a_copy_that_fails_is_counted_and_leaves_its_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request that it was taken of has long been answered; the next one has all the room again."""
    hall = Hall()
    monkeypatch.setattr(Capture, "packed", Mock(side_effect=ValueError))
    hall.passed()
    hall.passages.settle()
    assert hall.counted("shadow_handoff_exchanges_total", result="refused") == 1
    assert hall.passages._room.used_bytes == 0


async def test_a_copy_that_was_cut_for_want_of_room_is_counted() -> None:
    """It is handed over all the same, with the number of bytes that passed."""
    hall = Hall()
    hall.passages._room.max_bytes = 3
    hall.passed(b"hello")
    hall.passages.settle()
    [exchange] = unpack(join(hall.handoff._frames))
    assert exchange.request_body.size == 5
    assert hall.counted("shadow_captures_cut_total") == 1
