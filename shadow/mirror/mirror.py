"""The mirror: decides for every exchange what each candidate gets, and performs the replays in the background.

The recorder asks `decide` for every exchange, commits what it says, then hands each plan to `submit`. From there on
the ledger is told twice: before a replay is sent, and when it has ended. Each exchange × arm ends exactly once.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from shadow.config import Config
from shadow.events import Event
from shadow.exchange import CONTROL, Exchange, Observation, Replay, ReplayOutcome, header
from shadow.log import tell, where
from shadow.mirror import eligibility
from shadow.mirror.arm import Arm, ArmState, KeyUnavailableError, state_of
from shadow.mirror.client_keys import ClientKeys
from shadow.mirror.decision import Considered, Moment, decide
from shadow.mirror.performer import Ledger, Performer
from shadow.mirror.planned import Planned
from shadow.mirror.reasons import Dropped, Failed, Ineligible
from shadow.mirror.retries import Retries
from shadow.mirror.sampling import wish
from shadow.mirror.waiting import Waiting
from shadow.tasks import spawn
from shadow.wire.catalogue import warm
from shadow.wire.request import InferenceRequest

CANCEL_AGAIN_S: Final = 1.0  # a cancellation that a library swallows must not hold the stop up for a whole deadline


class Mirror:
    """Decides and performs replays for the candidates of a configuration.

    `spent` is what arms have spent of their budgets, in US dollars by UTC day; `client_keys` are those that the control
    must not use; without them nothing is replayed to it. `clock` gives monotonic seconds and `wall` Unix time. Methods
    are to be called from one event loop.
    """

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        *,
        spent: Mapping[str, Mapping[date, Decimal]] = MappingProxyType({}),
        client_keys: ClientKeys | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._clock = clock
        self._wall = wall
        self._arms = {one.name: Arm.of(one, spent.get(one.name)) for one in config.arms}
        self._client_keys = client_keys
        if config.control is not None:
            self._arms[config.control.name].not_to_share = client_keys
        self._retries = Retries()
        self._performer = Performer(ledger, config.capture.max_bytes, clock, wall)
        self._workers: set[asyncio.Task[None]] = set()
        self._open = False

    async def start(self) -> None:
        """Open the connections' pool. Before this and after `close`, what is submitted is dropped."""
        if any(arm.needs_catalogue for arm in self._arms.values()):
            await asyncio.to_thread(warm)  # else the first decision would hold up the loop for it
        await self._performer.start()
        self._open = True
        if (control := self._arms.get(CONTROL)) is not None:
            spawn(self._look_at_key(control), "control-key", self._workers)

    async def close(self) -> None:
        """Cancel what runs, end what waits, and return once the ledger has been told of all of it."""
        self._open = False
        for arm in self._arms.values():
            while (waiting := arm.queue.take()) is not None:
                self._performer.settle_soon(waiting.planned.ended(ReplayOutcome.DROPPED, Dropped.STOPPING))
        while self._workers:
            for worker in self._workers:
                worker.cancel()
            await asyncio.wait(self._workers, timeout=CANCEL_AGAIN_S)
        await self._performer.close()

    @property
    def paused(self) -> bool:
        return self._performer.paused

    @property
    def unsettled(self) -> int:
        """Replays whose end the ledger did not take: the next start ends them."""
        return self._performer.unsettled

    def pause(self) -> None:
        """Withhold replays from now on, also those that wait. Those that were sent are let finish."""
        self._performer.paused = True

    def resume(self) -> None:
        """Let replays flow again. What was withheld stays so."""
        self._performer.paused = False

    def states(self) -> tuple[ArmState, ...]:
        """What can be seen of every arm now."""
        now, today = self._clock(), datetime.fromtimestamp(self._wall(), UTC).date()
        return tuple(state_of(arm, now, today) for arm in self._arms.values())

    def decide(
        self, exchange: Exchange, observation: Observation, request: InferenceRequest | None
    ) -> tuple[tuple[Replay, ...], tuple[Planned, ...]]:
        """For every arm: the replay that has ended at once, or its plan. Sends nothing, never raises.

        `request` is the exchange's own as it was read, None where it could not be. A mistake in deciding is the end of
        the arms that it concerns: failed, `internal`.
        """
        if not self._arms:
            return (), ()
        if self._client_keys is not None and header(exchange.request_headers, eligibility.REPLAY_HEADER) is None:
            self._client_keys.note(exchange.attribution.key_fingerprint)
        considered = self._considered(exchange, observation, request, self._retries)
        ended: list[Replay] = []
        planned: list[Planned] = []
        for arm in self._arms.values():
            one = self._decide_for(arm, exchange, considered)
            if isinstance(one, Replay):
                ended.append(one)
            else:
                planned.append(one)
        return tuple(ended), tuple(planned)

    def reconsider(
        self, name: str, exchange: Exchange, observation: Observation, request: InferenceRequest | None
    ) -> Replay | Planned:
        """As `decide`, for one arm and an exchange that was stored before: what it would be now. Never raises."""
        considered = self._considered(exchange, observation, request, retries=None)
        return self._decide_for(self._arms[name], exchange, considered)

    def submit(self, planned: Planned) -> Replay | None:
        """Queue a replay whose plan is committed. Returns its end where there is no room for it."""
        if not self._open:
            return planned.ended(ReplayOutcome.DROPPED, Dropped.STOPPING)
        arm = self._arms[planned.arm]
        full = arm.queue.put(Waiting(planned, self._clock() + arm.candidate.deadline_s))
        if full is not None:
            return planned.ended(ReplayOutcome.DROPPED, full)
        self._employ(arm)
        return None

    def _considered(
        self, exchange: Exchange, observation: Observation, request: InferenceRequest | None, retries: Retries | None
    ) -> Considered | Ineligible | None:
        """What the arms decide on, or why none may replay it; None where a mistake keeps that from being known.

        `retries` is None for what was told from retries when it first came.
        """
        try:
            reason = eligibility.of_exchange(exchange, observation) or eligibility.of_request(request, observation)
            if reason is not None or request is None:
                return reason or Ineligible.UNREADABLE
            if retries is not None and retries.is_retry(exchange):
                return Ineligible.CLIENT_RETRY
            return Considered(exchange, observation, request, wish(exchange))
        except Exception as error:  # noqa: BLE001 (one odd request must not stop the recording of any)
            tell(Event.EXCHANGE_UNCONSIDERED, error=where(error), exchange_id=exchange.exchange_id)
            return None

    def _decide_for(self, arm: Arm, exchange: Exchange, considered: Considered | Ineligible | None) -> Replay | Planned:
        if isinstance(considered, Ineligible):
            return Replay(exchange.exchange_id, arm.name, ReplayOutcome.INELIGIBLE, considered.value)
        try:
            if considered is not None:
                return decide(considered, arm, self._config, self._moment)
        except Exception as error:  # noqa: BLE001 (see above)
            tell(Event.EXCHANGE_UNDECIDED, arm=arm.name, error=where(error), exchange_id=exchange.exchange_id)
        return Replay(exchange.exchange_id, arm.name, ReplayOutcome.FAILED, Failed.INTERNAL.value)

    def _moment(self) -> Moment:
        return Moment(self.paused, self._clock(), self._wall())

    async def _look_at_key(self, control: Arm) -> None:
        """Say at the start that nothing will be replayed to the control, where that is so."""
        with suppress(KeyUnavailableError):
            await control.shares(control.target().key)

    def _employ(self, arm: Arm) -> None:
        """Have one more worker take from the arm's queue, where something waits and the candidate may be sent more."""
        if self._open and len(arm.queue) and arm.working < arm.candidate.max_concurrency:
            arm.working += 1
            spawn(self._work(arm), f"replay-{arm.name}", self._workers).add_done_callback(lambda _: self._dismiss(arm))

    def _dismiss(self, arm: Arm) -> None:
        arm.working -= 1
        self._employ(arm)  # something may have come between the worker's last look and its end

    async def _work(self, arm: Arm) -> None:
        """Perform what waits for one arm, one after another, until nothing does."""
        while (waiting := arm.queue.take()) is not None:
            await self._performer.perform(arm, waiting)
