import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from shadow.exchange import Cost, CostSource, Observation, Usage
from shadow.record.delayed_cost import WAITS_S, DelayedCosts, Owed, owed
from shadow.record.metrics import DelayedCost, Metrics
from shadow.store.errors import StoreError, Trouble
from shadow.wire.generation import Generation
from shadow.wire.prices import PriceBook
from shadow.wire.usage import Reported
from tests.record.samples import exchange, exchange_id, sample

KEY = "sk-or-v1-secret"
BOOK = PriceBook({}, None, openrouter=True)
SEEN = Observation(
    inference=True, request_model="m", response_model="vendor/m", generation_id="gen-1", usage=Usage(20, 3)
)
TOLD = Generation(Reported(Decimal("0.000012")), Usage(20, 12, 0))


def one(number: int = 0) -> Owed:
    found = owed(exchange(number), SEEN, KEY)
    assert found is not None
    return found


class FakeStore:
    """Takes costs, unless it is in trouble or knows none of the rows."""

    def __init__(self) -> None:
        self.costs: dict[str, tuple[Cost, Usage]] = {}
        self.troubles: Iterator[Trouble] = iter(())
        self.knows = True

    async def set_cost(self, exchange_id: str, cost: Cost, usage: Usage) -> bool:
        for trouble in self.troubles:
            raise StoreError(trouble, "no")
        if self.knows:
            self.costs[exchange_id] = (cost, usage)
        return self.knows


class Bench:
    """A queue over fakes. `answers` are what the upstream says, in order, then None for ever."""

    def __init__(self, answers: Iterable[Generation | None] = (), most: int = 10) -> None:
        self.store, self.metrics = FakeStore(), Metrics()
        self.answers = iter(answers)
        self.waits: list[float] = []
        self.asked: list[Owed] = []
        self.queue = DelayedCosts(self._ask, self.store, BOOK, self.metrics, self._sleep, most)

    async def _ask(self, it: Owed) -> Generation | None:
        self.asked.append(it)
        return next(self.answers, None)

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def ended(self) -> list[DelayedCost]:
        """How all of them ended, once they have."""
        tasks = [task for task in asyncio.all_tasks() if task.get_name() == "delayed-cost"]
        await asyncio.gather(*tasks)
        return self.counted()

    def counted(self) -> list[DelayedCost]:
        text = self.metrics.expose().decode()
        counts = {result: sample(text, "shadow_delayed_cost_total", result=result.value) for result in DelayedCost}
        return [result for result, count in counts.items() for _ in range(int(count or 0))]

    def metric(self, name: str, **labels: str) -> float | None:
        return sample(self.metrics.expose().decode(), name, **labels)


class TestOwed:
    def test_a_cut_answer_is_owed_its_cost(self) -> None:
        """What is needed to ask, to price and to count, and nothing of the bodies."""
        cut = exchange(7)
        assert owed(cut, SEEN, KEY) == Owed(
            exchange_id=exchange_id(7),
            generation_id="gen-1",
            path="/api/v1/generation",
            at=datetime.fromtimestamp(cut.started_at, UTC),
            attribution=cut.attribution,
            names=("vendor/m", "m"),
            usage=Usage(20, 3),
            credential=KEY,
        )

    @pytest.mark.parametrize(
        ("changed", "seen", "key"),
        [
            ({}, {}, None),
            ({}, {"generation_id": None}, KEY),
            ({}, {"cost": Cost(Decimal(0), CostSource.REPORTED)}, KEY),
            ({"path": "/api/v1/images"}, {}, KEY),
        ],
        ids=["no key", "no generation", "a cost", "no inference"],
    )
    def test_nothing_is_owed(self, changed: dict[str, Any], seen: dict[str, Any], key: str | None) -> None:
        """Where the cost is known, or nobody could tell it, nothing is asked for and no key is kept."""
        assert owed(exchange(**changed), replace(SEEN, **seen), key) is None

    def test_the_key_is_not_shown(self) -> None:
        """However a record of it is printed."""
        assert KEY not in repr(one())


async def test_a_cost_is_stored_as_soon_as_it_is_told() -> None:
    """Not there twice, then there: three attempts, the exact amount in the store, and no more questions."""
    bench = Bench([None, None, TOLD])
    bench.queue.expect(one())
    assert await bench.ended() == [DelayedCost.KNOWN]
    usd = Decimal("0.000012")
    assert bench.store.costs == {
        exchange_id(0): (Cost(usd, CostSource.REPORTED, usd, "generation", usd), Usage(20, 12, 0))
    }
    assert bench.waits == [*WAITS_S[:3]]


async def test_the_last_attempt_is_the_last() -> None:
    """After a minute without an answer the cost is unknown, stays so, and is counted."""
    bench = Bench()
    bench.queue.expect(one())
    assert await bench.ended() == [DelayedCost.UNKNOWN]
    assert (len(bench.asked), sum(bench.waits), bench.store.costs) == (5, 60, {})


async def test_a_store_in_trouble_is_tried_again() -> None:
    """A full disk costs an attempt, not the cost."""
    bench = Bench([TOLD, TOLD])
    bench.store.troubles = iter([Trouble.DISK_FULL])
    bench.queue.expect(one())
    assert await bench.ended() == [DelayedCost.KNOWN]


async def test_a_row_that_needs_no_cost_is_left_alone() -> None:
    """A row that is gone or knows its cost ends the questions, and adds to no sum."""
    bench = Bench([TOLD])
    bench.store.knows = False
    bench.queue.expect(one())
    assert await bench.ended() == [DelayedCost.UNNEEDED]
    assert bench.metric("shadow_cost_usd_total", arm="primary", tenant="acme", feature="summaries") is None


async def test_an_incredible_cost_is_not_stored() -> None:
    """What no call can cost is no cost."""
    bench = Bench([Generation(Reported(Decimal(10**9)))])
    bench.queue.expect(one())
    assert (await bench.ended(), bench.store.costs) == ([DelayedCost.UNKNOWN], {})


async def test_sums_grow_by_what_was_not_counted() -> None:
    """Cost and tokens that came late are in the counters, once."""
    bench = Bench([TOLD])
    bench.queue.expect(one())
    await bench.ended()
    assert bench.metric("shadow_cost_usd_total", arm="primary", tenant="acme", feature="summaries") == 0.000012
    grown = [bench.metric("shadow_tokens_total", arm="primary", kind=k, model="vendor/m") for k in ("input", "output")]
    assert grown == [None, 9]


async def test_what_does_not_fit_is_dropped_and_counted() -> None:
    """The queue is bounded: one more than it holds is not asked for, and the others are."""
    bench = Bench([TOLD, TOLD], most=2)
    for number in range(3):
        bench.queue.expect(one(number))
    assert sorted(await bench.ended()) == [DelayedCost.DROPPED, DelayedCost.KNOWN, DelayedCost.KNOWN]
    assert set(bench.store.costs) == {exchange_id(0), exchange_id(1)}


async def test_room_comes_back() -> None:
    """What has ended holds no place, and no key."""
    bench = Bench([TOLD, TOLD], most=1)
    for number in range(2):
        bench.queue.expect(one(number))
        await bench.ended()
    assert bench.counted() == [DelayedCost.KNOWN, DelayedCost.KNOWN]


async def test_what_waits_at_the_stop_is_abandoned_and_counted() -> None:
    """Whether it has begun or not, nothing is asked for after the end."""
    bench = Bench([TOLD])
    waiting = asyncio.Event()

    async def wait(_: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    queue = DelayedCosts(bench._ask, bench.store, BOOK, bench.metrics, wait)
    queue.expect(one(0))
    await waiting.wait()
    queue.expect(one(1))
    await queue.close()
    assert bench.counted() == [DelayedCost.ABANDONED, DelayedCost.ABANDONED]
    assert bench.asked == []


async def test_a_mistake_is_counted_and_tells_no_key(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever breaks ends as unknown, and the log has its place but not its words."""
    bench = Bench()

    async def broken(it: Owed) -> Generation | None:
        raise LookupError(it.credential)

    queue = DelayedCosts(broken, bench.store, BOOK, bench.metrics, bench._sleep)
    queue.expect(one())
    assert await bench.ended() == [DelayedCost.UNKNOWN]
    assert "a delayed cost stays unknown: LookupError" in caplog.text
    assert KEY not in caplog.text


def test_every_result_is_there_before_it_happens() -> None:
    """An alert on a result that never came about has a series to look at."""
    text = Metrics().expose().decode()
    found = {result: sample(text, "shadow_delayed_cost_total", result=result.value) for result in DelayedCost}
    assert found == dict.fromkeys(DelayedCost, 0)
