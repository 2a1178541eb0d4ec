"""Sums → what a move would change, candidate by candidate, overall and by segment. Pure.

Two kinds of figures stand side by side and are never mixed. *Sums over pairs* are exact and unweighted: what both arms
cost for the very same requests. *Estimates* are weighted and speak for the traffic that the pairs were drawn from.
What is not known, or too thin to say, is `Unknown` with its reason.

An error at the primary is a model call that got no answer, a broken one, or one that is an error in its status or its
body; calls that the client left are neither errors nor answers. An error at a candidate is a replay that was tried and
failed; replays that failed for the sidecar's own sake are left out, and the rate is weighted, as it is about the
traffic. A request that failed at the primary is never replayed, so the two rates are over different requests.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from shadow.report.accounts import Account, account, spent, usd
from shadow.report.estimates import CALLS_LEAST, QUANTILES, Estimate, Unknown, mean, quantile, rate, relative
from shadow.report.totals import (
    PENDING,
    Breakdown,
    Dimension,
    Duration,
    Loss,
    Money,
    Replays,
    Scope,
    Segment,
    Totals,
    Traffic,
)

MONTH_S: Final = 30 * 86_400
DAY_S: Final = 86_400  # traffic has a daily course: less than one says little about thirty
FAILING: Final = frozenset({"circuit_open", "retry_after"})  # reasons of `withheld` that the candidate caused
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

    `change` is the difference as a share of the primary's cost. `projected` is the difference if all eligible exchanges
    of the period had moved that the candidate was configured for and that had a chance of being replayed. `monthly` is
    for thirty days like the period, had it been configured all along. `excluded` pairs have a cost that is unknown on
    either arm.
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
    """Errors of one arm among the calls that ended in an answer or an error. `aside` are those left out.

    A candidate's `rate` is weighted. `untried` were drawn and not sent, for it was failing or had asked for a rest.
    """

    errors: int
    calls: int
    aside: int
    rate: float | Unknown
    untried: int = 0


@dataclass(frozen=True, slots=True)
class Unprojected:
    """Eligible exchanges that had no chance of being replayed, and what they cost at the primary.

    Their tenant withholds consent, their rule has a rate of 0, or their client asked for it: no pair speaks for them.
    """

    exchanges: int
    primary_usd: Decimal | Unknown


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
    unprojected: Unprojected


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
class Lengths:
    """Seconds of the period, and of it from the first to the last exchange that an arm was configured for."""

    period_s: float
    considered_s: float


@dataclass(frozen=True, slots=True)
class Report:
    """All that is said. `first_at` and `last_at` are when the first and last exchange of the period began."""

    scope: Scope
    first_at: datetime | None
    last_at: datetime | None
    traffic: Traffic
    spent_usd: Decimal | Unknown  # at the primary, by all calls whose cost is known
    accounts: tuple[Account, ...]  # the primary's traffic, once for each breakdown
    candidates: tuple[Comparison, ...]
    loss: Loss | None = None

    @property
    def length_s(self) -> float:
        """How long the period is, by the exchanges in it."""
        return (self.last_at - self.first_at).total_seconds() if self.first_at and self.last_at else 0.0


def compare(totals: Totals, scope: Scope) -> Report:
    """The report of what was summed up over a scope."""
    first, last = (None if at is None else datetime.fromtimestamp(at, UTC) for at in (totals.first_at, totals.last_at))
    traffic = Traffic()
    for one in totals.breakdowns[0].traffic.values():
        traffic.add(one)
    candidates = tuple(_comparison(arm, totals, traffic) for arm in totals.arms)
    accounts = tuple(account(one) for one in totals.breakdowns if one.dimensions)
    return Report(scope, first, last, traffic, spent(traffic), accounts, candidates, totals.loss)


def _comparison(arm: str, totals: Totals, traffic: Traffic) -> Comparison:
    replays, lengths = Replays(), _lengths(arm, totals)
    whole = next((one for one in totals.breakdowns if not one.dimensions), totals.breakdowns[0])
    for (of, _), one in whole.replays.items():
        if of == arm:
            replays.add(one)
    overall = _segment(None, traffic, replays, lengths)
    return Comparison(arm, overall, tuple(_table(arm, one, lengths) for one in totals.breakdowns if one.dimensions))


def _lengths(arm: str, totals: Totals) -> Lengths:
    if totals.first_at is None or totals.last_at is None:
        return Lengths(0.0, 0.0)
    first, last = totals.considered.get(arm, (0.0, 0.0))
    return Lengths(totals.last_at - totals.first_at, last - first)


def _table(arm: str, breakdown: Breakdown, lengths: Lengths) -> Table:
    segments = tuple(
        _segment(segment, traffic, breakdown.replays.get((arm, segment), Replays()), lengths)
        for segment, traffic in breakdown.traffic.items()
    )
    return Table(breakdown.dimensions, segments, breakdown.merged)


def _segment(segment: Segment | str | None, traffic: Traffic, replays: Replays, lengths: Lengths) -> SegmentComparison:
    coverage = _coverage(traffic, replays)
    projected = coverage.eligible - replays.unprojected
    month = _month(projected, coverage, lengths)
    uncosted = replays.pairs - replays.normalised.pairs
    return SegmentComparison(
        segment,
        coverage,
        replays.primary_cost_unknown,
        replays.candidate_cost_unknown,
        _cost(replays.cost, replays.cost_unknown, projected, month),
        _cost(replays.normalised, uncosted, projected, month),
        _latency(replays.ttft),
        _latency(replays.total),
        _primary_errors(traffic),
        _candidate_errors(replays, coverage),
        _unprojected(replays),
    )


def _month(projected: int, coverage: Coverage, lengths: Lengths) -> float | Unknown:
    """How many exchanges of thirty days would move: what was not considered is taken to be like what was."""
    if lengths.considered_s < DAY_S:
        return Unknown("less than a day of traffic")
    considered = coverage.exchanges - coverage.unconsidered
    share = projected / considered if considered else 0.0
    return share * coverage.exchanges * MONTH_S / lengths.period_s


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


def _cost(money: Money, excluded: int, projected: int, month: float | Unknown) -> CostComparison:
    none = Unknown("the cost is unknown" if excluded else "no pairs")
    some = money.pairs > 0
    primary, candidate = usd(money.primary_nano), usd(money.candidate_nano)
    each = mean(money.moments) if some else none
    return CostComparison(
        money.pairs,
        excluded,
        primary if some else none,
        candidate if some else none,
        candidate - primary if some else none,
        _ratio(money) if some else none,
        relative(money.moments) if some else none,
        _amount(each, 1),
        _amount(each, projected),
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


def _primary_errors(traffic: Traffic) -> Errors:
    calls = traffic.errors + traffic.answered
    return Errors(traffic.errors, calls, traffic.cancelled, rate(traffic.errors, calls))


def _candidate_errors(replays: Replays, coverage: Coverage) -> Errors:
    own = sum(_count(replays.outcomes, "failed", OWN_FAILURES))
    errors, calls = coverage.failed - own, coverage.failed - own + coverage.completed
    failed = sum(w for (of, why), w in replays.weights.items() if of == "failed" and why not in OWN_FAILURES)
    weight = failed + replays.weights.get(("completed", None), 0.0)
    share = rate(errors, calls) if calls < CALLS_LEAST or not weight else failed / weight
    return Errors(errors, calls, own, share, sum(_count(replays.outcomes, "withheld", FAILING)))


def _count(outcomes: Counter[tuple[str, str | None]], outcome: str, reasons: Iterable[str]) -> Iterator[int]:
    return (outcomes[outcome, reason] for reason in reasons)


def _unprojected(replays: Replays) -> Unprojected:
    if replays.unprojected and not replays.unprojected_cost_known:
        return Unprojected(replays.unprojected, Unknown("the cost is unknown"))
    return Unprojected(replays.unprojected, usd(replays.unprojected_nano))
