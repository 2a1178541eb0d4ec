import asyncio
from decimal import Decimal
from itertools import repeat

import pytest

from shadow.config import Capture, Registry, Tenant
from shadow.exchange import Answer, Cost, CostSource, Observation, Pending, Recorded, Replay, ReplayOutcome
from shadow.record.bodies import Keeper
from shadow.record.ledger import StoreLedger
from shadow.record.metrics import Metrics
from shadow.store.errors import StoreError, Trouble
from tests.record.samples import KEEPS_NOTHING, FakeStore, exchange, exchange_id, sample

REPLAY = Replay(exchange_id(0), "ferry", ReplayOutcome.FAILED, "deadline", 0.05)


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def ledger(store: FakeStore) -> StoreLedger:
    return StoreLedger(store, KEEPS_NOTHING, Metrics(), retry_s=0.001)


async def test_a_replay_is_marked_before_it_is_sent(ledger: StoreLedger, store: FakeStore) -> None:
    """The mark is in the store when the call returns."""
    await ledger.mark_sent(exchange_id(0), "ferry")
    assert store.sent == [(exchange_id(0), "ferry")]


async def test_what_cannot_be_marked_must_not_be_sent(ledger: StoreLedger, store: FakeStore) -> None:
    """The mirror is told that the mark failed."""
    store.troubles = repeat(Trouble.DISK_FULL)
    with pytest.raises(StoreError):
        await ledger.mark_sent(exchange_id(0), "ferry")


async def test_an_end_waits_for_the_store(ledger: StoreLedger, store: FakeStore) -> None:
    """A store in trouble is asked again until it takes the end: money was spent, so it must not be forgotten."""
    store.troubles = iter([Trouble.DISK_FULL] * 3)
    await ledger.settle(REPLAY)
    assert store.settled == [REPLAY]


async def test_a_stopping_recorder_does_not_wait(ledger: StoreLedger, store: FakeStore) -> None:
    """Told to hurry, what waits gives up at once and leaves the row to the next start."""
    store.troubles = repeat(Trouble.DISK_FULL)
    settling = asyncio.create_task(ledger.settle(REPLAY))
    await asyncio.sleep(0)
    ledger.hurry()
    with pytest.raises(StoreError):
        await settling
    assert store.settled == []


async def test_a_pair_is_counted_with_its_primary(store: FakeStore) -> None:
    """The ratio of costs needs the primary's, which is remembered until the replay ends and no longer."""
    metrics = Metrics()
    ledger = StoreLedger(store, KEEPS_NOTHING, metrics)
    primary = Observation(inference=True, cost=Cost(Decimal("0.004"), CostSource.REPORTED))
    ledger.expect(Recorded(exchange(), primary, (), (Pending("ferry", 0.05),)))
    seen = Observation(inference=True, cost=Cost(Decimal("0.001"), CostSource.CONFIGURED))
    replay = Replay(exchange_id(0), "ferry", ReplayOutcome.COMPLETED, None, 0.05, None, exchange(), seen)
    await ledger.settle(replay)
    text = metrics.expose().decode()
    assert sample(text, "shadow_cost_ratio_sum", arm="ferry") == 0.25
    assert sample(text, "shadow_cost_usd_total", arm="ferry", feature="summaries", tenant="acme") == 0.001
    assert ledger._primaries == {}


async def test_what_is_kept_of_an_answer_is_settled_with_it(store: FakeStore) -> None:
    """In the same commit, for a tenant that consents; counted by its arm."""
    metrics = Metrics()
    consenting = Keeper(Capture(bodies="consented"), Registry(tenants={"acme": Tenant(bodies=True)}))
    ledger = StoreLedger(store, consenting, metrics)
    seen = Observation(inference=True, answer=Answer("Hello."))
    await ledger.settle(Replay(exchange_id(0), "ferry", ReplayOutcome.COMPLETED, None, 0.05, None, exchange(), seen))
    [settled] = store.settled
    assert settled.bodies is not None
    assert sample(metrics.expose().decode(), "shadow_bodies_total", arm="ferry", result="whole") == 1
