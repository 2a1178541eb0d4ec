"""One candidate beside the primary over the whole scope: cost, speed, errors, coverage. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from shadow.report.comparison import Comparison, SegmentComparison
from shadow.report.costs import CostComparison
from shadow.report.coverage import ORDER, Coverage
from shadow.report.estimates import Unknown
from shadow.report.figures import NONE, Figures
from shadow.report.judgement import NAMES, judgement
from shadow.report.latencies import LatencyComparison
from shadow.report.layout import Cell, Paint, columns, count, dollars, many, painter, safe, table, wrapped
from shadow.report.totals import QUANTILES

ARM_MOST: Final = 12  # of a candidate's name at the head of a column: the title has it in full


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the comparison. A `difference` may be long: it is the last, and may take a line of its own."""

    label: Cell
    primary: Cell = NONE
    candidate: Cell = NONE
    change: Cell = NONE
    difference: Cell = NONE


def overall(comparison: Comparison, width: int, paint: Paint, figures: Figures) -> Iterator[str]:
    """The lines of a candidate's own block."""
    one = comparison.overall
    yield paint(f"{safe(comparison.arm)} beside the primary", "title")
    yield from fitted(rows(comparison, figures), width, paint)
    yield ""
    yield from judgement(one, width, paint, figures)
    yield ""
    for line in sentences(one):
        yield from wrapped(line, width, "  ", "    ")


def rows(comparison: Comparison, figures: Figures) -> list[list[Cell]]:
    """The comparison as a table, below a heading."""
    return headed(comparison.arm, _rows(comparison.overall, figures))


def headed(arm: str, every: Iterable[Row]) -> list[list[Cell]]:
    """Rows below their heading."""
    heads = Row(*(Cell(head, "faint") for head in ("", "primary", safe(arm, ARM_MOST), "change", "difference (95 %)")))
    return [[row.label, row.primary, row.candidate, row.change, row.difference] for row in (heads, *every)]


def sentences(one: SegmentComparison) -> list[str]:
    """What the table is over, and what it is not."""
    return [*counted(one), *because(one.coverage)]


def counted(one: SegmentComparison) -> list[str]:
    """What was counted: errors, every exchange, and what no pair speaks for."""
    return [line for line in (_errors(one), _accounted(one.coverage), _unprojected(one)) if line]


def because(coverage: Coverage) -> Iterator[str]:
    """Why exchanges ended as they did, outcome by outcome."""
    for outcome in ORDER:
        reasons = [f"{reason} {count(number)}" for of, reason, number in coverage.reasons if of == outcome]
        if reasons:
            yield f"{outcome}: {', '.join(reasons)}"


def fitted(cells: list[list[Cell]], width: int, paint: Paint) -> Iterator[str]:
    """All in one line each; where that is too wide, intervals in a second line under their figure."""
    if max(map(columns, table(cells, painter(False)))) <= width:
        yield from table(cells, paint)
        return
    styles = [row[-1].style for row in cells]
    parts = [row[-1].text.partition(" (") for row in cells]
    for line, (figure, _, _) in zip(cells, parts, strict=True):
        line[-1] = Cell(figure, line[-1].style)
    right = max(map(columns, table(cells, painter(False))))
    for style, shown, (_, bracket, interval) in zip(styles, table(cells, paint), parts, strict=True):
        yield shown
        if bracket:
            below = f"({interval}"
            yield " " * (right - columns(below)) + paint(below, style)


def _rows(one: SegmentComparison, figures: Figures) -> Iterator[Row]:
    yield Row(Cell("cost, USD"))
    yield from _cost(one.cost, figures)
    if one.uncached == one.cost:
        yield Row(Cell("uncached: the same"))
    else:
        yield Row(Cell("uncached, USD"))
        yield from _cost(one.uncached, figures)
    yield from _latency("first token, s", one.ttft, figures)
    yield from _latency("whole answer, s", one.total, figures)
    if one.tpot.pairs:
        yield from _latency("a token, s", one.tpot, figures)
    yield Row(Cell("errors"))
    yield rate("  rate †", one, figures)
    yield Row(
        Cell("  available †"), *(figures.share(of.availability) for of in (one.primary_errors, one.candidate_errors))
    )
    yield from _differing(one, figures)


def rate(label: str, one: SegmentComparison, figures: Figures) -> Row:
    """The error rates of both arms."""
    primary, candidate = figures.share(one.primary_errors.rate), figures.share(one.candidate_errors.rate)
    return Row(Cell(label), primary, candidate, difference=figures.points(one.more_errors))


def _differing(one: SegmentComparison, figures: Figures) -> Iterator[Row]:
    """How often answers differ: beside the noise, the candidate's, and what is above it."""
    if one.disagreements:
        yield Row(Cell("answers that differ ‡"))
    for found in one.disagreements:
        floor = found.control if found.floor == "control" else found.primary
        noise = NONE if floor is None else figures.share(floor)
        yield Row(
            Cell(f"  {NAMES[found.measure]}"), noise, figures.share(found.candidate), NONE, figures.points(found.excess)
        )


def _cost(cost: CostComparison, figures: Figures) -> Iterator[Row]:
    yield paid(cost, figures)
    thousand = figures.amount(cost.mean_difference_usd, 1000)
    yield Row(Cell("  per 1,000 exchanges *"), change=figures.change(cost), difference=thousand)
    yield Row(Cell("  all eligible, this period *"), difference=figures.amount(cost.projected_usd))
    yield in_a_month(cost, figures)


def paid(cost: CostComparison, figures: Figures) -> Row:
    """The sums over pairs."""
    pairs = "this pair" if cost.pairs == 1 else f"these {many(cost.pairs, 'pair')}" if cost.pairs else "no pairs"
    sums = figures.dollars(cost.primary_usd), figures.dollars(cost.candidate_usd), figures.ratio(cost)
    return Row(Cell(f"  {pairs}"), *sums, figures.dollars(cost.difference_usd))


def in_a_month(cost: CostComparison, figures: Figures) -> Row:
    """What a move would change in thirty days."""
    return Row(Cell("  all eligible, 30 days *"), difference=figures.amount(cost.monthly_usd))


def _latency(name: str, latency: LatencyComparison, figures: Figures) -> Iterator[Row]:
    """The median in any case, of the other quantiles those that are known."""
    yield Row(Cell(f"{name}: {many(latency.pairs, 'pair')}"))
    for at, share in enumerate(QUANTILES):
        primary, candidate = latency.primary[at], latency.candidate[at]
        if at == 0 or not (isinstance(primary, Unknown) and isinstance(candidate, Unknown)):
            between = figures.between(primary, candidate)
            yield Row(
                Cell(f"  p{share * 100:.0f} *"), figures.seconds(primary), figures.seconds(candidate), NONE, between
            )
    yield Row(Cell("  mean *"), difference=figures.difference(latency.mean_difference_s))


def _errors(one: SegmentComparison) -> str:
    primary, candidate = one.primary_errors, one.candidate_errors
    said = f"Errors: {count(primary.errors)} of {many(primary.calls, 'model call')} at the primary"
    said += f" ({count(primary.aside)} cancelled ones apart), "
    said += f"{count(candidate.errors)} of {many(candidate.calls, 'replay')}"
    said += f" ({count(candidate.aside)} apart that failed for the sidecar's own sake). " if candidate.aside else ". "
    if candidate.untried:
        said += f"{count(candidate.untried)} more were not tried because it was failing. "
    for arm, errors in (("primary", primary), ("candidate", candidate)):
        if errors.faults:
            said += f"At the {arm} by fault: {', '.join(f'{one.fault} {count(one.errors)}' for one in errors.faults)}. "
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


def _unprojected(one: SegmentComparison) -> str:
    """What no pair speaks for, and what is at stake in it."""
    apart = one.unprojected
    if not apart.exchanges:
        return ""
    cost = "of unknown cost" if isinstance(apart.primary_usd, Unknown) else f"{dollars(apart.primary_usd)} USD"
    return f"Not projected, for they could not be drawn: {many(apart.exchanges, 'exchange')}, {cost} at the primary."
