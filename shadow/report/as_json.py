"""The report for programs: JSON whose keys are only ever added to, never renamed. Pure.

    schema       "shadow-report/1"
    scope        candidate, since, until, where {dimension: value}, breakdowns [[dimension, …], …]; null: not restricted
    period       first_at, last_at: when the first and last exchange began, ISO 8601, null without exchanges
    loss         what is missing because store.max_bytes was reached: exchanges, shipped (so many of them ClickHouse
                 has), until (when the last of them began); null where nothing is
    traffic      what the primary carried: exchanges, calls, answered, errors, cancelled, cost_unknown,
                 without_tenant, without_feature (of the calls), cost_known, cost_usd (of so many calls),
                 error_kinds {kind: count}, anomalies {word: count} (of the primary's answers, the words of
                 shadow/report/oddities.py; one may have several);
                 breakdowns: the same counts by segment: [{dimensions, merged, segments: [{segment, exchanges, …}]}]
    candidates   for each: candidate, anomalies {word: count} (of its answers), overall (a segment),
                 breakdowns: [{dimensions, merged, segments: [segment, …]}]
    control      the same of the primary's model replayed once more; null where it was not

A segment has `segment` ({dimension: value or null}; null overall; "others" for the `merged` smaller ones) and

    coverage     exchanges = unconsidered + ineligible + eligible, eligible = sampled_out + drawn,
                 drawn = withheld + dropped + pending + failed + completed; pairs;
                 reasons {outcome: {reason: count}}
    cost, uncached
                 pairs, excluded (pairs with a cost unknown on either arm)
                 sums over these pairs, exact: primary_usd, candidate_usd, difference_usd, ratio
                 estimates for the traffic, weighted: change (share of the primary's), and as {mean, low, high}:
                 change_interval, mean_difference_usd (an exchange), projected_usd (the eligible exchanges of the
                 period without the unprojected), monthly_usd (thirty days like it, with the candidate configured)
    unprojected  eligible exchanges that could not be drawn (no consent, a rate of 0, the client's wish): exchanges,
                 primary_usd
    ttft, total, tpot
                 seconds, weighted: pairs, primary and candidate {p50, p90, p95, p99}, primary_intervals and
                 candidate_intervals {p50: {mean, low, high}, …}, mean_difference_s {mean, low, high}
    errors       primary and candidate: errors, calls, aside (cancelled calls; failures of the sidecar itself), rate
                 (the candidate's is weighted), rate_interval, availability {mean, low, high}, faults {fault: {errors,
                 rate}} (the words of shadow/faults.py), untried (drawn, and not sent because the candidate was
                 failing); difference {mean, low, high} of the rates
    agreement    for each measure whose question arose (finish_reason, tool_names, tool_arguments, json, schema,
                 refusal, text): pairs, candidate (share that differs, is invalid, declines) {mean, low, high}, primary
                 (of its own answers; null where it is what answers are held against), control and control_pairs,
                 floor ("control", "primary" or null), excess (above the floor) {mean, low, high}
    verdict      better, worse, equivalent or inconclusive, of all verdicts together
    verdicts     for each measure that is judged: measure, word, holds (surely not worse by more than the margin),
                 margin, difference {mean, low, high} (of cost and ttft_p95 a share of the primary's, else points; in
                 the `confidence` that it takes for all verdicts of a table to hold together), pairs, more_pairs, days
                 (how many it takes about for a verdict, and how long; null where there is one or nobody can tell), why,
                 thin (fewer pairs than the gates ask for)
    cost_unknown pairs in which the primary's, the candidate's cost is unknown
    unknown      why figures of this segment are null: {"cost.monthly_usd": "less than a day of traffic"}

`uncached` is `cost` with every prompt token at the uncached price. Money is a decimal string in US dollars: sums are
of whole nano-dollars, to which each call is rounded. An unknown is null. Low and high are a 95 % interval.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from shadow.exchange import PRIMARY
from shadow.report.accounts import Account
from shadow.report.answers import Disagreement
from shadow.report.comparison import Comparison, Report, SegmentComparison
from shadow.report.costs import Amount, CostComparison
from shadow.report.coverage import Coverage, Unprojected
from shadow.report.estimates import Estimate, Unknown
from shadow.report.latencies import LatencyComparison
from shadow.report.layout import plain_dollars
from shadow.report.oddities import counted
from shadow.report.reliability import Errors
from shadow.report.totals import QUANTILES, Dimension, Loss, Scope, Segment, Traffic
from shadow.report.verdicts import Verdict

SCHEMA: Final = "shadow-report/1"
QUANTILE_NAMES: Final = tuple(f"p{share * 100:.0f}" for share in QUANTILES)


def render(report: Report) -> str:
    """The report as JSON in ASCII, indented, with a newline at the end."""
    document = {
        "schema": SCHEMA,
        "scope": _scope(report.scope),
        "period": {"first_at": _time(report.first_at), "last_at": _time(report.last_at)},
        "loss": _loss(report.loss),
        "traffic": {
            **_traffic(report.traffic, report.spent_usd),
            "error_kinds": dict(report.traffic.error_kinds.most_common()),
            "anomalies": counted(report, PRIMARY),
            "breakdowns": [_account(one) for one in report.accounts],
        },
        "control": None if report.control is None else _candidate(report, report.control),
        "candidates": [_candidate(report, one) for one in report.candidates],
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _loss(loss: Loss | None) -> dict[str, Any] | None:
    if loss is None:
        return None
    until = _time(datetime.fromtimestamp(loss.last_at, UTC))
    return {"exchanges": loss.shipped + loss.unshipped, "shipped": loss.shipped, "until": until}


def _scope(scope: Scope) -> dict[str, Any]:
    return {
        "candidate": scope.candidate,
        "since": _time(scope.since),
        "until": _time(scope.until),
        "where": {dimension: value or None for dimension, value in scope.where},
        "breakdowns": [list(dimensions) for dimensions in scope.breakdowns],
    }


def _traffic(traffic: Traffic, spent_usd: Decimal | Unknown) -> dict[str, Any]:
    return {
        "exchanges": traffic.exchanges,
        "calls": traffic.calls,
        "answered": traffic.answered,
        "errors": traffic.errors,
        "cancelled": traffic.cancelled,
        "cost_unknown": traffic.cost_unknown,
        "cost_known": traffic.cost_known,
        "without_tenant": traffic.no_tenant,
        "without_feature": traffic.no_feature,
        "cost_usd": _known(spent_usd, "", {}),
    }


def _account(one: Account) -> dict[str, Any]:
    return {
        "dimensions": list(one.dimensions),
        "merged": one.merged,
        "segments": [
            {"segment": _named(carried.segment, one.dimensions), **_traffic(carried.traffic, carried.spent_usd)}
            for carried in one.segments
        ],
    }


def _candidate(report: Report, comparison: Comparison) -> dict[str, Any]:
    return {
        "candidate": comparison.arm,
        "anomalies": counted(report, comparison.arm),
        "overall": _segment(comparison.overall, ()),
        "breakdowns": [
            {
                "dimensions": list(table.dimensions),
                "merged": table.merged,
                "segments": [_segment(one, table.dimensions) for one in table.segments],
            }
            for table in comparison.tables
        ],
    }


def _segment(one: SegmentComparison, dimensions: Sequence[Dimension]) -> dict[str, Any]:
    figures = {
        "cost": _cost(one.cost),
        "uncached": _cost(one.uncached),
        "ttft": _latency(one.ttft),
        "total": _latency(one.total),
        "tpot": _latency(one.tpot),
        "errors": {
            "primary": _errors(one.primary_errors),
            "candidate": _errors(one.candidate_errors),
            "difference": one.more_errors,
        },
        "agreement": {found.measure: _disagreement(found) for found in one.disagreements},
        "unprojected": _fields(one.unprojected),
    }
    unknown: dict[str, str] = {}
    known = _known(figures, "", unknown)
    return {
        "segment": _named(one.segment, dimensions),
        "coverage": _coverage(one.coverage),
        **known,
        "verdict": one.verdict,
        "verdicts": [_verdict(found) for found in one.verdicts],
        "cost_unknown": {"primary": one.primary_cost_unknown, "candidate": one.candidate_cost_unknown},
        "unknown": unknown,
    }


def _named(segment: Segment | str | None, dimensions: Sequence[Dimension]) -> dict[str, str | None] | str | None:
    return dict(zip(dimensions, segment, strict=True)) if isinstance(segment, tuple) else segment


def _coverage(coverage: Coverage) -> dict[str, Any]:
    reasons: dict[str, dict[str, int]] = {}
    for outcome, reason, count in coverage.reasons:
        reasons.setdefault(outcome, {})[reason] = count
    return {**asdict(coverage), "reasons": reasons}


def _fields(record: CostComparison | Errors | Unprojected | Disagreement | Verdict) -> dict[str, Any]:
    """A record's fields as they are: `asdict` would take an Unknown apart."""
    return {name: getattr(record, name) for name in record.__slots__}


def _cost(cost: CostComparison) -> dict[str, Any]:
    return {**_fields(cost), "change": _mean(cost.change), "change_interval": cost.change}


def _latency(latency: LatencyComparison) -> dict[str, Any]:
    arms = {"primary": latency.primary, "candidate": latency.candidate}
    return {
        "pairs": latency.pairs,
        **{arm: dict(zip(QUANTILE_NAMES, map(_mean, found), strict=True)) for arm, found in arms.items()},
        **{f"{arm}_intervals": dict(zip(QUANTILE_NAMES, found, strict=True)) for arm, found in arms.items()},
        "mean_difference_s": latency.mean_difference_s,
    }


def _errors(errors: Errors) -> dict[str, Any]:
    return {
        **_fields(errors),
        "rate": _mean(errors.rate),
        "rate_interval": errors.rate,
        "faults": {one.fault.value: {"errors": one.errors, "rate": one.rate} for one in errors.faults},
    }


def _disagreement(one: Disagreement) -> dict[str, Any]:
    return {name: value for name, value in _fields(one).items() if name != "measure"}


def _verdict(one: Verdict) -> dict[str, Any]:
    return {**_fields(one), "difference": _known(one.difference, "", {})}


def _mean(figure: Estimate | Unknown) -> float | Unknown:
    return figure if isinstance(figure, Unknown) else figure.mean


def _known(figure: Any, path: str, unknown: dict[str, str]) -> Any:
    """A figure as JSON has it. What is not known becomes null, and its reason is noted under its path."""
    match figure:
        case Unknown(reason):
            unknown[path] = reason
            return None
        case Decimal():
            return plain_dollars(figure)
        case Amount() | Estimate():
            return {name: _known(getattr(figure, name), path, unknown) for name in ("mean", "low", "high")}
        case Mapping():
            return {name: _known(value, f"{path}.{name}".lstrip("."), unknown) for name, value in figure.items()}
        case _:
            return figure


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
