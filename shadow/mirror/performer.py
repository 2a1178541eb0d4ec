"""Sees each waiting replay to its end: leave to send, the mark in the ledger, the answer, the settlement."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final, Protocol

import aiohttp

from shadow.events import Event
from shadow.exchange import Exchange, Replay, ReplayOutcome, Reservation
from shadow.log import tell, where
from shadow.mirror.arm import Arm, KeyUnavailableError
from shadow.mirror.budget import charged
from shadow.mirror.circuit import Leave
from shadow.mirror.failures import SILENT, TRIPPING, failure, refuses_stream_options, retry_after_s
from shadow.mirror.intake import Allowance, Intake
from shadow.mirror.planned import Planned
from shadow.mirror.reasons import Dropped, Failed, Withheld
from shadow.mirror.replay import Target, open_session, send
from shadow.mirror.waiting import Waiting
from shadow.tasks import spawn
from shadow.wire.agreement import agreement
from shadow.wire.errors import rejected_parameter
from shadow.wire.observe import READER_FAILED, observe
from shadow.wire.prices import PriceBook

# A replay that begins late would be judged by what its wait has left of the deadline, so it is not begun.
LEAST_SHARE: Final = 0.5
READ_AT_ONCE_BYTES: Final = 64 << 10  # a millisecond or two; what takes longer would falsify other arms' timings


class Ledger(Protocol):
    """Where replays are written down. Both return once it is certain."""

    async def mark_sent(self, exchange_id: str, arm: str, reservation: Reservation | None) -> None:
        """The replay is about to be sent: whatever happens now, it is not sent again, and what it holds is spent."""

    async def settle(self, replay: Replay) -> None:
        """The replay has ended, and its charge takes the place of what it held."""


@dataclass(slots=True)
class Run:
    """One replay while it is performed. `sent` turns true before the first byte leaves."""

    waiting: Waiting
    intake: Intake
    sent: bool = False
    reservation: Reservation | None = None


class Performer:
    """Performs replays, and settles each exactly once. `clock` gives monotonic seconds, `wall` Unix time."""

    def __init__(
        self, ledger: Ledger, max_answer_bytes: int, clock: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        self.paused = False
        self.unsettled = 0  # replays whose end the ledger did not take: the next start ends them
        self._ledger = ledger
        self._max_answer_bytes = max_answer_bytes
        self._clock = clock
        self._wall = wall
        self._allowance = Allowance()
        self._session: aiohttp.ClientSession | None = None
        self._settling: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._session = open_session()

    async def close(self) -> None:
        """Return once everything that ended is settled. Whoever performs must have been cancelled before."""
        while self._settling:
            await asyncio.wait(self._settling)
        if self._session is not None:
            await self._session.close()

    async def perform(self, arm: Arm, waiting: Waiting) -> None:
        """See one replay to its end. Raises CancelledError alone; then too it is settled."""
        run = Run(waiting, Intake(self._max_answer_bytes, self._allowance, self._clock))
        try:
            replay = await self._attempt(arm, run)
        except asyncio.CancelledError:
            self._settle_run(arm, run, _interrupted(run))
            raise
        except Exception as error:  # noqa: BLE001 (a mistake here costs one pair, not the worker)
            tell(Event.REPLAY_BROKE, arm=arm.name, error=where(error), exchange_id=waiting.planned.exchange_id)
            replay = waiting.planned.ended(ReplayOutcome.FAILED, Failed.INTERNAL)
        finally:
            run.intake.release()
        await asyncio.shield(self._settle_run(arm, run, replay))  # it goes on where the worker is cancelled meanwhile

    def settle_soon(self, replay: Replay) -> asyncio.Task[None]:
        """Tell the ledger of the end of a replay that was not begun, in a task of its own that `close` waits for."""
        return spawn(self._settle(replay), "settle", self._settling)

    def _settle_run(self, arm: Arm, run: Run, replay: Replay) -> asyncio.Task[None]:
        """The same for one that was begun. What it holds of the budget is free once the ledger knows of its charge."""
        held, budget = run.reservation, arm.budget
        if held is None or budget is None:
            return self.settle_soon(replay)
        charge = charged(held, replay)
        if charge > held.usd:
            tell(Event.COST_UNFORESEEN, arm=arm.name, exchange_id=replay.exchange_id)
        settle = self._settle(replace(replay, charged_usd=charge), partial(budget.settle, held, charge))
        return spawn(settle, "settle", self._settling)

    async def _settle(self, replay: Replay, then: Callable[[], None] = lambda: None) -> None:
        try:
            await self._ledger.settle(replay)
            then()
        except Exception as error:  # noqa: BLE001 (whatever the store's trouble is)
            self.unsettled += 1
            tell(Event.REPLAY_UNSETTLED, arm=replay.arm, error=where(error), exchange_id=replay.exchange_id)

    async def _attempt(self, arm: Arm, run: Run) -> Replay:
        """Check anew what time may have changed, mark, send."""
        planned = run.waiting.planned
        held = self._held_back(arm, run.waiting)
        if held is not None:
            return held
        try:
            target = arm.target()
        except KeyUnavailableError:
            return planned.ended(ReplayOutcome.WITHHELD, Withheld.KEY_UNAVAILABLE)
        if await arm.shares(target.key):
            return planned.ended(ReplayOutcome.WITHHELD, Withheld.CONTROL_KEY)
        leave = arm.circuit.claim(self._clock())
        if leave is None:
            return planned.ended(ReplayOutcome.WITHHELD, Withheld.CIRCUIT_OPEN)
        try:
            return await self._marked_and_sent(arm, run, target, leave)
        finally:
            arm.circuit.release(leave)  # where nothing was learnt; elsewhere this is void

    def _held_back(self, arm: Arm, waiting: Waiting) -> Replay | None:
        now = self._clock()
        if self.paused:
            return waiting.planned.ended(ReplayOutcome.WITHHELD, Withheld.PAUSED)
        if waiting.deadline - now < LEAST_SHARE * arm.candidate.deadline_s:
            return waiting.planned.ended(ReplayOutcome.DROPPED, Dropped.EXPIRED)
        withheld = arm.withholds(now)
        return None if withheld is None else waiting.planned.ended(ReplayOutcome.WITHHELD, withheld)

    async def _marked_and_sent(self, arm: Arm, run: Run, target: Target, leave: Leave) -> Replay:
        planned = run.waiting.planned
        held = arm.reserve(planned.worst_usd, datetime.fromtimestamp(self._wall(), UTC).date())
        if isinstance(held, Withheld):
            return planned.ended(ReplayOutcome.WITHHELD, held)
        run.reservation = held
        try:
            await self._ledger.mark_sent(planned.exchange_id, planned.arm, run.reservation)
        except Exception as error:  # noqa: BLE001 (whatever the store's trouble is, what is not marked is not sent)
            tell(Event.REPLAY_UNMARKED, arm=arm.name, error=where(error), exchange_id=planned.exchange_id)
            return planned.ended(ReplayOutcome.DROPPED, Dropped.LEDGER)
        timeout_s = run.waiting.deadline - self._clock()
        if timeout_s <= 0:
            return planned.ended(ReplayOutcome.DROPPED, Dropped.EXPIRED)
        if self._session is None:
            return planned.ended(ReplayOutcome.DROPPED, Dropped.STOPPING)
        run.sent = True
        started_at = self._wall()
        exchange = await send(self._session, target, planned, run.intake, timeout_s=timeout_s, started_at=started_at)
        return await self._concluded(arm, planned, exchange, leave)

    async def _concluded(self, arm: Arm, planned: Planned, exchange: Exchange, leave: Leave) -> Replay:
        """The replay with all that is known of it. The arm learns from it."""
        if exchange.response_body.size > READ_AT_ONCE_BYTES or "json_schema" in planned.observation.features:
            replay = await asyncio.to_thread(judged, planned, exchange, arm.book)
        else:
            replay = judged(planned, exchange, arm.book)
        self._learn(arm, exchange, None if replay.reason is None else Failed(replay.reason), leave)
        return replay

    def _learn(self, arm: Arm, exchange: Exchange, reason: Failed | None, leave: Leave) -> None:
        now = self._clock()
        if reason in TRIPPING:
            arm.circuit.fail(leave, now)
        elif reason not in SILENT:
            arm.circuit.succeed()
        asked_s = retry_after_s(exchange, self._wall())
        if asked_s is not None:
            arm.rest(now, asked_s)
        if refuses_stream_options(exchange):
            arm.takes_stream_options = False


def judged(planned: Planned, exchange: Exchange, book: PriceBook) -> Replay:
    """What a candidate's exchange comes to: observed, found good or not, compared with the primary's. Pure."""
    observation = observe(exchange, book)
    # A mistake in our reading is not the candidate's failure.
    reason = Failed.INTERNAL if READER_FAILED in observation.anomalies else failure(exchange, observation)
    return Replay(
        planned.exchange_id,
        planned.arm,
        ReplayOutcome.COMPLETED if reason is None else ReplayOutcome.FAILED,
        None if reason is None else reason.value,
        planned.probability,
        planned.rewrite,
        exchange,
        observation,
        agreement(planned.observation, observation, planned.body) if reason is None else None,
        planned.conversation,
        rejected_parameter=rejected_parameter(exchange.response_body.head) if reason is Failed.PARAM_REJECTED else None,
    )


def _interrupted(run: Run) -> Replay:
    if run.sent:
        return run.waiting.planned.ended(ReplayOutcome.FAILED, Failed.INTERRUPTED)
    return run.waiting.planned.ended(ReplayOutcome.DROPPED, Dropped.STOPPING)
