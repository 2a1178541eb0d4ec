"""What day it is, for those who delete by it.

A wall clock may be set: by hand, or when a machine finds its time server. Deleting by one that was just set forward
would empty the store. A leap is therefore believed only when it is still there the next time that somebody asks.
"""

import time
from collections.abc import Callable
from typing import Final

LEAP_S: Final = 600.0  # clocks drift by seconds, and a time server corrects them by seconds; days are deleted by


class Calendar:
    """A wall clock, held against one that only runs. `wall` gives Unix time, `steady` monotonic seconds."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._steady = steady
        self._apart = wall() - steady()
        self.leap_s = 0.0  # how far the clock had leapt when `now` did not believe it

    def now(self) -> float | None:
        """Unix time; None where the clock has leapt since it was last asked."""
        wall = self._wall()
        apart = wall - self._steady()
        self.leap_s = apart - self._apart
        self._apart = apart
        return None if abs(self.leap_s) > LEAP_S else wall
