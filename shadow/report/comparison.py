"""Sums → what a move would change, candidate by candidate, overall and by segment. Pure.

Each subject has a module of its own: `costs`, `latencies`, `reliability`, `answers`, `coverage`. What is not known, or
too thin to say, is `Unknown` with its reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from shadow.exchange import CONTROL
from shadow.report.accounts import Account, account, spent
from shadow.report.answers import Disagreement, disagreements
from shadow.report.costs import CostComparison, Lengths, costs, month
from shadow.report.coverage import Coverage, Unprojected, coverage, unprojected
from shadow.report.estimates import Estimate, Unknown
from shadow.report.gates import Gates
from shadow.report.latencies import LatencyComparison, latency
from shadow.report.reliability import Errors, more_errors, of_candidate, of_primary
from shadow.report.totals import Breakdown, Dimension, Loss, Replays, Scope, Segment, Totals, Traffic
from shadow.report.verdicts import Judged, Verdict, Word, verdicts, word

GATES: Final = Gates()  # what is judged by where nobody says otherwise


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
    tpot: LatencyComparison
    primary_errors: Errors
    candidate_errors: Errors
    more_errors: Estimate | Unknown  # candidate − primary
    disagreements: tuple[Disagreement, ...]
    unprojected: Unprojected
    verdicts: tuple[Verdict, ...]

    @property
    def verdict(self) -> Word:
        """One word for all of them."""
        return word(self.verdicts)


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
    accounts: tuple[Account, ...]  # the primary's traffic, once for each breakdown
    candidates: tuple[Comparison, ...]
    control: Comparison | None = None  # the primary's model once more, where it was replayed
    loss: Loss | None = None
    anomalies: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # by arm: how many were odd in which way

    @property
    def length_s(self) -> float:
        """How long the period is, by the exchanges in it."""
        return (self.last_at - self.first_at).total_seconds() if self.first_at and self.last_at else 0.0


def compare(totals: Totals, scope: Scope, gates: Gates = GATES) -> Report:
    """The report of what was summed up over a scope, judged by gates."""
    first, last = (None if at is None else datetime.fromtimestamp(at, UTC) for at in (totals.first_at, totals.last_at))
    traffic = Traffic()
    for one in totals.overall.traffic.values():
        traffic.add(one)
    compared = {arm: _comparison(arm, totals, traffic, gates) for arm in totals.arms}
    control = None if scope.candidate == CONTROL else compared.pop(CONTROL, None)
    accounts = tuple(account(one) for one in totals.breakdowns if one.dimensions)
    candidates = tuple(one for arm, one in compared.items() if scope.candidate in (None, arm))
    spent_usd = spent(traffic)
    return Report(scope, first, last, traffic, spent_usd, accounts, candidates, control, totals.loss, totals.anomalies)


def _comparison(arm: str, totals: Totals, traffic: Traffic, gates: Gates) -> Comparison:
    lengths = _lengths(arm, totals)
    replays, control = (totals.overall.replays.get((one, ()), None) for one in (arm, CONTROL))
    judged = Judged(traffic, replays or Replays(), control if arm != CONTROL else None, lengths)
    tables = tuple(_table(arm, one, lengths, gates) for one in totals.breakdowns if one.dimensions)
    return Comparison(arm, _segment(None, judged, gates, 1), tables)


def _lengths(arm: str, totals: Totals) -> Lengths:
    if totals.first_at is None or totals.last_at is None:
        return Lengths(0.0, 0.0)
    first, last = totals.considered.get(arm, (0.0, 0.0))
    return Lengths(totals.last_at - totals.first_at, last - first)


def _table(arm: str, breakdown: Breakdown, lengths: Lengths, gates: Gates) -> Table:
    found = {
        segment: Judged(
            traffic,
            breakdown.replays.get((arm, segment), Replays()),
            breakdown.replays.get((CONTROL, segment)) if arm != CONTROL else None,
            lengths,
        )
        for segment, traffic in breakdown.traffic.items()
    }
    enough = sum(one.replays.pairs >= gates.pairs for one in found.values())  # the others get no verdict in any case
    segments = tuple(_segment(segment, judged, gates, enough) for segment, judged in found.items())
    return Table(breakdown.dimensions, segments, breakdown.merged)


def _segment(segment: Segment | str | None, judged: Judged, gates: Gates, segments: int) -> SegmentComparison:
    traffic, replays = judged.traffic, judged.replays
    covered = coverage(traffic, replays)
    projected = covered.eligible - replays.unprojected
    monthly = month(projected, covered, judged.lengths)
    primary, candidate = of_primary(traffic), of_candidate(replays, covered)
    return SegmentComparison(
        segment,
        covered,
        replays.primary_cost_unknown,
        replays.candidate_cost_unknown,
        costs(replays.cost, replays.cost_unknown, projected, monthly),
        costs(replays.normalised, replays.pairs - replays.normalised.pairs, projected, monthly),
        latency(replays.ttft),
        latency(replays.total),
        latency(replays.tpot),
        primary,
        candidate,
        more_errors(primary, candidate),
        disagreements(replays, judged.control),
        unprojected(replays),
        verdicts(judged, gates, segments),
    )
