"""Sums → what a move would change, candidate by candidate, overall and by segment. Pure.

Two kinds of figures stand side by side and are never mixed. *Sums over pairs* are exact and unweighted: what both arms
cost for the very same requests. *Estimates* are weighted and speak for the traffic that the pairs were drawn from.
What is not known, or too thin to say, is `Unknown` with its reason.

An error at the primary is a model call that got no answer, a broken one, or one that is an error in its status or its
body; calls that the client left are neither errors nor answers. An error at a candidate is a replay that was tried and
failed; replays that failed for the sidecar's own sake are left out. A request that failed at the primary is never
replayed, so the two rates are over different requests.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from shadow.report.estimates import QUANTILES, Estimate, Unknown, mean, quantile, rate, relative
from shadow.report.totals import (
    PENDING,
    Breakdown,
    Dimension,
    Duration,
    Money,
    Replays,
    Scope,
    Segment,
    Totals,
    Traffic,
)

MONTH_S: Final = 30 * 86_400
DAY_S: Final = 86_400  # traffic has a daily course: less than one says little about thirty
OWN_FAILURES: Final = frozenset({"memory", "interrupted", "internal"})  # reasons of `failed` that no candidate caused
ORDER: Final = ("ineligible", "sampled_out", "withheld", "dropped", PENDING, "failed", "completed")


@dataclass(frozen=True, slots=True)
class Coverage:
    """What became of the exchanges on one arm. Every exchange is in exactly one of the counts that add up:

    `exchanges` = `unconsidered` + `ineligible` + `eligible`; `eligible` = `sampled_out` + `drawn`;
    `drawn` = `withheld` + `dropped` + `pending` + `failed` + `completed`. `unconsidered` were recorded while the
    candidate was not configured. `pairs` are the completed whose primary answer is whole. `reasons` splits the
    outcomes that have reasons.
    """

    exchanges: int
    unconsidered: int
    ineligible: int
    eligible: int
    sampled_out: int
    drawn: int
    withheld: int
    dropped: int
    pending: int
    failed: int
    completed: int
    pairs: int
    reasons: tuple[tuple[str, str, int], ...]  # outcome, reason, count; in the order of the outcomes, most first


@dataclass(frozen=True, slots=True)
class Amount:
    """An estimated amount in US dollars with its 95 % interval."""

    mean: Decimal
    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class CostComparison:
    """Cost in US dollars. Sums, difference and ratio are exact over `pairs`; the rest is estimated.

    `change` is the difference as a share of the primary's cost. `projected` is the difference for the eligible
    exchanges of the period if all had moved, `monthly` the same for thirty days. `excluded` pairs have a cost that is
    unknown on either arm.
    """

    pairs: int
    excluded: int
    primary_usd: Decimal | Unknown
    candidate_usd: Decimal | Unknown
    difference_usd: Decimal | Unknown
    ratio: float | Unknown
    change: float | Unknown
    mean_difference_usd: Amount | Unknown
    projected_usd: Amount | Unknown
    monthly_usd: Amount | Unknown


@dataclass(frozen=True, slots=True)
class LatencyComparison:
    """A duration in seconds over `pairs`: weighted quantiles of both arms, in the order of QUANTILES, each within 1 %
    of the true one, and the weighted mean of the paired difference."""

    pairs: int
    primary: tuple[float | Unknown, ...]
    candidate: tuple[float | Unknown, ...]
    mean_difference_s: Estimate | Unknown


@dataclass(frozen=True, slots=True)
class Errors:
    """Errors of one arm among the calls that ended in an answer or an error. `aside` are those left out."""

    errors: int
    calls: int
    aside: int
    rate: float | Unknown


@dataclass(frozen=True, slots=True)
class SegmentComparison:
    """Candidate against primary over one segment. `segment` is None overall, OTHERS for those not listed."""

    segment: Segment | str | None
    coverage: Coverage
    primary_cost_unknown: int
    candidate_cost_unknown: int
    cost: CostComparison
    uncached: CostComparison  # the same, with every prompt token at the uncached price
    ttft: LatencyComparison
    total: LatencyComparison
    primary_errors: Errors
    candidate_errors: Errors


@dataclass(frozen=True, slots=True)
class Table:
    """The segments of one breakdown, the one with the most exchanges first. `merged` of them are in OTHERS."""

    dimensions: tuple[Dimension, ...]
    segments: tuple[SegmentComparison, ...]
    merged: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """One candidate."""

    arm: str
    overall: SegmentComparison
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All that is said. `first_at` and `last_at` are when the first and last exchange of the period began."""

    scope: Scope
    first_at: datetime | None
    last_at: datetime | None
    traffic: Traffic
    spent_usd: Decimal | Unknown  # at the primary, by all calls whose cost is known
    candidates: tuple[Comparison, ...]

    @property
    def length_s(self) -> float:
        """How long the period is, by the exchanges in it."""
        return (self.last_at - self.first_at).total_seconds() if self.first_at and self.last_at else 0.0


def compare(totals: Totals, scope: Scope) -> Report:
    """The report of what was summed up over a scope."""
    first, last = (None if at is None else datetime.fromtimestamp(at, UTC) for at in (totals.first_at, totals.last_at))
    length_s = (last - first).total_seconds() if first and last else 0.0
    traffic = Traffic()
    for one in totals.breakdowns[0].traffic.values():
        traffic.add(one)
    candidates = tuple(_comparison(arm, totals, traffic, length_s) for arm in totals.arms)
    spent = _usd(traffic.cost_nano) if traffic.cost_known else Unknown("no call of known cost")
    return Report(scope, first, last, traffic, spent, candidates)


def _comparison(arm: str, totals: Totals, traffic: Traffic, length_s: float) -> Comparison:
    replays = Replays()
    for (of, _), one in totals.breakdowns[0].replays.items():
        if of == arm:
            replays.add(one)
    overall = _segment(None, traffic, replays, length_s)
    return Comparison(arm, overall, tuple(_table(arm, one, length_s) for one in totals.breakdowns if one.dimensions))


def _table(arm: str, breakdown: Breakdown, length_s: float) -> Table:
    segments = tuple(
        _segment(segment, traffic, breakdown.replays.get((arm, segment), Replays()), length_s)
        for segment, traffic in breakdown.traffic.items()
    )
    return Table(breakdown.dimensions, segments, breakdown.merged)


def _segment(segment: Segment | str | None, traffic: Traffic, replays: Replays, length_s: float) -> SegmentComparison:
    coverage = _coverage(traffic, replays)
    own = sum(
        count for (outcome, why), count in replays.outcomes.items() if outcome == "failed" and why in OWN_FAILURES
    )
    failed = coverage.failed - own
    uncosted = replays.pairs - replays.normalised.pairs
    return SegmentComparison(
        segment,
        coverage,
        replays.primary_cost_unknown,
        replays.candidate_cost_unknown,
        _cost(replays.cost, replays.cost_unknown, coverage.eligible, length_s),
        _cost(replays.normalised, uncosted, coverage.eligible, length_s),
        _latency(replays.ttft),
        _latency(replays.total),
        _errors(traffic.errors, traffic.answered, traffic.cancelled),
        _errors(failed, coverage.completed, own),
    )


def _coverage(traffic: Traffic, replays: Replays) -> Coverage:
    by: Counter[str] = Counter()
    for (outcome, _), count in replays.outcomes.items():
        by[outcome] += count
    considered = sum(by.values())
    eligible = considered - by["ineligible"]
    reasons = sorted(
        ((outcome, reason, count) for (outcome, reason), count in replays.outcomes.items() if reason),
        key=lambda one: (ORDER.index(one[0]), -one[2], one[1]),
    )
    return Coverage(
        exchanges=traffic.exchanges,
        unconsidered=traffic.exchanges - considered,
        ineligible=by["ineligible"],
        eligible=eligible,
        sampled_out=by["sampled_out"],
        drawn=eligible - by["sampled_out"],
        withheld=by["withheld"],
        dropped=by["dropped"],
        pending=by[PENDING],
        failed=by["failed"],
        completed=by["completed"],
        pairs=replays.pairs,
        reasons=tuple(reasons),
    )


def _cost(money: Money, excluded: int, eligible: int, length_s: float) -> CostComparison:
    none = Unknown("the cost is unknown" if excluded else "no pairs")
    some = money.pairs > 0
    primary, candidate = _usd(money.primary_nano), _usd(money.candidate_nano)
    each = mean(money.moments) if some else none
    month = eligible * MONTH_S / length_s if length_s >= DAY_S else Unknown("less than a day of traffic")
    return CostComparison(
        money.pairs,
        excluded,
        primary if some else none,
        candidate if some else none,
        candidate - primary if some else none,
        _ratio(money) if some else none,
        relative(money.moments) if some else none,
        _amount(each, 1),
        _amount(each, eligible),
        _amount(each, month),
    )


def _amount(each: Estimate | Unknown, exchanges: float | Unknown) -> Amount | Unknown:
    """An estimate in nano-dollars an exchange, for so many exchanges. To a thousandth of a nano-dollar."""
    if isinstance(each, Unknown):
        return each
    if isinstance(exchanges, Unknown):
        return exchanges
    figures = (Decimal(round(nano * exchanges * 1000)).scaleb(-12) for nano in (each.mean, each.low, each.high))
    return Amount(*figures)


def _ratio(money: Money) -> float | Unknown:
    return money.candidate_nano / money.primary_nano if money.primary_nano else Unknown("the primary's cost is zero")


def _latency(duration: Duration) -> LatencyComparison:
    pairs = duration.moments.pairs
    return LatencyComparison(
        pairs,
        tuple(quantile(duration.primary, pairs, share) for share in QUANTILES),
        tuple(quantile(duration.candidate, pairs, share) for share in QUANTILES),
        mean(duration.moments),
    )


def _errors(errors: int, answers: int, aside: int) -> Errors:
    return Errors(errors, errors + answers, aside, rate(errors, errors + answers))


def _usd(nano: int) -> Decimal:
    return Decimal(nano).scaleb(-9)
