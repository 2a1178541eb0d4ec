"""Replays of what is stored: kept requests, to a candidate that came later.

One run at a time, begun by an operator and watched by whoever began it: a run that nobody asks about ends. Each
exchange is decided on as a new one would be, under the same consent, budget, circuit and queue, but for the draw: as
with `X-Shadow-Sample: always` it is included with certainty and stands for itself alone, so its probability is 1. No
other would be right: which exchanges were kept was their tenants' choice and no draw, and how far a run gets is known
only afterwards.

What the request, the candidate's configuration or the tenant's consent rules out has ended, and is stored, as it would
have been live: reports learn from it which share of the traffic would move. What passes (a pause, an open circuit) is
waited for; what does not in time (a spent budget, a price that nobody knows) leaves no row: it is counted, and a later
run may send it. So may what a stopped run did not get to. What an arm has a row of is never sent again.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol

from shadow.config import Candidate, Config
from shadow.events import Event
from shadow.exchange import Pending, Replay, ReplayOutcome
from shadow.log import tell
from shadow.mirror.mirror import Mirror
from shadow.mirror.planned import Planned
from shadow.mirror.reasons import Withheld
from shadow.mirror.sampling import ASK_HEADER
from shadow.record.bodies import Keeper
from shadow.record.ledger import StoreLedger
from shadow.record.metrics import Metrics
from shadow.record.pairs import Primary
from shadow.record.run import Order, Run, State
from shadow.record.traffic import caller_of
from shadow.store.errors import StoreError
from shadow.store.ids import END, floor
from shadow.store.stored import Stored, outstanding, stored
from shadow.tasks import spawn
from shadow.wire.request import PATHS, request_of

READ_AT_ONCE: Final = 16  # requests in memory, some of megabytes
LOOK_AGAIN_S: Final = 1.0  # at a pause, an open circuit: what ends them takes longer
UNWATCHED_S: Final = 60.0  # whoever began it has gone, and with them whoever wanted to pay for it
BEYOND_BUDGET: Final = 100  # in a row: there may be smaller requests that fit, but hardly after so many

# What passes by itself, or when an operator says so.
PASSING: Final = frozenset({Withheld.PAUSED, Withheld.CIRCUIT_OPEN, Withheld.RETRY_AFTER})


class RefusedError(Exception):
    """A run cannot begin; the text says why."""


class Store(Protocol):
    """What a run needs of a store."""

    async def add_later(self, exchange_id: str, replay: Replay | Pending) -> bool: ...


class StoredReplays:
    """The runs of one recorder, one after another. `clock` gives monotonic seconds."""

    def __init__(
        self,
        config: Config,
        keeper: Keeper,
        mirror: Mirror,
        store: Store,
        ledger: StoreLedger,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._candidates = {candidate.name: candidate for candidate in config.candidates}
        self._path: Path = config.store.path
        self._keeper = keeper
        self._mirror = mirror
        self._store = store
        self._ledger = ledger
        self._metrics = metrics
        self._clock = clock
        self._run: Run | None = None  # the last one
        self._task: asyncio.Task[None] | None = None

    def begin(self, order: Order) -> dict[str, Any]:
        """Begin a run; how far it is. Raises RefusedError."""
        candidate = self._candidates.get(order.candidate)
        if candidate is None:
            raise RefusedError(f"there is no candidate {order.candidate}; there are: {', '.join(self._candidates)}")
        if not self._keeper.tenants:
            raise RefusedError(
                "no requests are kept that could be replayed: set `capture.bodies: consented`, and `bodies: true` for "
                "tenants of the registry that agree"
            )
        if self._run is not None and self._run.state is State.RUNNING:
            raise RefusedError(f"a replay to {self._run.order.candidate} is under way, and there is one at a time")
        self._run = run = Run(order, self._clock())
        self._task = spawn(self._perform(run, candidate), "stored-replay")
        return run.as_json()

    def progress(self) -> dict[str, Any] | None:
        """How far the last run is; None where there was none. Whoever asks keeps it going."""
        if self._run is None:
            return None
        self._run.asked_at = self._clock()
        return self._run.as_json()

    def stop(self) -> None:
        """Have the run begin nothing more. What was sent is let finish."""
        if self._run is not None:
            self._run.stop()

    async def close(self) -> None:
        """Leave the run: what it has sent is the mirror's to end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _perform(self, run: Run, candidate: Candidate) -> None:
        tell(Event.STORED_REPLAY_BEGAN, arm=candidate.name)
        try:
            await self._replay_all(run, candidate)
            run.over(State.DONE)
        finally:
            run.over(State.FAILED)
            ended, left = run.ended.total(), run.left.total()
            tell(Event.STORED_REPLAY_ENDED, arm=candidate.name, how=run.state, ended=ended, left=left)

    async def _replay_all(self, run: Run, candidate: Candidate) -> None:
        places = asyncio.Semaphore(candidate.max_concurrency)  # in the candidate's queue others find room, too
        async with asyncio.TaskGroup() as under_way:
            async for one in self._outstanding(run):
                await places.acquire()
                if run.stopping:
                    return
                under_way.create_task(self._replay(run, one)).add_done_callback(lambda _: places.release())

    async def _outstanding(self, run: Run) -> AsyncIterator[Stored]:
        period = floor(run.order.since or 0), END
        try:
            ids = await asyncio.to_thread(outstanding, self._path, run.order.candidate, period)
            run.found = len(ids)
            for start in range(0, len(ids), READ_AT_ONCE):
                for one in await asyncio.to_thread(stored, self._path, ids[start : start + READ_AT_ONCE]):
                    yield one
        except StoreError:
            run.stop(State.FAILED)

    async def _replay(self, run: Run, one: Stored) -> None:
        """See one exchange to its end, or leave it."""
        if one.exchange.attribution.tenant not in self._keeper.tenants:
            run.left[Withheld.CONSENT] += 1  # it agreed once that this is kept, and does no more
            return
        decided = await self._decided(run, one)
        if decided is None:
            return
        try:
            if isinstance(decided, Planned):
                run.beyond_budget = 0
                await self._send(run, one, decided)
            elif decided.outcome is ReplayOutcome.WITHHELD and decided.reason != Withheld.CONSENT:
                self._leave(run, decided)
            else:
                await self._rule_out(run, one, decided)
        except StoreError:
            run.stop(State.FAILED)

    async def _decided(self, run: Run, one: Stored) -> Replay | Planned | None:
        """What becomes of it once nothing passing is in the way; None where the run is to end before."""
        asked = replace(one.exchange, request_headers=((ASK_HEADER, "always"),))
        request = request_of(PATHS[asked.path], one.request) if asked.path in PATHS else None
        while not run.stopping:
            decided = self._mirror.reconsider(run.order.candidate, asked, one.observation, request)
            if isinstance(decided, Planned) or decided.reason not in PASSING:
                run.waits_for = None
                return decided
            run.waits_for = decided.reason
            await self._pause(run, LOOK_AGAIN_S)
        return None

    async def _send(self, run: Run, one: Stored, planned: Planned) -> None:
        await self._pause(run, run.turn_s(self._clock()))
        if not run.take():
            return
        planned = replace(planned, rewrite=replace(planned.rewrite, tags=(*planned.rewrite.tags, *_tags(one))))
        pending = Pending(planned.arm, planned.probability, planned.conversation)
        if not await self._store.add_later(planned.exchange_id, pending):
            return  # deleted meanwhile
        awaited = self._ledger.later(planned.exchange_id, planned.arm, _primary(one))
        if (dropped := self._mirror.submit(planned)) is not None:
            await self._ledger.settle(dropped)
        replay = await awaited
        run.count(replay)
        if replay.reason == Withheld.KEY_UNAVAILABLE:
            run.stop(State.KEYLESS)

    async def _rule_out(self, run: Run, one: Stored, replay: Replay) -> None:
        if await self._store.add_later(replay.exchange_id, replay):
            self._metrics.ended(replay, _primary(one))
            run.count(replay)

    def _leave(self, run: Run, replay: Replay) -> None:
        run.left[replay.reason or replay.outcome] += 1
        run.beyond_budget += replay.reason == Withheld.BUDGET_SPENT
        if run.beyond_budget >= BEYOND_BUDGET:
            run.stop(State.OVER_BUDGET)

    async def _pause(self, run: Run, for_s: float) -> None:
        """Wait, but not beyond the end of the run, which nobody may be watching any more."""
        self._look_who_watches(run)
        with suppress(TimeoutError):
            await asyncio.wait_for(run.stop_asked.wait(), for_s)
        self._look_who_watches(run)  # at a low rate that took longer than anybody's patience

    def _look_who_watches(self, run: Run) -> None:
        if self._clock() - run.asked_at > UNWATCHED_S:
            run.stop(State.UNWATCHED)


def _tags(one: Stored) -> tuple[str, ...]:
    return ("stored", "redacted") if one.redactions else ("stored",)


def _primary(one: Stored) -> Primary:
    return Primary(caller_of(one.exchange.attribution), one.observation.cost.usd, one.exchange.total_s)
