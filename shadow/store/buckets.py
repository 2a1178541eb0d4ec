"""Durations as log-spaced buckets: pure.

A bucket is a whole number; each is 2 % wider than the one below it, so that a quantile read from counts per bucket is
within 1 % of the true one, whatever the scale, and counts of many rows, days or machines add up without their rows.
Buckets are computed when a row is written, once, so that every engine groups by the same numbers.
"""

import math
from typing import Final

WIDTH: Final = 1.02
LEAST_S: Final = 1e-6  # clocks tell no less apart; shorter, zero and negative durations share this bucket
MOST_S: Final = 1e6  # eleven days: longer than any exchange lives

_LOG_WIDTH: Final = math.log(WIDTH)


def bucket(seconds: float | None) -> int | None:
    """The bucket of a duration: k for `WIDTH**k <= seconds < WIDTH**(k+1)`. None for None and for what is no number."""
    if seconds is None or math.isnan(seconds):
        return None
    return math.floor(math.log(min(max(seconds, LEAST_S), MOST_S)) / _LOG_WIDTH)


def seconds(bucket: int) -> float:
    """The duration that stands for a bucket: the geometric middle, within 1 % of everything in it."""
    return float(WIDTH ** (bucket + 0.5))
