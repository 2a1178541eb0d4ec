import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from shadow.exchange import Cost, CostSource, Pending, ReplayOutcome, Usage
from shadow.store.errors import StoreError, Trouble
from shadow.store.sqlite import Ended, SQLiteStore
from tests.store.conftest import Query
from tests.store.samples import exchange, exchange_id, observation, recorded, replay


async def test_what_is_added_is_committed(store: SQLiteStore, query: Query) -> None:
    """When `add` returns, another process sees the exchange and its replays."""
    assert await store.add([recorded(0, "ferry", ended=(replay(0, "canal"),))]) == {exchange_id(0)}
    assert query("SELECT tenant, cost_nano_usd FROM exchanges") == [("acme", 123_456)]
    assert query("SELECT arm, outcome FROM replays ORDER BY arm") == [("canal", "completed"), ("ferry", None)]


async def test_an_exchange_sent_again_is_ignored(store: SQLiteStore, query: Query) -> None:
    """A batch that comes a second time adds only what was not there, and changes nothing."""
    await store.add([recorded(0), recorded(1)])
    assert await store.add([recorded(1, "ferry"), recorded(2)]) == {exchange_id(2)}
    assert query("SELECT count(*) FROM exchanges UNION ALL SELECT count(*) FROM replays") == [(3,), (0,)]


async def test_an_exchange_twice_in_one_batch_is_one(store: SQLiteStore, query: Query) -> None:
    """A batch that repeats itself does not break the commit."""
    assert await store.add([recorded(0, "ferry"), recorded(0, "ferry")]) == {exchange_id(0)}
    assert query("SELECT count(*) FROM replays") == [(1,)]


async def test_of_two_that_wait_together_one_is_new(store: SQLiteStore) -> None:
    """An exchange handed over twice at once is new to one caller only: it must not be replayed twice."""
    answers = await asyncio.gather(store.add([recorded(0)]), store.add([recorded(0)]))
    assert sorted(answers, key=len) == [set(), {exchange_id(0)}]


async def test_an_empty_batch_is_nothing(store: SQLiteStore) -> None:
    """Nothing in, nothing new."""
    assert await store.add([]) == set()


async def test_an_id_that_is_none_is_refused(store: SQLiteStore, query: Query) -> None:
    """A batch with a malformed id raises ValueError and leaves no part of itself."""
    broken = recorded(1)
    object.__setattr__(broken.exchange, "exchange_id", "one")
    with pytest.raises(ValueError, match="UUID"):
        await store.add([recorded(0), broken])
    assert query("SELECT count(*) FROM exchanges") == [(0,)]


async def test_a_replay_is_marked_sent(store: SQLiteStore, query: Query) -> None:
    """The moment of sending is on disk before the replay is sent."""
    await store.add([recorded(0, "ferry", "canal")])
    await store.mark_sent(exchange_id(0), "ferry")
    assert query("SELECT arm, sent_at FROM replays ORDER BY arm") == [("canal", None), ("ferry", 123.5)]


async def test_a_replay_is_settled(store: SQLiteStore, query: Query) -> None:
    """The end of a pending replay is written into its row, beside what was known before."""
    await store.add([recorded(0, "ferry")])
    await store.mark_sent(exchange_id(0), "ferry")
    await store.settle([replay(0, exchange=exchange(), observation=observation())])
    assert query("SELECT outcome, probability, sent_at, cost_nano_usd, status FROM replays") == [
        ("completed", 0.05, 123.5, 123_456, 200)
    ]


async def test_a_settled_replay_stays_settled(store: SQLiteStore, query: Query) -> None:
    """The first end counts."""
    await store.add([recorded(0, "ferry")])
    await store.settle([replay(0)])
    await store.settle([replay(0, outcome=ReplayOutcome.FAILED, reason="deadline")])
    assert query("SELECT outcome FROM replays") == [("completed",)]


async def test_pending_replays_of_an_earlier_run_are_ended(path: Path, query: Query) -> None:
    """After a crash, what was not sent is dropped and what was sent has failed: nothing is sent twice."""
    earlier = await SQLiteStore.open(path)
    await earlier.add([recorded(0, "canal", "ferry"), recorded(1, "ferry", ended=(replay(1, "canal"),))])
    await earlier.mark_sent(exchange_id(0), "ferry")
    await earlier.close()
    store = await SQLiteStore.open(path)
    ended = await store.recover()
    again = await store.recover()
    await store.close()
    assert sorted(map(str, ended)) == sorted(
        map(
            str,
            [
                Ended("canal", ReplayOutcome.DROPPED, "recorder_restarted"),
                Ended("ferry", ReplayOutcome.DROPPED, "recorder_restarted"),
                Ended("ferry", ReplayOutcome.FAILED, "interrupted"),
            ],
        )
    )
    assert again == ()
    assert query("SELECT count(*) FROM replays WHERE outcome IS NULL") == [(0,)]


async def test_a_closed_store_says_so(store: SQLiteStore) -> None:
    """After closing, every call raises StoreError."""
    await store.close()
    with pytest.raises(StoreError) as raised:
        await store.add([recorded(0)])
    assert raised.value.trouble is Trouble.CLOSED


async def test_closing_commits_what_waits(path: Path, query: Query) -> None:
    """What was handed over before closing is stored."""
    store = await SQLiteStore.open(path)
    adding = [asyncio.create_task(store.add([recorded(number)])) for number in range(5)]
    await asyncio.sleep(0)
    await store.close()
    assert [len(await one) for one in adding] == [1] * 5
    assert query("SELECT count(*) FROM exchanges") == [(5,)]


UNKNOWN = replace(recorded(0), observation=observation(usage=Usage(100, None), cost=Cost()))
LATE = Cost(Decimal("0.0000000123"), CostSource.REPORTED, Decimal("0.5"), "generation", Decimal("0.0000000123"))
COSTS = """SELECT cost_nano_usd, cost_usd_exact, cost_source, cost_normalised_nano_usd, price_version, stated_cost_usd,
    input_tokens, output_tokens, reasoning_output_tokens FROM exchanges"""


async def test_a_cost_that_comes_later_is_added(store: SQLiteStore, query: Query) -> None:
    """An unknown cost becomes a known one, exactly; counts that came with it take their place, others stay."""
    await store.add([UNKNOWN])
    assert await store.set_cost(exchange_id(0), LATE, Usage(None, 20, None, None, 5))
    assert query(COSTS) == [
        (12, "1.23E-8", "reported", 500_000_000, "generation", "1.23E-8", 100, 20, 5),
    ]


async def test_a_known_cost_stays(store: SQLiteStore, query: Query) -> None:
    """What the answer itself said of its cost and counts is not replaced, nor is an earlier late one."""
    await store.add([recorded(0)])
    before = query(COSTS)
    assert not await store.set_cost(exchange_id(0), LATE, Usage(1, 1))
    assert query(COSTS) == before


async def test_a_cost_of_an_exchange_that_is_gone_is_nothing(store: SQLiteStore, query: Query) -> None:
    """A row that retention has taken does not come back."""
    assert not await store.set_cost(exchange_id(0), LATE, Usage())
    assert query("SELECT count(*) FROM exchanges") == [(0,)]


async def test_a_replay_may_come_later_than_its_exchange(store: SQLiteStore, query: Query) -> None:
    """Pending or ended at once; it is marked and settled as any other is."""
    await store.add([recorded(0)])
    assert await store.add_later(exchange_id(0), Pending("ferry", 1.0, 7))
    over = replay(0, "canal", outcome=ReplayOutcome.INELIGIBLE, reason="preset")
    assert await store.add_later(exchange_id(0), over)
    assert query("SELECT arm, outcome, probability, conversation FROM replays WHERE arm = 'ferry'") == [
        ("ferry", None, 1.0, 7)
    ]
    await store.settle([replay(0, "ferry")])
    assert query("SELECT arm, outcome FROM replays ORDER BY arm") == [("canal", "ineligible"), ("ferry", "completed")]


async def test_an_arm_has_one_replay_of_an_exchange(store: SQLiteStore, query: Query) -> None:
    """Whoever comes second is told so, and changes nothing; nor does a replay come of an exchange that is gone."""
    await store.add([recorded(0, ended=(replay(0, "ferry"),))])
    assert not await store.add_later(exchange_id(0), Pending("ferry", 1.0))
    assert not await store.add_later(exchange_id(1), Pending("ferry", 1.0))
    assert query("SELECT outcome FROM replays") == [("completed",)]
