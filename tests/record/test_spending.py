"""The budget as a whole: mirror, ledger and store, through crashes, restarts and midnights."""

import asyncio
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shadow.exchange import Exchange, Outcome, Pending, Recorded, Replay, Reservation
from shadow.mirror import Mirror
from shadow.mirror.planned import Planned
from shadow.mirror.replay import Target
from shadow.record.ledger import StoreLedger
from shadow.record.metrics import Metrics
from shadow.store.sqlite import SQLiteStore
from shadow.wire.observe import read
from shadow.wire.prices import PriceBook
from tests.mirror.making import GOOD, HELLO, KEY, chat, config
from tests.record.samples import KEEPS_NOTHING

BUDGET = Decimal("0.05")  # of which replays with these limits reserve 1.1, 11 and 41 thousandths
LIMITS = (10, 5_000, 20_000)
FIRST = datetime(2026, 11, 30, 23, tzinfo=UTC).timestamp()
SETTINGS = config(
    budget_usd_per_day=str(BUDGET), max_concurrency=3, prices={"small": {"input": 1, "output": 2}}, deadline_s=1000
)


@dataclass
class Provider:
    """What the candidate may bill, by the day of the reservation: all that a replay can cost until it says less."""

    owed: "Counter[date]" = field(default_factory=Counter)
    running: list[tuple[Planned, date, "asyncio.Future[int | str]"]] = field(default_factory=list)
    marked: dict[str, date] = field(default_factory=dict)

    async def send(self, _session: object, _target: Target, planned: Planned, *_: object, **__: object) -> Exchange:
        day = self.marked[planned.exchange_id]
        self.owed[day] += planned.worst_usd
        answer: asyncio.Future[int | str] = asyncio.get_running_loop().create_future()
        self.running.append((planned, day, answer))
        how = await answer
        usage = {"usage": {"prompt_tokens": 9, "completion_tokens": how}} if isinstance(how, int) else {}
        return chat(
            {**HELLO, "model": "small"},
            {key: value for key, value in GOOD.items() if key != "usage"} | {"model": "small"} | usage,
            exchange_id=planned.exchange_id,
            arm=planned.arm,
            outcome=Outcome.UPSTREAM_TRUNCATED if how == "cut" else Outcome.COMPLETE,
            failure="answer_truncated" if how == "cut" else None,
        )

    def answer(self, which: int, how: str) -> None:
        """Have one of the running replays answered; what it then costs is known to the provider at once."""
        if not self.running:
            return
        planned, day, answer = self.running.pop(which % len(self.running))
        limit = next(limit for limit in LIMITS if b'"max_completion_tokens":%d}' % limit in planned.body)
        tokens = 7 if how == "some" else limit
        self.owed[day] -= planned.worst_usd - Decimal(9 + 2 * tokens) / 10**6
        answer.set_result(how if how in ("none", "cut") else tokens)


class Process:
    """One run of the recorder. After `dead` nothing it does reaches the store, nor does it hear of what does."""

    def __init__(self, store: SQLiteStore) -> None:
        self.store = store
        self.dead = False

    async def begin(self, provider: Provider, wall: "Clock") -> None:
        await self.store.recover()
        self.provider, self.ledger = provider, StoreLedger(self.store, KEEPS_NOTHING, Metrics(), retry_s=0.001)
        self.mirror = Mirror(SETTINGS, self, spent=await self.store.spend(date(2026, 1, 1)), wall=wall)
        await self.mirror.start()

    async def mark_sent(self, exchange_id: str, arm: str, reservation: Reservation | None) -> None:
        await self._alive()
        await self.ledger.mark_sent(exchange_id, arm, reservation)
        await self._alive()
        assert reservation is not None
        self.provider.marked[exchange_id] = reservation.day

    async def settle(self, replay: Replay) -> None:
        await self._alive()
        await self.ledger.settle(replay)
        await self._alive()

    async def _alive(self) -> None:
        if self.dead:
            await asyncio.Event().wait()

    async def take(self, exchange: Exchange) -> None:
        """What the inbox does with an exchange."""
        found = read(exchange, PriceBook({}, None, openrouter=True))
        ended, plans = self.mirror.decide(exchange, found.observation, found.request)
        pending = tuple(Pending(plan.arm, plan.probability) for plan in plans)
        await self.store.add([Recorded(exchange, found.observation, ended, pending)])
        for plan in plans:
            assert self.mirror.submit(plan) is None

    async def crash(self) -> None:
        """Die: tasks end without a word. What the store was told before may be committed still."""
        self.dead = True
        mirror = self.mirror
        mirror._open = False
        for arm in mirror._arms.values():
            while arm.queue.take() is not None:
                pass
        for tasks in (mirror._workers, mirror._performer._settling):  # workers have a last word to settle
            dying = tuple(tasks)
            for task in dying:
                task.cancel()
            await asyncio.gather(*dying, return_exceptions=True)
        await mirror.close()
        await self.store.close()

    async def stop(self) -> None:
        await self.mirror.close()
        await self.store.close()


class Clock:
    """Unix time, from an hour before a midnight on."""

    def __init__(self) -> None:
        self.now = FIRST

    def __call__(self) -> float:
        return self.now


def stored(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def check(path: Path, provider: Provider) -> None:
    """What may be billed is within what is stored, and that is within the budget, on every day."""
    spent = {date.fromisoformat(str(day)): Decimal(str(nano)).scaleb(-9) for _, day, nano in stored(path, SPEND)}
    for day, owed in provider.owed.items():
        assert owed <= spent[day] <= BUDGET


SPEND = "SELECT arm, day, nano_usd FROM spend"
STEP = st.one_of(
    st.tuples(st.just("take"), st.sampled_from(LIMITS)),
    st.tuples(st.just("take"), st.sampled_from(LIMITS)),
    st.tuples(st.just("answer"), st.tuples(st.integers(0, 5), st.sampled_from(("some", "all", "none", "cut")))),
    st.tuples(st.sampled_from(("pass", "later", "crash", "stop")), st.none()),
)
MANY = [("take", 20_000)] * 3


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEP, max_size=25))
@example([*MANY, ("pass", None), ("crash", None), *MANY, ("pass", None), ("later", None), *MANY, ("pass", None)])
@example([*MANY, ("pass", None), ("later", None), ("answer", (0, "some")), ("pass", None), *MANY, ("stop", None)])
def test_no_interleaving_spends_more_than_the_budget(steps: Sequence[tuple[str, object]]) -> None:
    """Replays begin, are answered, cut or never heard of again; the process is killed between any two of them, stops
    and starts, and days end: at every step, what may be billed ≤ what is stored ≤ the budget."""
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(interleave(Path(directory) / "shadow.db", steps))


async def interleave(path: Path, steps: Sequence[tuple[str, object]]) -> None:
    provider, wall = Provider(), Clock()
    with (
        patch("shadow.mirror.performer.send", provider.send),
        patch.dict("os.environ", {"SHADOW_TEST_CANDIDATE_KEY": KEY}),
    ):
        process = Process(await SQLiteStore.open(path))
        await process.begin(provider, wall)
        for what, more in steps:
            if what == "take":
                await process.take(chat({**HELLO, "max_tokens": more}))
            elif what == "answer":
                provider.answer(*more)  # type: ignore[misc]
            elif what == "later":
                wall.now += 3700
            elif what == "pass":
                await quiet(process)
            else:
                provider.running.clear()  # it may bill all of them
                await (process.crash() if what == "crash" else process.stop())
                process = Process(await SQLiteStore.open(path))
                await process.begin(provider, wall)
            check(path, provider)
        await process.stop()
        check(path, provider)
    process = Process(await SQLiteStore.open(path))
    await process.store.recover()
    await process.store.close()
    assert stored(path, "SELECT count(*) FROM replays WHERE outcome IS NULL") == [(0,)]
    assert stored(path, "SELECT count(*) FROM reservations") == [(0,)]


async def quiet(process: Process) -> None:
    """Wait until all that can go on has: what was taken has ended, waits for a place, or for its answer."""
    async with asyncio.timeout(30):
        while True:
            [state] = process.mirror.states()
            running = [one for one in process.provider.running if not one[2].done()]
            if state.in_flight == len(running) and (not state.queued or state.in_flight == 3):
                return
            await asyncio.sleep(0.001)


async def test_a_budget_is_used_before_it_withholds(tmp_path: Path) -> None:
    """One replay of 41 thousandths fits into 50 and the next does not, until the first one has cost less."""
    path = tmp_path / "shadow.db"
    await interleave(path, [*MANY, ("pass", None), ("answer", (0, "some")), ("pass", None), *MANY, ("pass", None)])
    ends = "SELECT outcome, reason, count(*) FROM replays GROUP BY 1, 2 ORDER BY 1"
    assert stored(path, ends) == [("completed", None, 1), ("failed", "interrupted", 1), ("withheld", "budget_spent", 4)]


@pytest.mark.parametrize("end", ["crash", "stop"])
async def test_a_restart_gives_nothing_back(tmp_path: Path, end: str) -> None:
    """What a replay holds that was under way at the end of a run stays spent until midnight, and no longer."""
    path = tmp_path / "shadow.db"
    again = [*MANY, ("pass", None)]
    await interleave(path, [*again, (end, None), *again, ("later", None), *again])
    days = "SELECT day, nano_usd / 1000000 FROM spend ORDER BY day"
    assert stored(path, days) == [("2026-11-30", 41), ("2026-12-01", 41)]
