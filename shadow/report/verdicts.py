"""Better, worse, equivalent or inconclusive: one word for each measure of a segment, from its interval. Pure.

Every measure is a difference of which more is worse, with an interval and a margin:

    worse         the interval is above zero and reaches beyond the margin
    better        the interval is below zero and reaches beyond the margin
    equivalent    the interval is within the margin on both sides
    inconclusive  anything else, and whatever has fewer pairs than the gates ask for

A measure *holds* where the interval ends below the margin: it is surely not worse by more than may be.

Many measures are judged at once, and of twenty intervals of 95 % one is wrong. So intervals of verdicts are wider: with
m measures in s segments of a table the confidence of each is 1 − (1 − confidence) / (m · s) (Bonferroni). A candidate
that differs by nothing but noise is then called worse, by any measure in any segment, in no more than 5 % of tables,
whatever the measures have in common.

How many more pairs it takes is a rule of thumb: an interval narrows with the square root of their number, and is to be
so narrow that it fits between the figure and the next bound; at the present rate that takes so many days.
"""

from dataclasses import dataclass
from math import ceil, exp, log, sqrt
from typing import Final, Literal

from shadow.report.answers import OF_ONE_ANSWER
from shadow.report.costs import DAY_S, Lengths
from shadow.report.estimates import Estimate, Unknown, apart, change, difference, excess, quantile, rate, share
from shadow.report.gates import Gates
from shadow.report.totals import FAILED, Duration, Moments, Replays, Side, Traffic

Word = Literal["better", "worse", "equivalent", "inconclusive"]

MOST_TIMES: Final = 100  # so many times the pairs there are: nobody waits for that, and the estimate of it is idle


@dataclass(frozen=True, slots=True)
class Verdict:
    """One measure of one segment. `difference` is relative for cost and ttft_p95, points for the others.

    Its interval has the `confidence` that it takes for all verdicts of the table to hold together. `more_pairs` is how
    many it takes about for a verdict that is not inconclusive, None where it is one or nobody can tell; `days` is how
    long that takes. `why` says what keeps it inconclusive.
    """

    measure: str
    word: Word
    holds: bool
    difference: Estimate | Unknown
    margin: float
    confidence: float
    pairs: int
    more_pairs: int | None = None
    days: float | None = None
    why: str | None = None
    thin: bool = False  # fewer pairs than the gates ask for


@dataclass(frozen=True, slots=True)
class Judged:
    """The sums of a segment that verdicts are made of."""

    traffic: Traffic
    replays: Replays
    control: Replays | None
    lengths: Lengths


def verdicts(judged: Judged, gates: Gates, segments: int) -> tuple[Verdict, ...]:
    """The verdicts of one of so many segments of a table."""
    margins = gates.judged()
    asked = {measure: margin for measure, margin in margins.items() if _arises(judged.replays, measure)}
    confidence = 1 - (1 - gates.confidence) / (max(len(asked), 1) * max(segments, 1))
    return tuple(
        _verdict(measure, margin, _difference(judged, measure, confidence), judged, gates, confidence)
        for measure, margin in asked.items()
    )


def word(found: tuple[Verdict, ...]) -> Word:
    """One word for a segment: worse in anything is worse, and doubt about anything is doubt."""
    words = {one.word for one in found}
    if "worse" in words:
        return "worse"
    if not words or "inconclusive" in words:
        return "inconclusive"
    return "better" if "better" in words else "equivalent"


def _arises(replays: Replays, measure: str) -> bool:
    """Whether there is anything to judge: no stream has no first token, and few requests ask for JSON."""
    if measure == "ttft_p95":
        return replays.ttft.moments.pairs > 0 or not replays.pairs
    return measure in ("cost", "error_rate") or measure in replays.agreement


def _difference(judged: Judged, measure: str, confidence: float) -> tuple[Estimate | Unknown, int]:
    """How much worse the candidate is, and over how many pairs or replays."""
    replays = judged.replays
    if measure == "cost":
        return change(replays.cost.moments, confidence), replays.cost.moments.pairs
    if measure == "ttft_p95":
        return _slower(replays.ttft, 0.95, confidence), replays.ttft.moments.pairs
    if measure == "error_rate":
        tried = replays.failures.get(FAILED, Moments())
        return _more_errors(judged.traffic, tried, confidence), tried.pairs
    ones = replays.agreement[measure]
    return _disagrees(measure, ones, judged.control, confidence), ones.pairs


def _slower(duration: Duration, at: float, confidence: float) -> Estimate | Unknown:
    """The candidate's quantile as a share of the primary's, less one.

    On the logarithm, as if the arms were independent: they are alike, so that the interval is too wide if anything.
    """

    def of(side: Side) -> Estimate | Unknown:
        weights: dict[int, float] = getattr(duration, side)
        found = quantile(weights, duration.moments.pairs, at, duration.below.get((side, at)), confidence)
        if isinstance(found, Unknown):
            return found
        return Estimate(log(found.mean), log(found.low), log(found.high))

    primary, candidate = of("primary"), of("candidate")
    if isinstance(primary, Unknown) or isinstance(candidate, Unknown):
        return primary if isinstance(primary, Unknown) else candidate
    found = apart(candidate, primary)
    return Estimate(exp(found.mean) - 1, exp(found.low) - 1, exp(found.high) - 1)


def _more_errors(traffic: Traffic, tried: Moments, confidence: float) -> Estimate | Unknown:
    primary = rate(traffic.errors, traffic.errors + traffic.answered, confidence)
    candidate = share(tried, confidence)
    if isinstance(candidate, Unknown):
        return candidate
    return primary if isinstance(primary, Unknown) else apart(candidate, primary)


def _disagrees(measure: str, ones: Moments, control: Replays | None, confidence: float) -> Estimate | Unknown:
    noise = control.agreement.get(measure) if control else None
    if noise is not None and not isinstance(share(noise), Unknown):
        return excess(ones, noise, confidence)
    return difference(ones, confidence) if measure in OF_ONE_ANSWER else Unknown("no control")


def _verdict(
    measure: str,
    margin: float,
    found: tuple[Estimate | Unknown, int],
    judged: Judged,
    gates: Gates,
    confidence: float,
) -> Verdict:
    estimate, pairs = found
    thin = pairs < gates.pairs
    told: Word = "inconclusive"
    why, more = None, None
    if thin:
        why, more = f"{pairs:,} of at least {gates.pairs:,} pairs", gates.pairs - pairs
    elif isinstance(estimate, Unknown):
        why = estimate.reason
    else:
        told = _word(estimate, margin)
        if told == "inconclusive":
            why, more = "the interval is too wide", _more(estimate, margin, pairs)
    holds = not thin and isinstance(estimate, Estimate) and estimate.high < margin
    return Verdict(
        measure, told, holds, estimate, margin, confidence, pairs, more, _days(more, pairs, judged.lengths), why, thin
    )


def _word(found: Estimate, margin: float) -> Word:
    if -margin < found.low and found.high < margin:
        return "equivalent"
    if found.low > 0:
        return "worse"
    return "better" if found.high < 0 else "inconclusive"


def _more(found: Estimate, margin: float, pairs: int) -> int | None:
    """About how many more pairs tell: until the interval leaves out zero, or fits within the margin."""
    half = (found.high - found.low) / 2
    room = abs(found.mean) if abs(found.mean) > margin else margin - abs(found.mean)
    if room <= 0 or half / room > sqrt(MOST_TIMES):
        return None
    return max(ceil(pairs * (half / room) ** 2) - pairs, 1)


def _days(more: int | None, pairs: int, lengths: Lengths) -> float | None:
    """How long it takes until so many more have come, at the rate of the period."""
    if more is None or not pairs or lengths.considered_s <= 0:
        return None
    return more / pairs * lengths.considered_s / DAY_S
