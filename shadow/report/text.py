"""The report for people, in a terminal or a pipe. Pure: the width and whether to use colours are arguments.

First what a move would change, one line for each candidate; then each candidate in full, then its segments.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from shadow.report.comparison import (
    DAY_S,
    ORDER,
    Comparison,
    CostComparison,
    Coverage,
    LatencyComparison,
    Report,
    SegmentComparison,
)
from shadow.report.estimates import QUANTILES, Unknown
from shadow.report.figures import NONE, Figures, whole
from shadow.report.layout import Cell, Paint, count, dollars, duration, many, painter, percent, safe, table, wrapped
from shadow.report.segments import by_segment
from shadow.report.totals import Scope, Traffic

WIDTH_LEAST: Final = 80  # narrower, and columns of numbers no longer stand side by side
ARM_MOST: Final = 16  # of a candidate's name at the head of a line or a column: the numbers need the room

LEGEND: Final = """Sums and counts are exact: sums over pairs hold what both arms cost for the very same requests.
Figures with * are estimates for the traffic: each pair counts for as many exchanges as its chance of being drawn says,
and brackets hold a 95 % interval. Uncached means every prompt token at its uncached price, so that a warm cache is not
taken for a saving. An error is a model call without a whole, good answer; at a candidate, a replay that failed. What
failed at the primary is never replayed, so the two error rates are over different requests."""


def render(report: Report, width: int = 100, colour: bool = False) -> str:
    """The report in lines of about `width` columns, with a newline at the end."""
    width, paint, figures = max(width, WIDTH_LEAST), painter(colour), Figures()
    lines = [*_header(report, width, paint)]
    if report.candidates:
        lines += ["", *_glance(report, paint, figures)]
    for comparison in report.candidates:
        lines += ["", *_overall(comparison, width, paint, figures)]
        for one in comparison.tables:
            lines += by_segment(comparison.arm, one, width, paint, figures)
    if report.candidates:
        lines += ["", *wrapped(LEGEND, width)]
        if figures.reasons:
            lines += wrapped(f"— is unknown or too thin: {figures.legend()}.", width)
    return "\n".join(lines) + "\n"


def _header(report: Report, width: int, paint: Paint) -> Iterator[str]:
    if report.first_at is None or report.last_at is None:
        yield paint("Shadow report", "title")
        yield from wrapped(_restriction(report.scope), width)
        yield "No exchanges: nothing was recorded in this period, or nothing that these conditions let through."
        return
    days = report.length_s / DAY_S
    length = f"{days:.1f} days" if days >= 1 else f"{duration(report.length_s)} seconds"
    yield paint("Shadow report", "title") + f"  {_minute(report.first_at)} → {_minute(report.last_at)} UTC, {length}"
    yield from wrapped(_restriction(report.scope), width)
    yield from wrapped(_carried(report), width)
    if not report.candidates:
        whom, which = (f" to {safe(report.scope.candidate)}", "such ") if report.scope.candidate else ("", "")
        yield f"No replays{whom}: no {which}candidate was configured while these exchanges were recorded."


def _restriction(scope: Scope) -> str:
    said = [f"{dimension} = {safe(value) if value else '(none)'}" for dimension, value in scope.where]
    said += [f"since {_minute(scope.since)} UTC"] if scope.since else []
    said += [f"until {_minute(scope.until)} UTC"] if scope.until else []
    return f"Only exchanges with {', '.join(said)}." if said else ""


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"


def _carried(report: Report) -> str:
    """What the primary carried, and what of it is not known."""
    traffic = report.traffic
    shares = (("answered", traffic.answered), ("errors", traffic.errors), ("cancelled", traffic.cancelled))
    ends = ", ".join(f"{count(number)} {what}{_share(number, traffic.calls)}" for what, number in shares)
    said = f"{many(traffic.exchanges, 'exchange')}, {count(traffic.calls)} of them model calls: {ends}. "
    if isinstance(report.spent_usd, Unknown):
        return f"{said}What they cost is not known. {_gaps(traffic)}"
    return f"{said}Those of known cost came to {dollars(report.spent_usd)} USD. {_gaps(traffic)}"


def _gaps(traffic: Traffic) -> str:
    gaps = (("the cost", traffic.cost_unknown), ("the tenant", traffic.no_tenant), ("the feature", traffic.no_feature))
    said = [f"{what} of {count(number)}{_share(number, traffic.calls)}" for what, number in gaps if number]
    return f"Not known: {', '.join(said)}." if said else "Cost, tenant and feature of every call are known."


def _share(number: int, of: int) -> str:
    return f" ({percent(number / of)})" if number and of else ""


def _glance(report: Report, paint: Paint, figures: Figures) -> Iterator[str]:
    yield paint("If all eligible traffic moved", "title") + "  (seconds are medians)"
    heads = ("", "pairs", "cost *", "USD in 30 days *", "first token, s *", "whole answer, s *", "errors")
    rows = [[Cell(head, "faint") for head in heads]]
    for comparison in report.candidates:
        one = comparison.overall
        rows.append(
            [
                Cell(safe(comparison.arm, ARM_MOST), "title"),
                whole(one.coverage.pairs),
                figures.change(one.cost),
                figures.amount(one.cost.monthly_usd, interval=False),
                figures.shift(one.ttft, 0),
                figures.shift(one.total, 0),
                figures.rates(one.primary_errors, one.candidate_errors),
            ]
        )
    yield from table(rows, paint)


def _overall(comparison: Comparison, width: int, paint: Paint, figures: Figures) -> Iterator[str]:
    one = comparison.overall
    yield paint(f"{safe(comparison.arm)} beside the primary", "title")
    heads = ("", "", "primary", safe(comparison.arm, ARM_MOST), "change", "difference (95 %)", "pairs")
    rows = [[Cell(head, "faint") for head in heads]]
    rows += _cost_rows("cost, USD", one.cost, figures)
    rows += _cost_rows("uncached, USD", one.uncached, figures)
    rows += _latency_rows("first token, s", one.ttft, figures)
    rows += _latency_rows("whole answer, s", one.total, figures)
    rows.append(
        [
            Cell("errors"),
            Cell("rate"),
            figures.rate(one.primary_errors),
            figures.rate(one.candidate_errors),
            NONE,
            NONE,
            NONE,
        ]
    )
    yield from table(rows, paint, left=2)
    yield ""
    for line in (_counted(one), _accounted(one.coverage), *_because(one.coverage)):
        yield from wrapped(line, width, "  ", "    ")


def _cost_rows(name: str, cost: CostComparison, figures: Figures) -> list[list[Cell]]:
    sums = [figures.dollars(cost.primary_usd), figures.dollars(cost.candidate_usd), figures.ratio(cost)]
    difference = figures.dollars(cost.difference_usd)
    thousand = figures.amount(cost.mean_difference_usd, 1000)
    return [
        [Cell(name), Cell("sum over pairs"), *sums, difference, whole(cost.pairs)],
        [NONE, Cell("1,000 exchanges *"), NONE, NONE, figures.change(cost), thousand, NONE],
        [NONE, Cell("this period *"), NONE, NONE, NONE, figures.amount(cost.projected_usd), NONE],
        [NONE, Cell("30 days *"), NONE, NONE, NONE, figures.amount(cost.monthly_usd), NONE],
    ]


def _latency_rows(name: str, latency: LatencyComparison, figures: Figures) -> list[list[Cell]]:
    rows = []
    for at, share in enumerate(QUANTILES):
        primary, candidate = figures.seconds(latency.primary[at]), figures.seconds(latency.candidate[at])
        pairs = NONE if at else whole(latency.pairs)
        rows.append([NONE if at else Cell(name), Cell(f"p{share * 100:.0f} *"), primary, candidate, NONE, NONE, pairs])
    rows.append([NONE, Cell("mean *"), NONE, NONE, NONE, figures.difference(latency.mean_difference_s), NONE])
    return rows


def _counted(one: SegmentComparison) -> str:
    primary, candidate = one.primary_errors, one.candidate_errors
    said = f"Errors: {count(primary.errors)} of {many(primary.calls, 'model call')} at the primary"
    said += f" ({count(primary.aside)} cancelled ones apart), "
    said += f"{count(candidate.errors)} of {many(candidate.calls, 'replay')}"
    said += f" ({count(candidate.aside)} apart that failed for the sidecar's own sake). " if candidate.aside else ". "
    if one.cost.excluded:
        said += f"Of unknown cost, in neither sum: {many(one.cost.excluded, 'pair')} "
        said += (
            f"({count(one.primary_cost_unknown)} at the primary, {count(one.candidate_cost_unknown)} at the candidate)."
        )
    return said


def _accounted(coverage: Coverage) -> str:
    """Every exchange, once."""
    drawn = ", ".join(
        f"{count(number)} {what}"
        for what, number in (
            ("withheld", coverage.withheld),
            ("dropped", coverage.dropped),
            ("pending", coverage.pending),
            ("failed", coverage.failed),
            ("completed", coverage.completed),
        )
        if number or what == "completed"
    )
    before = f"{count(coverage.unconsidered)} before the candidate was configured, " if coverage.unconsidered else ""
    return (
        f"Coverage: {many(coverage.exchanges, 'exchange')} = {before}{count(coverage.ineligible)} ineligible, "
        f"{count(coverage.eligible)} eligible; of these {count(coverage.sampled_out)} not drawn, "
        f"{count(coverage.drawn)} drawn = {drawn}; {many(coverage.pairs, 'pair')}."
    )


def _because(coverage: Coverage) -> Iterator[str]:
    for outcome in ORDER:
        because = [f"{reason} {count(number)}" for of, reason, number in coverage.reasons if of == outcome]
        if because:
            yield f"{outcome}: {', '.join(because)}"
