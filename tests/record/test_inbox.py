import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from shadow.exchange import Pending, ReplayOutcome
from shadow.frames import FrameError, pack
from shadow.record.inbox import Inbox
from shadow.record.metrics import Metrics
from shadow.store.errors import StoreError, Trouble
from tests.record.conftest import FakeMirror
from tests.record.samples import FakeStore, exchange, exchange_id, sample


def batch(*numbers: int) -> bytes:
    return b"".join(pack(exchange(number)) for number in numbers)


async def test_an_exchange_is_read_decided_and_stored(inbox: Inbox, store: FakeStore) -> None:
    """What is committed holds the facts of the bytes, the replays that ended at once and those to come."""
    await inbox.take(batch(0))
    recorded = store.added[exchange_id(0)]
    assert recorded.observation.cost.usd == Decimal("0.0001")
    assert [(replay.arm, replay.outcome) for replay in recorded.ended] == [("canal", ReplayOutcome.SAMPLED_OUT)]
    assert recorded.pending == (Pending("ferry", 0.5),)


async def test_a_replay_is_submitted_after_the_commit(inbox: Inbox, store: FakeStore, mirror: FakeMirror) -> None:
    """Nothing is sent of what is not stored."""
    store.troubles = iter([Trouble.DISK_FULL])
    with pytest.raises(StoreError):
        await inbox.take(batch(0))
    assert mirror.submitted == []
    await inbox.take(batch(0))
    assert [planned.exchange_id for planned in mirror.submitted] == [exchange_id(0)]


async def test_an_exchange_sent_again_is_not_replayed_again(inbox: Inbox, mirror: FakeMirror, metrics: Metrics) -> None:
    """A batch whose acknowledgement was lost comes twice and counts once."""
    await inbox.take(batch(0, 1))
    await inbox.take(batch(1, 2))
    assert [planned.exchange_id for planned in mirror.submitted] == [exchange_id(number) for number in (0, 1, 2)]
    replays = sample(
        metrics.expose().decode(), "shadow_replays_total", arm="canal", outcome="sampled_out", reason="not_drawn"
    )
    assert replays == 3


async def test_an_exchange_twice_in_a_batch_is_replayed_once(inbox: Inbox, mirror: FakeMirror) -> None:
    """A batch that repeats itself does not pay twice."""
    await inbox.take(batch(0, 0))
    assert len(mirror.submitted) == 1


async def test_a_replay_without_room_is_settled(inbox: Inbox, store: FakeStore, mirror: FakeMirror) -> None:
    """A replay that the mirror drops at once ends in the store as dropped."""
    mirror.full = True
    await inbox.take(batch(0))
    async with asyncio.timeout(10):
        while not store.settled:  # noqa: ASYNC110 (a task of the inbox's own)
            await asyncio.sleep(0)
    assert [(replay.outcome, replay.reason) for replay in store.settled] == [(ReplayOutcome.DROPPED, "queue_count")]


async def test_a_mistake_of_the_mirror_costs_no_row(
    inbox: Inbox, store: FakeStore, mirror: FakeMirror, caplog: pytest.LogCaptureFixture
) -> None:
    """An exchange the mirror breaks on is recorded without replays, and the log says so."""
    mirror.breaks = True
    await inbox.take(batch(0))
    assert (store.added[exchange_id(0)].pending, "recorded and not replayed" in caplog.text) == ((), True)


async def test_a_batch_is_stored_whole_or_not_at_all(inbox: Inbox, store: FakeStore) -> None:
    """A batch that ends in the middle of a frame leaves nothing."""
    with pytest.raises(FrameError):
        await inbox.take(batch(0, 1)[:-1])
    assert store.added == {}


async def test_the_callers_attribution_is_completed(inbox: Inbox, store: FakeStore) -> None:
    """What is stored is what all rules together found."""
    inbox = replace(inbox, completion=Upper())  # type: ignore[arg-type]
    await inbox.take(batch(0))
    assert store.added[exchange_id(0)].exchange.path == "/API/V1/CHAT/COMPLETIONS"


class Upper:
    """A completion that can be told from none."""

    def complete(self, seen: object) -> object:
        return replace(seen, path=seen.path.upper())  # type: ignore[type-var, attr-defined]
