"""One candidate on half a screen: its verdict and what holds it back, the main figures, errors, coverage. Pure.

`shadow.report.overall` has all of it.
"""

from collections.abc import Iterator

from shadow.report.comparison import Comparison, SegmentComparison
from shadow.report.figures import Figures
from shadow.report.judgement import rows_of, takes, unjudged
from shadow.report.latencies import LatencyComparison
from shadow.report.layout import Cell, Paint, safe, table, wrapped
from shadow.report.overall import Row, because, counted, fitted, headed, in_a_month, paid, rate


def brief(comparison: Comparison, width: int, paint: Paint, figures: Figures) -> Iterator[str]:
    """The lines of a candidate's own block."""
    one = comparison.overall
    yield paint(f"{safe(comparison.arm)} beside the primary: {one.verdict}", "title")
    judged = rows_of(one, figures, known=True)
    if len(judged) > 1:
        yield from table(judged, paint, left=2)
    for line in (unjudged(one), takes(one)):
        yield from wrapped(line, width, "  ", "    ")
    yield ""
    yield from fitted(headed(comparison.arm, _rows(one, figures)), width, paint)
    yield ""
    reasons = [f"{'; '.join(because(one.coverage))}."] if one.coverage.reasons else []
    for line in (*counted(one), *reasons):
        yield from wrapped(line, width, "  ", "    ")


def _rows(one: SegmentComparison, figures: Figures) -> Iterator[Row]:
    yield Row(Cell("cost, USD"))
    yield paid(one.cost, figures)
    yield Row(Cell("  all eligible *"), change=figures.change(one.cost))
    if one.uncached != one.cost:
        yield Row(Cell("  the same, uncached *"), change=figures.change(one.uncached))
    yield in_a_month(one.cost, figures)
    yield _median("first token p50, s *", one.ttft, figures)
    yield _median("whole answer p50, s *", one.total, figures)
    yield rate("error rate †", one, figures)


def _median(label: str, latency: LatencyComparison, figures: Figures) -> Row:
    """The medians of both arms; the difference is that of the means."""
    primary, candidate = map(figures.seconds, latency.at(0.5))
    return Row(Cell(label), primary, candidate, difference=figures.difference(latency.mean_difference_s))
