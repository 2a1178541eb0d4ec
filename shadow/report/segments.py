"""What is broken down, as tables: the primary's traffic; a candidate's cost, speed and errors, coverage. Pure."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from shadow.report.accounts import Account, Carried
from shadow.report.comparison import SegmentComparison, Table
from shadow.report.estimates import Unknown
from shadow.report.figures import Figures, share, whole
from shadow.report.judgement import STYLES, needs
from shadow.report.layout import GAP, INDENT, Cell, Paint, columns, count, safe, short, table, wrapped
from shadow.report.names import BETWEEN, parts
from shadow.report.totals import AGREEMENT
from shadow.report.verdicts import Word, word

SHOWN: Final = 25  # a screen; the rest is in the JSON
PART_LEAST: Final = 4  # of one value of a combination that is wider than the screen

Column = tuple[str, Callable[[SegmentComparison, Figures], Cell]]

COST: Final[tuple[Column, ...]] = (
    ("pairs", lambda one, _: whole(one.cost.pairs)),
    ("primary", lambda one, figures: figures.dollars(one.cost.primary_usd)),
    ("candidate", lambda one, figures: figures.dollars(one.cost.candidate_usd)),
    ("change *", lambda one, figures: figures.change(one.cost)),
)
UNCACHED: Final[Column] = ("uncached *", lambda one, figures: figures.change(one.uncached))
MONTH: Final[Column] = ("in 30 days *", lambda one, figures: figures.amount(one.cost.monthly_usd))
MONTH_NARROW: Final[Column] = (
    "in 30 days *",
    lambda one, figures: figures.amount(one.cost.monthly_usd, interval=False),
)
SPEED: Final[tuple[Column, ...]] = (
    ("first p50 *", lambda one, figures: figures.shift(one.ttft, 0.5)),
    ("first p90 *", lambda one, figures: figures.shift(one.ttft, 0.9)),
    ("whole p50 *", lambda one, figures: figures.shift(one.total, 0.5)),
    ("whole p90 *", lambda one, figures: figures.shift(one.total, 0.9)),
    ("errors †", lambda one, figures: figures.rates(one.primary_errors, one.candidate_errors)),
)
VERDICTS: Final[tuple[Column, ...]] = (
    ("all", lambda one, _: Cell(one.verdict, STYLES[one.verdict])),
    ("cost", lambda one, _: _word(one, ("cost",))),
    ("first p95", lambda one, _: _word(one, ("ttft_p95",))),
    ("errors", lambda one, _: _word(one, ("error_rate",))),
    ("answers", lambda one, _: _word(one, AGREEMENT)),
    ("more pairs", lambda one, _: Cell(_needs(one), "faint")),
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
CARRIED: Final = ("calls", "share", "cost, USD", "share", "unknown", "errors", "cancelled")
SPARE: Final = 3  # of these, where names need its room


def carried(account: Account, width: int, paint: Paint, figures: Figures) -> Iterator[str]:
    """The lines of the primary's own traffic by one breakdown; segments without a model call are left out."""
    every = [one for one in account.segments if one.traffic.calls]
    calls = sum(one.traffic.calls for one in every)
    nano = sum(one.traffic.cost_nano for one in every)
    listed = every[:SHOWN]
    yield ""
    by = ", ".join(account.dimensions)
    yield from _title(f"Traffic by {by}: calls, their cost, and how many of unknown cost", width, paint)
    cells = [[Cell(heading, "faint") for heading in CARRIED]]
    cells += [_carried(one, calls, nano, figures) for one in listed]
    names = [parts(one.segment, account.dimensions, account.merged) for one in listed]
    if any(columns(BETWEEN.join(name)) > width - _taken(cells) for name in names):
        cells = [[*row[:SPARE], *row[SPARE + 1 :]] for row in cells]
    yield from _named(names, cells, width, paint)
    yield from _more(len(every))


def by_segment(arm: str, breakdown: Table, width: int, paint: Paint, figures: Figures) -> Iterator[str]:
    """The lines of a candidate's comparison by one breakdown."""
    listed = breakdown.segments[:SHOWN]
    names = [parts(one.segment, breakdown.dimensions, breakdown.merged) for one in listed]
    for what, chosen in _tables(listed, width):
        yield ""
        yield from _title(f"{safe(arm)} by {', '.join(breakdown.dimensions)}: {what}", width, paint)
        yield from _named(names, _cells(listed, chosen, figures), width, paint)
    yield from _more(len(breakdown.segments))


def _title(text: str, width: int, paint: Paint) -> Iterator[str]:
    return (paint(line, "title") for line in wrapped(text, width))


def _carried(one: Carried, calls: int, nano: int, figures: Figures) -> list[Cell]:
    traffic = one.traffic
    return [
        whole(traffic.calls),
        share(traffic.calls, calls),
        figures.dollars(one.spent_usd),
        Cell("") if isinstance(one.spent_usd, Unknown) else share(traffic.cost_nano, nano),
        whole(traffic.cost_unknown),
        whole(traffic.errors),
        whole(traffic.cancelled),
    ]


def _tables(listed: Sequence[SegmentComparison], width: int) -> Iterator[tuple[str, Sequence[Column]]]:
    """What is said of the segments, each with its columns."""
    same = all(one.uncached == one.cost for one in listed)
    cost, what = (COST, " (uncached: the same)") if same else ((*COST, UNCACHED), "")
    fits = _taken(_cells(listed, (*cost, MONTH), Figures())) <= width
    yield f"cost of the pairs, USD, and estimated change{what}", (*cost, MONTH if fits else MONTH_NARROW)
    yield "seconds to the first token and whole answer; errors", SPEED
    plain = Figures()
    rare = {name for name, cell in COVERAGE if name in RARE and all(cell(one, plain).text == "0" for one in listed)}
    fits = _taken(_cells(listed, VERDICTS, Figures())) <= width - PART_LEAST
    yield "verdicts, and how many more pairs it takes about", VERDICTS if fits else VERDICTS[:-1]
    yield "coverage", [column for column in COVERAGE if column[0] not in rare]


def _word(one: SegmentComparison, measures: Sequence[str]) -> Cell:
    """One word for some of the measures."""
    found = tuple(verdict for verdict in one.verdicts if verdict.measure in measures)
    if not found:
        return Cell("")
    said: Word = word(found)
    return Cell(said, STYLES[said])


def _needs(one: SegmentComparison) -> str:
    """What the measure takes that takes the most."""
    waiting = [verdict for verdict in one.verdicts if verdict.more_pairs is not None]
    return needs(max(waiting, key=lambda verdict: verdict.more_pairs or 0)) if waiting else ""


def _cells(listed: Sequence[SegmentComparison], chosen: Sequence[Column], figures: Figures) -> list[list[Cell]]:
    return [
        [Cell(name, "faint") for name, _ in chosen],
        *([cell(one, figures) for _, cell in chosen] for one in listed),
    ]


def _taken(cells: Sequence[Sequence[Cell]]) -> int:
    """The columns that numbers take, with the gaps before them."""
    widths = [max(columns(row[at].text) for row in cells) for at in range(len(cells[0]))]
    return len(INDENT) + sum(width + len(GAP) for width in widths)


def _named(names: Sequence[list[str]], cells: Sequence[Sequence[Cell]], width: int, paint: Paint) -> Iterator[str]:
    """Names before their numbers. One that needs more room than these leave stands in a line of its own above them."""
    room = width - _taken(cells)
    beside = [name if columns(name) <= room else "" for name in map(BETWEEN.join, names)]
    rows = [[Cell(name), *row] for name, row in zip(["", *beside], cells, strict=True)]
    heading, *lines = table(rows, paint)
    yield heading
    for name, inside, line in zip(names, beside, lines, strict=True):
        if not inside:
            yield INDENT + _cut(name, width - len(INDENT))
        yield line


def _cut(parts: Sequence[str], room: int) -> str:
    """A combination; where it is wider than the room, the longest of its values are cut."""
    limit = max(room, PART_LEAST)
    while columns(name := BETWEEN.join(short(part, limit) for part in parts)) > room and limit > PART_LEAST:
        limit -= 1
    return name


def _more(segments: int) -> Iterator[str]:
    if (more := segments - SHOWN) > 0:
        yield f"  … and {count(more)} more, each with fewer exchanges: see the JSON"
