"""What an arm may spend on a UTC day, and what is held against it: never more than the limit, whatever happens at once.

A replay that may be sent reserves the most it can cost, is sent once that is on disk, and is charged with what it did
cost. What it cost is unknown where the answer was cut or brought no usage: then all that was reserved stays spent.
"""

from collections.abc import Mapping
from datetime import date
from decimal import ROUND_CEILING, Decimal
from typing import Final

from shadow.exchange import Outcome, Replay, ReplayOutcome, Reservation
from shadow.mirror.reasons import Failed

NANO: Final = Decimal("1e-9")
ZERO: Final = Decimal(0)
KEPT_DAYS: Final = 16  # those nearest: a clock that is put back finds what was spent

# Refused before a model ran, or never received: nobody bills these. Other failures may be: Azure bills prompts that
# its filter or its context refuses (its page on managing costs), and who answers 5xx may have computed before.
UNBILLED: Final = frozenset(
    {
        Failed.CONNECT,
        Failed.TLS,
        Failed.REDIRECTED,
        Failed.KEY_REJECTED,
        Failed.PAYMENT_REQUIRED,
        Failed.NOT_FOUND,
        Failed.RATE_LIMITED,
        Failed.PARAM_REJECTED,
        Failed.REJECTED,
    }
)


class Budget:
    """The money of one arm. All amounts are US dollars, rounded up to whole nano-dollars as the store keeps them."""

    def __init__(self, limit: Decimal, spent: Mapping[date, Decimal] | None = None) -> None:
        self._limit = limit
        self._days = dict(spent or {})  # costs and reservations together

    def remaining(self, day: date) -> Decimal:
        """What can still be reserved; below zero where a replay cost more than could be foreseen."""
        return self._limit - self._days.get(day, ZERO)

    def admits(self, day: date, usd: Decimal) -> bool:
        """Whether as much could be reserved now. Changes nothing."""
        return _whole(usd) <= self.remaining(day)

    def reserve(self, day: date, usd: Decimal) -> Reservation | None:
        """Hold that much; None where it is not there any more."""
        if not self.admits(day, usd):
            return None
        held = _whole(usd)
        self._days[day] = self._days.get(day, ZERO) + held
        if len(self._days) > KEPT_DAYS:
            del self._days[max(self._days, key=lambda other: abs(other - day))]
        return Reservation(day, held, self._days[day])

    def settle(self, reservation: Reservation, charge: Decimal) -> None:
        """Put a charge in the place of its reservation, on the day on which that was made."""
        if reservation.day in self._days:
            self._days[reservation.day] += charge - reservation.usd


def charged(reservation: Reservation, replay: Replay) -> Decimal:
    """What a replay that has ended takes of its reservation: its cost where that is certain, else all of it."""
    if replay.outcome in (ReplayOutcome.DROPPED, ReplayOutcome.WITHHELD):
        return ZERO  # it was not sent
    exchange, seen = replay.exchange, replay.observation
    if exchange is None or seen is None:
        return reservation.usd
    if exchange.outcome is Outcome.COMPLETE and seen.cost.usd is not None:
        return _whole(seen.cost.usd)  # of an answer that was cut, even usage is not the end of it
    refused = exchange.status is None or exchange.status >= 300  # inside a 200 an error may come after much text
    return ZERO if refused and replay.reason in UNBILLED else reservation.usd


def _whole(usd: Decimal) -> Decimal:
    return usd.quantize(NANO, ROUND_CEILING)
