"""The page: a report, or an inventory, in one HTML document that loads nothing. Pure.

Templates escape whatever they are given; only the charts are markup already, and Vega escapes what stands in them. The
policy in the head lets nothing run and nothing be fetched, whatever a name holds: it knows the one style by its hash.
"""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from shadow.inventory.document import Column as InventoryColumn
from shadow.inventory.document import Document, Value
from shadow.inventory.wording import NONE_YET, period, shown
from shadow.page import charts, examples
from shadow.page.headline import Headline, headlines, in_one_sentence
from shadow.page.ranking import SHOWN, Ranking, State, rankings
from shadow.page.waterfall import Step, waterfall
from shadow.report import overall, text
from shadow.report.comparison import Comparison, Report, Table
from shadow.report.estimates import Estimate, Unknown
from shadow.report.examples import Example
from shadow.report.figures import Figures, whole
from shadow.report.judgement import rows_of, takes
from shadow.report.latencies import LatencyComparison
from shadow.report.layout import Cell, count, many, safe
from shadow.report.names import BETWEEN, parts
from shadow.report.segments import COST, MONTH, SPEED, VERDICTS, Column
from shadow.report.totals import QUANTILES, Duration, Replays, Totals

TEMPLATES: Final = Path(__file__).with_name("templates")
WIDE: Final = 10_000  # columns: the browser wraps
STATES: Final = {
    State.READY: Cell("✓\N{NO-BREAK SPACE}can\N{NO-BREAK SPACE}move", "good"),
    State.WAITING: Cell("?\N{NO-BREAK SPACE}not\N{NO-BREAK SPACE}known", "faint"),
    State.WORSE: Cell("✗\N{NO-BREAK SPACE}worse", "bad"),
}
LATENCIES: Final = (("ttft", "Time to the first token"), ("total", "Time to the whole answer"))

HEADING: Final = tuple(map(Cell, ("measure", "verdict", "difference (interval)", "margin")))

Rows = Sequence[Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing with the table behind it."""

    title: str
    drawing: Markup | None
    rows: Rows


@dataclass(frozen=True, slots=True)
class Ranked:
    """The segments of one breakdown in the order in which they may move, and their costs as a chart."""

    title: str
    rows: Rows
    omitted: str
    cost: Chart
    speed: Rows
    verdicts: Rows


@dataclass(frozen=True, slots=True)
class Candidate:
    """All that is shown of one candidate."""

    name: str
    headline: Headline
    verdicts: Rows
    takes: str
    ranked: tuple[Ranked, ...]
    latencies: tuple[Chart, ...]
    comparison: Rows
    sentences: tuple[str, ...]
    excluded: Chart
    examples: tuple[examples.Shown, ...]


class Spoken(Figures):
    """Makes cells that say in words why a figure is unknown: a page has the room."""

    def unknown(self, one: Unknown) -> Cell:
        return Cell(one.reason, "faint")


def render(report: Report, totals: Totals, found: Iterable[Example] = ()) -> str:
    """The report as a page; `totals` are what it was made of, `found` examples of pairs that disagree."""
    figures, every = Spoken(), tuple(found)
    about = list(text.header(report, WIDE))
    by_arm = {one.arm: one for one in report.candidates}
    answers = headlines(report)
    return _page(
        "report.html",
        title="Shadow report",
        sentence=in_one_sentence(answers, report),
        about=about,
        candidates=[_candidate(by_arm[one.arm], one, totals, every, figures) for one in answers],
        legend=[line for line in text.legend(report, WIDE, figures) if line],
    )


def inventory(document: Document) -> str:
    """The inventory as a page."""
    return _page(
        "inventory.html",
        title="Inventory",
        about=[period(document)] if document.calls else [NONE_YET],
        sections=[
            (one, _inventory_rows(one.columns, one.rows), many(one.omitted, "smaller row") if one.omitted else "")
            for one in (document.sections if document.calls else ())
        ],
    )


def _page(template: str, **values: object) -> str:
    environment, style = _environment()
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return environment.get_template(template).render(style=Markup(style), digest=digest, **values)  # noqa: S704 (our own file)


@cache
def _environment() -> tuple[Environment, str]:
    loader = FileSystemLoader(TEMPLATES)
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, finalize=_together)
    made.trim_blocks = made.lstrip_blocks = True
    return made, (TEMPLATES / "style.css").read_text()


def _together(value: object) -> object:
    """A % stays in the line of its number, and an interval in one."""
    if type(value) is not str:  # markup is as it is to be
        return value
    return value.replace(" %", "\N{NO-BREAK SPACE}%").replace(" … ", "\N{NO-BREAK SPACE}…\N{NO-BREAK SPACE}")


def _candidate(
    comparison: Comparison, headline: Headline, totals: Totals, found: Sequence[Example], figures: Figures
) -> Candidate:
    one = comparison.overall
    compared = overall.rows(comparison, figures)
    replays = totals.overall.replays.get((comparison.arm, ()), Replays())
    return Candidate(
        safe(comparison.arm),
        headline,
        [HEADING, *rows_of(one, figures)[1:]],
        takes(one),
        tuple(
            _ranked(ranking, table, figures)
            for ranking, table in zip(rankings(comparison), comparison.tables, strict=True)
        ),
        tuple(_latency(title, getattr(replays, name), getattr(one, name), figures) for name, title in LATENCIES),
        compared,
        tuple(overall.sentences(one)),
        _excluded(waterfall(one)),
        examples.shown(found, comparison.arm),
    )


def _ranked(ranking: Ranking, table: Table, figures: Figures) -> Ranked:
    heading = [
        Cell(of) for of in ("segment", "may it move", "pairs", "change of cost *", "USD in 30 days *", "because")
    ]
    segments = ranking.segments
    figured = [(whole(one.pairs), figures.points(one.change), figures.amount(one.gain)) for one in segments]
    rows = [[Cell(one.name), STATES[one.state], *of, Cell(one.why)] for one, of in zip(segments, figured, strict=True)]
    bars = [
        charts.Bar(one.name, change.mean, change.low, change.high)
        for one in segments
        if isinstance(change := one.change, Estimate)
    ]
    by = f"by {ranking.dimensions}"
    omitted = (
        f"{many(ranking.omitted, 'more segment')} after these: `--format json` has them." if ranking.omitted else ""
    )
    drawing = charts.intervals(bars) if bars else ""
    return Ranked(
        by,
        [heading, *rows],
        omitted,
        Chart(f"Change of cost {by}", _markup(drawing), _segments(table, (*COST, MONTH), figures)),
        _segments(table, SPEED, figures),
        _segments(table, VERDICTS, figures),
    )


def _segments(table: Table, chosen: Sequence[Column], figures: Figures) -> Rows:
    """The largest segments of a breakdown, in so many columns."""
    rows = [[Cell("segment"), *(Cell(name) for name, _ in chosen)]]
    for one in table.segments[:SHOWN]:
        name = BETWEEN.join(parts(one.segment, table.dimensions, table.merged))
        rows.append([Cell(name), *(cell(one, figures) for _, cell in chosen)])
    return rows


def _latency(title: str, measured: Duration, compared: LatencyComparison, figures: Figures) -> Chart:
    """How long both arms took; the table has the quantiles with their intervals."""
    rows = [[Cell("quantile"), Cell("primary, s"), Cell("candidate, s"), Cell("between (95 %)")]]
    for at, share in enumerate(QUANTILES):
        primary, candidate = compared.primary[at], compared.candidate[at]
        rows.append(
            [
                Cell(f"p{share * 100:.0f}"),
                figures.seconds(primary),
                figures.seconds(candidate),
                figures.between(primary, candidate),
            ]
        )
    rows.append([Cell("mean difference"), Cell(""), Cell(""), figures.difference(compared.mean_difference_s)])
    drawn = measured.moments.pairs > 1 and measured.primary and measured.candidate
    drawing = charts.distributions(measured.primary, measured.candidate) if drawn else ""
    return Chart(f"{title}, {many(compared.pairs, 'pair')}", _markup(drawing), rows)


def _excluded(steps: Sequence[Step]) -> Chart:
    rows = [[Cell(of) for of in ("step", "left out", "remain", "meaning", "reasons")]]
    rows += [
        [
            Cell(one.name),
            Cell(count(one.lost) if one.lost else ""),
            whole(one.left),
            Cell(one.meaning),
            Cell(one.reasons),
        ]
        for one in steps
    ]
    return Chart("From exchanges to pairs", _markup(charts.steps(steps) if steps[0].left else ""), rows)


def _markup(drawing: str) -> Markup | None:
    return Markup(drawing) if drawing else None  # noqa: S704 (drawn by Vega, which escapes)


def _inventory_rows(columns: Sequence[InventoryColumn], rows: Sequence[Sequence[Value]]) -> Rows:
    heading = [Cell(column.heading) for column in columns]
    cells = [[Cell(shown(value, column.kind)) for value, column in zip(row, columns, strict=True)] for row in rows]
    return [heading, *cells]
