"""The segments of a candidate as three tables: cost, speed and errors, coverage. Pure."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from shadow.report.comparison import SegmentComparison, Table
from shadow.report.figures import Figures, whole
from shadow.report.layout import GAP, Cell, Paint, columns, count, safe, table

SHOWN: Final = 25  # a screen; the rest is in the JSON
NAME_LEAST: Final = 12
PART_LEAST: Final = 4  # of one value of a combination
BETWEEN: Final = " · "

Column = tuple[str, Callable[[SegmentComparison, Figures], Cell]]

COST: Final[tuple[Column, ...]] = (
    ("pairs", lambda one, _: whole(one.cost.pairs)),
    ("primary", lambda one, figures: figures.dollars(one.cost.primary_usd)),
    ("candidate", lambda one, figures: figures.dollars(one.cost.candidate_usd)),
    ("change *", lambda one, figures: figures.change(one.cost)),
    ("uncached *", lambda one, figures: figures.change(one.uncached)),
    ("USD in 30 days *", lambda one, figures: figures.amount(one.cost.monthly_usd)),
)
SPEED: Final[tuple[Column, ...]] = (
    ("first p50 *", lambda one, figures: figures.shift(one.ttft, 0)),
    ("first p90 *", lambda one, figures: figures.shift(one.ttft, 1)),
    ("whole p50 *", lambda one, figures: figures.shift(one.total, 0)),
    ("whole p90 *", lambda one, figures: figures.shift(one.total, 1)),
    ("errors", lambda one, figures: figures.rates(one.primary_errors, one.candidate_errors)),
)
COVERAGE: Final[tuple[Column, ...]] = (
    ("exchanges", lambda one, _: whole(one.coverage.exchanges)),
    ("eligible", lambda one, _: whole(one.coverage.eligible)),
    ("drawn", lambda one, _: whole(one.coverage.drawn)),
    ("withheld", lambda one, _: whole(one.coverage.withheld)),
    ("dropped", lambda one, _: whole(one.coverage.dropped)),
    ("failed", lambda one, _: whole(one.coverage.failed)),
    ("pairs", lambda one, _: whole(one.coverage.pairs)),
    ("cost known", lambda one, _: whole(one.cost.pairs)),
)
RARE: Final = frozenset({"withheld", "dropped", "failed"})  # a column of zeros is left out
TABLES: Final = (
    ("cost, USD", COST),
    ("seconds to the first token and whole answer; errors", SPEED),
    ("coverage", COVERAGE),
)


def by_segment(arm: str, breakdown: Table, width: int, paint: Paint, figures: Figures) -> Iterator[str]:
    """The lines of one breakdown."""
    by = ", ".join(breakdown.dimensions)
    for what, chosen in TABLES:
        yield ""
        yield paint(f"{safe(arm)} by {by}: {what}", "title")
        yield from _lines(breakdown, chosen, width, paint, figures)
    if (more := len(breakdown.segments) - SHOWN) > 0:
        yield f"  … and {count(more)} more, each with fewer exchanges: see the JSON"


def _lines(breakdown: Table, chosen: Sequence[Column], width: int, paint: Paint, figures: Figures) -> list[str]:
    shown = breakdown.segments[:SHOWN]
    chosen = [
        column
        for column in chosen
        if column[0] not in RARE or any(column[1](one, figures).text != "0" for one in shown)
    ]
    cells = [[Cell(heading, "faint") for heading, _ in chosen]]
    cells += [[cell(one, figures) for _, cell in chosen] for one in shown]
    taken = sum(max(columns(row[at].text) for row in cells) + len(GAP) for at in range(len(chosen)))
    room = max(width - taken - len(GAP), NAME_LEAST)
    names = [Cell(""), *(_name(one, breakdown.merged, room) for one in shown)]
    return table([[name, *row] for name, row in zip(names, cells, strict=True)], paint)


def _name(one: SegmentComparison, merged: int, room: int) -> Cell:
    """A segment's values; where they need more than the room, the longest are cut."""
    if not isinstance(one.segment, tuple):
        return Cell(f"{count(merged)} others", "faint")
    for limit in range(room, PART_LEAST - 1, -1):
        name = BETWEEN.join("(none)" if value is None else safe(value, limit) for value in one.segment)
        if columns(name) <= room:
            break
    return Cell(name)
