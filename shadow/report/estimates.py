"""Estimates from weighted sums: pure arithmetic, no rows.

Every pair stands for 1 / (its inclusion probability) exchanges, so a mean over the traffic is a ratio of weighted
sums (Hájek's estimator), and its variance comes from the same sums by linearisation (Särndal, Swensson and Wretman,
Model Assisted Survey Sampling, section 5.7). A conversation is drawn as a whole and its turns are alike, so that
conversations are taken as independent and pairs are not (ibid., section 4.2, one-stage cluster sampling); the sample
is taken as small beside the traffic to come: no correction for a finite population. Intervals are 95 % by Student's t.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Final

from shadow.report.totals import Moments

PAIRS_LEAST: Final = 30  # below this the mean of costs, which are skewed, is far from normal: no estimate is given
CONVERSATIONS_LEAST: Final = 30  # the same, for it is these that are independent
CALLS_LEAST: Final = 10  # below this a rate says nothing; its counts are shown
BEYOND_LEAST: Final = 5  # a quantile with fewer values beyond it is one or two odd calls
QUANTILES: Final = (0.5, 0.9, 0.99)

_Z: Final = 1.959963984540054  # the normal distribution's 97.5 % point


@dataclass(frozen=True, slots=True)
class Unknown:
    """The place of a figure that is not known, with the reason in a few words. Never zero."""

    reason: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over the traffic that the pairs stand for, with its 95 % interval. In the unit of what was measured."""

    mean: float
    low: float
    high: float


def mean(moments: Moments) -> Estimate | Unknown:
    """The weighted mean of x with its interval."""
    if thin := too_thin(moments):
        return thin
    m, n = moments.wx / moments.w, moments.conversations
    squares = max(moments.wwxx - 2 * m * moments.wwx + m * m * moments.ww, 0.0)
    error = sqrt(squares * n / (n - 1)) / moments.w
    half = student_t(effective(moments) - 1) * error
    return Estimate(m, m - half, m + half)


def relative(moments: Moments) -> float | Unknown:
    """The weighted mean of x as a share of the primary's: −0.25 is a quarter less."""
    if thin := too_thin(moments):
        return thin
    return moments.wx / moments.w_primary if moments.w_primary else Unknown("the primary's cost is zero")


def effective(moments: Moments) -> float:
    """How many conversations of equal weight would say as much (Kish). Unequal ones say less than their number."""
    return moments.w * moments.w / moments.ww


def too_thin(moments: Moments) -> Unknown | None:
    """Why there is no estimate from so few pairs, if there is none."""
    if moments.pairs == 0:
        return Unknown("no pairs")
    if moments.pairs < PAIRS_LEAST:
        return Unknown(f"fewer than {PAIRS_LEAST} pairs")
    few = moments.conversations < CONVERSATIONS_LEAST
    return Unknown(f"fewer than {CONVERSATIONS_LEAST} conversations") if few else None


def rate(count: int, of: int) -> float | Unknown:
    """A share, where there is enough to speak of one."""
    if of == 0:
        return Unknown("no calls")
    return Unknown(f"fewer than {CALLS_LEAST} calls") if of < CALLS_LEAST else count / of


def quantile(weights: Mapping[float, float], values: int, share: float) -> float | Unknown:
    """The value below which a share of the weight lies. `values` is how many there are, whatever they weigh."""
    needed = round(BEYOND_LEAST / (1 - share))
    if values < needed:
        return Unknown("no pairs" if values == 0 else f"fewer than {needed} pairs")
    left = share * sum(weights.values())
    for value in sorted(weights):
        left -= weights[value]
        if left <= 0:
            return value
    return max(weights)  # the last weights, added in another order, fell short by a rounding


def student_t(degrees: float) -> float:
    """The 97.5 % point of Student's t, by its expansion around the normal's (Abramowitz and Stegun 26.7.5)."""
    v, z = max(degrees, 1.0), _Z
    return (
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
    )
