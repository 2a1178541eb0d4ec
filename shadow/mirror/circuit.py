"""A circuit breaker: a candidate that fails again and again is left alone, then tried with one replay at a time."""

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

TRIPS_AFTER: Final = 5  # failures in a row: fewer is bad luck, more wastes a hanging candidate's deadlines
FIRST_OPEN_S: Final = 30.0  # a restart or a rate-limit window
LONGEST_OPEN_S: Final = 600.0  # a recovered candidate loses at most ten minutes of pairs


class State(StrEnum):
    CLOSED = "closed"  # replays flow
    OPEN = "open"  # none is sent
    HALF_OPEN = "half_open"  # one may be sent, to see


class Leave(Enum):
    """Leave to send one replay, to be handed back with its end."""

    ORDINARY = "ordinary"
    PROBE = "probe"


@dataclass(slots=True)
class Circuit:
    """The breaker of one candidate. Times are seconds of any one monotonic clock, given by the caller.

    Every leave that `claim` gives is handed back once: to `succeed`, `fail` or `release`.
    """

    failures: int = 0  # in a row, while closed
    open_for_s: float = 0.0  # 0: closed
    opened_at: float = 0.0
    probing: bool = False

    def state(self, now: float) -> State:
        if not self.open_for_s:
            return State.CLOSED
        return State.OPEN if now < self.opened_at + self.open_for_s else State.HALF_OPEN

    def admits(self, now: float) -> bool:
        """Whether a replay decided now could be sent, as far as the circuit is concerned. Changes nothing."""
        state = self.state(now)
        return state is State.CLOSED or (state is State.HALF_OPEN and not self.probing)

    def claim(self, now: float) -> Leave | None:
        """Ask leave to send one replay. In the half-open state the first to ask is the probe, and the only one."""
        if not self.admits(now):
            return None
        if self.state(now) is State.CLOSED:
            return Leave.ORDINARY
        self.probing = True
        return Leave.PROBE

    def succeed(self) -> None:
        """The candidate is well: it gave a good answer or a considered refusal. Whoever saw it, this closes."""
        self.failures, self.open_for_s, self.probing = 0, 0.0, False

    def fail(self, leave: Leave, now: float) -> None:
        """The candidate failed in a way that the next replay would meet too."""
        if self.open_for_s:
            if leave is Leave.PROBE:
                self._open(now, min(self.open_for_s * 2, LONGEST_OPEN_S))
            return  # an ordinary one began before the circuit opened: no news
        self.failures += 1
        if self.failures >= TRIPS_AFTER:
            self._open(now, FIRST_OPEN_S)

    def release(self, leave: Leave) -> None:
        """The replay ended without telling anything about the candidate."""
        if leave is Leave.PROBE:
            self.probing = False

    def _open(self, now: float, for_s: float) -> None:
        self.opened_at, self.open_for_s, self.probing, self.failures = now, for_s, False, 0
