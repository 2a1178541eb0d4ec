"""One candidate, or the control, as the mirror keeps it: its configuration, and what was learnt of it while running."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Self

from shadow.config import Candidate, Control
from shadow.egress import Proxy, egress_proxy
from shadow.events import Event
from shadow.exchange import Reservation
from shadow.log import tell
from shadow.mirror.budget import Budget
from shadow.mirror.circuit import Circuit, State
from shadow.mirror.client_keys import ClientKeys
from shadow.mirror.control import LIMIT
from shadow.mirror.dialects import RULES
from shadow.mirror.floors import Floors
from shadow.mirror.models import ModelMap
from shadow.mirror.reasons import Withheld
from shadow.mirror.replay import BEARER, Target
from shadow.mirror.sampling import Rates
from shadow.mirror.waiting import Queue
from shadow.wire.prices import PriceBook


class KeyUnavailableError(Exception):
    """The candidate's key cannot be read, or could not be sent in a header."""


@dataclass(slots=True)
class Arm:
    """A candidate or the control, and its state. Times are seconds of the mirror's clock."""

    candidate: Candidate | Control
    models: ModelMap
    book: PriceBook
    rates: Rates
    floors: Floors
    budget: Budget | None = None
    proxy: Proxy | None = None
    reachable: bool = True  # False: only through a proxy that cannot be used
    queue: Queue = field(default_factory=Queue)
    circuit: Circuit = field(default_factory=Circuit)
    rests_until: float = 0.0  # the candidate asked to be left alone until then
    takes_stream_options: bool = True  # until it refuses the field
    not_to_share: ClientKeys | None = None  # keys that the control must not use
    working: int = 0  # replays in flight, each in a worker of its own

    @classmethod
    def of(cls, candidate: Candidate | Control, spent: Mapping[date, Decimal] | None = None) -> Self:
        """The arm at the start; `spent` is what it has spent on which day, in US dollars.

        A proxy that cannot be used is logged, once, and withholds every replay.
        """
        limit = candidate.budget_usd_per_day
        if isinstance(candidate, Control):
            book, models = PriceBook.for_control(candidate), ModelMap({})  # unused: it is asked for the same model
        else:
            book, models = PriceBook.for_candidate(candidate), ModelMap(candidate.models)
        rates, floors = Rates(candidate.sample), Floors(candidate.sample.floor_per_hour)
        budget = None if limit is None else Budget(limit, spent)
        try:
            return cls(candidate, models, book, rates, floors, budget, egress_proxy(candidate.url, os.environ))
        except ValueError as error:
            tell(Event.ARM_UNREACHABLE, arm=candidate.name, reason=error)
            return cls(candidate, models, book, rates, floors, budget, reachable=False)

    @property
    def name(self) -> str:
        return self.candidate.name

    @property
    def needs_catalogue(self) -> bool:
        """Whether what a replay may cost is not told by the configuration alone."""
        if isinstance(self.candidate, Control):
            return self.budget is not None
        models = filter(None, self.candidate.models.values())
        return self.budget is not None and any(model not in self.candidate.prices for model in models)

    @property
    def limit(self) -> str:
        """The field that bounds the length of an answer."""
        return LIMIT if isinstance(self.candidate, Control) else RULES[self.candidate.dialect].limit

    def withholds(self, now: float) -> Withheld | None:
        """Why nothing may be sent now: the way to the candidate, or its own behaviour. Changes nothing."""
        if not self.reachable:
            return Withheld.PROXY_UNUSABLE
        if now < self.rests_until:
            return Withheld.RETRY_AFTER
        return None if self.circuit.admits(now) else Withheld.CIRCUIT_OPEN

    def affords(self, worst_usd: Decimal | None, today: date) -> Withheld | None:
        """Why a replay that costs that much at most is beyond the budget, where there is one. Changes nothing."""
        if self.budget is None:
            return None
        if worst_usd is None:
            return Withheld.PRICE_UNKNOWN
        return None if self.budget.admits(today, worst_usd) else Withheld.BUDGET_SPENT

    def reserve(self, worst_usd: Decimal | None, today: date) -> Reservation | Withheld | None:
        """Hold what a replay costs at most, or say why not; None where there is no budget."""
        if self.budget is None or worst_usd is None:
            return self.affords(worst_usd, today)
        return self.budget.reserve(today, worst_usd) or Withheld.BUDGET_SPENT

    def rest(self, now: float, for_s: float) -> None:
        """Leave the candidate alone, as it asked. A shorter rest does not end a longer one."""
        self.rests_until = max(self.rests_until, now + for_s)

    async def shares(self, key: str | None) -> bool:
        """Whether the arm must not use this key, as clients do, or as nobody can tell."""
        if not isinstance(self.candidate, Control):
            return False
        try:
            return self.not_to_share is None or await self.not_to_share.include(key)
        except Exception:  # noqa: BLE001 (whatever keeps the store from answering: what is not known is not risked)
            return True

    def target(self) -> Target:
        """Where replays go, with the key as it is now: files may rotate. Raises KeyUnavailableError."""
        try:
            key = self.candidate.api_key()
        except (OSError, KeyError, ValueError) as error:
            raise KeyUnavailableError from error
        if key is not None and not (key and key.isascii() and key.isprintable()):
            raise KeyUnavailableError
        header = BEARER if isinstance(self.candidate, Control) else RULES[self.candidate.dialect].key_header
        return Target(self.candidate.url, header, key, self.proxy)


@dataclass(frozen=True, slots=True)
class ArmState:
    """What can be seen of an arm from outside, for metrics and the admin port."""

    arm: str
    queued: int
    in_flight: int
    circuit: State
    rest_s: float  # for which it asked still to be left alone; 0: it did not
    floor_segments: int  # which have had a floor of late
    budget_remaining_usd: Decimal | None = None  # of today's; None: there is no budget


def state_of(arm: Arm, now: float, today: date) -> ArmState:
    """The arm's state now, on the UTC day that it is."""
    return ArmState(
        arm.name,
        len(arm.queue),
        arm.working,
        arm.circuit.state(now),
        max(arm.rests_until - now, 0.0),
        arm.floors.segments,
        None if arm.budget is None else arm.budget.remaining(today),
    )
