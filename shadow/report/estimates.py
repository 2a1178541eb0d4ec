"""Estimates from weighted sums: pure arithmetic, no rows.

Every pair stands for 1 / (its inclusion probability) exchanges, so a mean over the traffic is a ratio of weighted
sums (Hájek's estimator), and its variance comes from the same sums by linearisation (Särndal, Swensson and Wretman,
Model Assisted Survey Sampling, section 5.7). A conversation is drawn as a whole and its turns are alike, so that pairs
are not independent; conversations are, and so are groups of them made at random. The variance is that between such
groups (ibid., section 11.3; Wolter, Introduction to Variance Estimation, chapter 2), and the sample is taken as small
beside the traffic to come: no correction for a finite population. Intervals are 95 %, or of another `level`:

- means and differences by Student's t;
- ratios of sums by Fieller's theorem, which is right where the divisor is uncertain and the ratio skewed;
- shares by Wilson's score with an effective number of replays, that of a simple sample as telling as this one (Korn and
  Graubard, Survey Methodology 24, 1998, without their exact limits); differences of shares by Newcombe's method 10
  (Statistics in Medicine 17, 1998);
- quantiles by Woodruff's method: the interval of the share that lies below, read off the histogram (JASA 47, 1952).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log, sqrt
from statistics import NormalDist
from typing import Final

from shadow.report import quantiles
from shadow.report.totals import DRAWS, Moments

PAIRS_LEAST: Final = 30  # below this the mean of costs, which are skewed, is far from normal: no estimate is given
CONVERSATIONS_LEAST: Final = 30  # the same, for it is these that are independent
CALLS_LEAST: Final = 10  # below this a rate says nothing; its counts are shown
BEYOND_LEAST: Final = 10  # a quantile with fewer values beyond it is a few odd calls: its interval would not hold
LEVEL: Final = 0.95


@dataclass(frozen=True, slots=True)
class Unknown:
    """The place of a figure that is not known, with the reason in a few words. Never zero."""

    reason: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure about the traffic that the pairs stand for, with its interval. In the unit of what was measured."""

    mean: float
    low: float
    high: float


def difference(moments: Moments, level: float = LEVEL) -> Estimate | Unknown:
    """The weighted mean of candidate − primary."""
    if thin := too_thin(moments):
        return thin
    d = (moments.c - moments.p) / moments.w
    squares = moments.cc - 2 * moments.pc + moments.pp - 2 * d * (moments.wc - moments.wp) + d * d * moments.ww
    half = _t(moments, level) * _error(squares, moments, moments.w)
    return Estimate(d, d - half, d + half)


def change(moments: Moments, level: float = LEVEL) -> Estimate | Unknown:
    """The candidate's weighted sum as a share of the primary's, less one: −0.25 is a quarter less."""
    if thin := too_thin(moments):
        return thin
    if moments.p <= 0:
        return Unknown("the primary's cost is zero")
    n, p, c = moments.draws, moments.p, moments.c
    spread = _t(moments, level) ** 2 * n / (n - 1)
    # (c − r·p)² = spread · Σ(C − r·P)², the squares taken about their mean, is quadratic in r.
    pp, pc, cc = moments.pp - p * p / n, moments.pc - p * c / n, moments.cc - c * c / n
    square, linear, constant = p * p - spread * pp, p * c - spread * pc, c * c - spread * cc
    if square <= 0:
        return Unknown("too few conversations for so uneven costs")
    root = sqrt(max(linear * linear - square * constant, 0.0))
    return Estimate(c / p - 1, (linear - root) / square - 1, (linear + root) / square - 1)


def share(moments: Moments, level: float = LEVEL) -> Estimate | Unknown:
    """The weighted mean of the candidate's value, which is between 0 and 1."""
    if moments.pairs < CALLS_LEAST or not moments.w:
        return too_few(moments.pairs)
    return wilson(moments.c / moments.w, telling(moments), level)


def excess(candidate: Moments, control: Moments, level: float = LEVEL) -> Estimate | Unknown:
    """By how much the candidate's share is above the control's, in two samples drawn apart."""
    ones, others = share(candidate, level), share(control, level)
    if isinstance(ones, Unknown):
        return ones
    return others if isinstance(others, Unknown) else apart(ones, others)


def apart(one: Estimate, other: Estimate) -> Estimate:
    """The difference one − other of two independent estimates, from their intervals (Newcombe)."""
    d = one.mean - other.mean
    low = d - sqrt((one.mean - one.low) ** 2 + (other.high - other.mean) ** 2)
    return Estimate(d, low, d + sqrt((one.high - one.mean) ** 2 + (other.mean - other.low) ** 2))


def rate(count: int, of: int, level: float = LEVEL) -> Estimate | Unknown:
    """A share of a simple count, where there is enough to speak of one."""
    return too_few(of) if of < CALLS_LEAST else wilson(count / of, of, level)


def wilson(found: float, of: float, level: float = LEVEL) -> Estimate:
    """A share with its score interval; `of` need not be whole."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    z2 = z * z
    middle = (found + z2 / (2 * of)) / (1 + z2 / of)
    half = z / (1 + z2 / of) * sqrt(found * (1 - found) / of + z2 / (4 * of * of))
    return Estimate(found, min(max(middle - half, 0.0), found), max(min(middle + half, 1.0), found))


def telling(moments: Moments) -> float:
    """How many independent replays of equal weight would tell the share of c as well as these do."""
    f = moments.c / moments.w
    kish = moments.w * moments.w / moments.squares
    if not 0 < f < 1:  # nothing shows how alike the turns of a conversation are
        return kish
    squares = max(moments.cc - 2 * f * moments.wc + f * f * moments.ww, 0.0)
    variance = squares / moments.w**2 * moments.draws / max(moments.draws - 1, 1)
    if not variance:
        return kish
    number = f * (1 - f) / variance
    # How sure the variance itself is: as sure as there are draws, and no surer than there are of the rarer kind.
    degrees = min(effective(moments) - 1, number * min(f, 1 - f))
    normal = NormalDist().inv_cdf((1 + LEVEL) / 2)
    return max(number * (normal / student_t(max(degrees, 3.0))) ** 2, 1.0)


def quantile(
    weights: Mapping[int, float], values: int, at: float, below: Moments | None, level: float = LEVEL
) -> Estimate | Unknown:
    """The value in seconds below which a share of the weight lies.

    `values` is how many there are, whatever they weigh; `below` the moments of not being above its bucket.
    """
    needed = round(BEYOND_LEAST / (1 - at))
    if values < needed or below is None or not below.w:
        return Unknown(f"fewer than {needed} pairs" if values else "no pairs")
    if below.w * below.w / below.squares < needed:
        return Unknown(f"too unequal weights for p{at * 100:.0f}")
    found = quantiles.quantile(weights, at)
    shares = wilson(at, telling(below), level)
    return Estimate(found, quantiles.quantile(weights, shares.low), quantiles.quantile(weights, shares.high))


def too_thin(moments: Moments) -> Unknown | None:
    """Why there is no estimate from so few pairs, if there is none."""
    if moments.pairs == 0:
        return Unknown("no pairs")
    if moments.pairs < PAIRS_LEAST:
        return Unknown(f"fewer than {PAIRS_LEAST} pairs")
    few = conversations(moments.draws) < CONVERSATIONS_LEAST
    return Unknown(f"fewer than {CONVERSATIONS_LEAST} conversations") if few else None


def too_few(calls: int) -> Unknown:
    """Why there is no rate."""
    return Unknown(f"fewer than {CALLS_LEAST} calls" if calls else "no calls")


def conversations(draws: int) -> int:
    """About how many conversations it takes to be in so many of the groups; in all of them, at least so many."""
    return round(DRAWS * log(DRAWS)) if draws >= DRAWS else round(-DRAWS * log(1 - draws / DRAWS))


def effective(moments: Moments) -> float:
    """How many groups of equal weight would say as much (Kish). Unequal ones say less than their number."""
    return moments.w * moments.w / moments.ww


def student_t(degrees: float, level: float = LEVEL) -> float:
    """The two-sided point of Student's t, by its expansion around the normal's (Abramowitz and Stegun 26.7.5)."""
    v, z = max(degrees, 1.0), NormalDist().inv_cdf((1 + level) / 2)
    return (
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
    )


def _t(moments: Moments, level: float) -> float:
    return student_t(effective(moments) - 1, level)


def _error(squares: float, moments: Moments, by: float) -> float:
    n = moments.draws
    return sqrt(max(squares, 0.0) * n / (n - 1)) / by
