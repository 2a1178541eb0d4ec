"""The report as a table for spreadsheets: one line for each candidate and segment, and their verdicts beside. Pure.

Columns are only added, at the end. Of figures with an interval there are three columns, the last two ending in `_low`
and `_high`. What is not known is empty; money is in US dollars, durations in seconds, rates and changes are shares.
A dimension that a segment has no value for is empty, as where it is not broken down by it; `segment` tells these apart:
"overall", "others", or the dimensions that it is of, separated by commas. A cell that a spreadsheet would take for a
formula begins with an apostrophe. What was odd about answers is counted overall, not by segment.
"""

import csv
import io
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from shadow.exchange import PRIMARY
from shadow.report.comparison import Report, SegmentComparison
from shadow.report.costs import Amount
from shadow.report.estimates import Estimate, Unknown
from shadow.report.layout import plain_dollars
from shadow.report.oddities import counted
from shadow.report.totals import AGREEMENT, DIMENSIONS, QUANTILES, SIDES, Dimension
from shadow.report.verdicts import Verdict
from shadow.spreadsheet import inert

MEASURES: Final = ("cost", "ttft_p95", "error_rate", *AGREEMENT)

Cells = dict[str, object]


def render(report: Report) -> str:
    """The table with its heading, lines ending as RFC 4180 has it."""
    out = io.StringIO()
    rows = list(_rows(report))
    heading = list(rows[0]) if rows else ["candidate"]
    writer = csv.DictWriter(out, heading)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _rows(report: Report) -> Iterator[dict[str, str]]:
    for comparison in report.candidates:
        odd = {
            f"{arm}_anomalies": _odd(report, name) for arm, name in zip(SIDES, (PRIMARY, comparison.arm), strict=True)
        }
        yield _row(comparison.arm, (), comparison.overall) | odd
        for table in comparison.tables:
            for one in table.segments:
                yield _row(comparison.arm, table.dimensions, one) | dict.fromkeys(odd, "")


def _row(arm: str, dimensions: tuple[Dimension, ...], one: SegmentComparison) -> dict[str, str]:
    named = isinstance(one.segment, tuple)
    values = dict(zip(dimensions, one.segment, strict=True)) if isinstance(one.segment, tuple) else {}
    cells: Cells = {"candidate": arm, "segment": ",".join(dimensions) if named else one.segment or "overall"}
    cells |= {dimension: values.get(dimension) for dimension in DIMENSIONS}
    cells |= {"verdict": one.verdict, **_counts(one), **_costs(one), **_latencies(one), **_errors(one)}
    cells |= _answers(one)
    verdicts = {verdict.measure: verdict for verdict in one.verdicts}
    for measure in MEASURES:
        cells |= _verdict(measure, verdicts.get(measure))
    return {name: _text(value) for name, value in cells.items()}


def _odd(report: Report, arm: str) -> str:
    """How many answers were odd in which way, as `word count, …`."""
    return ", ".join(f"{word} {count}" for word, count in counted(report, arm).items())


def _counts(one: SegmentComparison) -> Cells:
    coverage = one.coverage
    names = ("exchanges", "unconsidered", "ineligible", "eligible", "sampled_out", "drawn")
    ends = ("withheld", "dropped", "pending", "failed", "completed", "pairs")
    return {name: getattr(coverage, name) for name in (*names, *ends)}


def _costs(one: SegmentComparison) -> Cells:
    cost = one.cost
    cells: Cells = {
        "cost_pairs": cost.pairs,
        "primary_usd": cost.primary_usd,
        "candidate_usd": cost.candidate_usd,
    }
    cells |= _three("change", cost.change) | _three("uncached_change", one.uncached.change)
    return cells | _three("monthly_usd", cost.monthly_usd)


def _latencies(one: SegmentComparison) -> Cells:
    cells: Cells = {}
    for name in ("ttft", "total", "tpot"):
        latency = getattr(one, name)
        for side in SIDES:
            for share, found in zip(QUANTILES, getattr(latency, side), strict=True):
                cells |= _three(f"{side}_{name}_p{share * 100:.0f}_s", found)
        cells |= _three(f"{name}_difference_s", latency.mean_difference_s)
    return cells


def _errors(one: SegmentComparison) -> Cells:
    cells: Cells = {}
    for side, errors in zip(SIDES, (one.primary_errors, one.candidate_errors), strict=True):
        cells |= {f"{side}_errors": errors.errors, f"{side}_calls": errors.calls}
        cells |= _three(f"{side}_error_rate", errors.rate) | _three(f"{side}_availability", errors.availability)
    return cells


def _answers(one: SegmentComparison) -> Cells:
    found = {disagreement.measure: disagreement for disagreement in one.disagreements}
    cells: Cells = {}
    for measure in AGREEMENT:
        disagreement = found.get(measure)
        cells[f"{measure}_pairs"] = disagreement.pairs if disagreement else 0
        cells |= _three(f"{measure}_share", disagreement.candidate if disagreement else None)
        cells |= _three(f"{measure}_excess", disagreement.excess if disagreement else None)
    return cells


def _verdict(measure: str, verdict: Verdict | None) -> Cells:
    return {
        f"{measure}_verdict": verdict.word if verdict else None,
        f"{measure}_more_pairs": verdict.more_pairs if verdict else None,
    }


def _three(name: str, figure: Estimate | Amount | Unknown | None) -> Cells:
    if figure is None or isinstance(figure, Unknown):
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    return {name: figure.mean, f"{name}_low": figure.low, f"{name}_high": figure.high}


def _text(value: object) -> str:
    match value:
        case None | Unknown():
            return ""
        case Decimal():
            return plain_dollars(value)
        case float():
            return f"{value:.6g}"
    return inert(str(value))
