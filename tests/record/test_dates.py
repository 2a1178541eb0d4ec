"""A clock that was just set is not deleted by."""

import pytest

from shadow.record.dates import LEAP_S, Calendar

YEAR_S = 365 * 86_400.0


class Clocks:
    """A wall clock and a steady one, set by hand."""

    def __init__(self) -> None:
        self.wall, self.steady = 1_790_000_000.0, 5.0
        self.calendar = Calendar(lambda: self.wall, lambda: self.steady)

    def run(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


def test_a_clock_that_runs_is_believed() -> None:
    """Hour after hour, and with the drift that a time server corrects."""
    clocks = Clocks()
    for _ in range(1000):
        clocks.run(3600.0)
        clocks.wall += 3.0
        assert clocks.calendar.now() == clocks.wall


@pytest.mark.parametrize("leap_s", [YEAR_S, -YEAR_S, LEAP_S + 1])
def test_a_leap_is_believed_the_second_time(leap_s: float) -> None:
    """In either direction; and it is told by how much."""
    clocks = Clocks()
    clocks.run(3600.0)
    clocks.wall += leap_s
    assert clocks.calendar.now() is None
    assert clocks.calendar.leap_s == pytest.approx(leap_s)
    clocks.run(3600.0)
    assert clocks.calendar.now() == clocks.wall


def test_a_leap_that_is_taken_back_deletes_nothing() -> None:
    """Set wrong and set right again: neither time is it believed."""
    clocks = Clocks()
    clocks.wall += YEAR_S
    assert clocks.calendar.now() is None
    clocks.wall -= YEAR_S
    assert clocks.calendar.now() is None
    assert clocks.calendar.now() == clocks.wall
