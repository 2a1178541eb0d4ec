"""The report as Markdown, to paste into an issue or a page. Pure.

Names come from outside: what Markdown or HTML would take for markup is escaped.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from shadow.report import overall, text
from shadow.report.comparison import Comparison, Report, Table
from shadow.report.figures import Figures
from shadow.report.judgement import in_short, rows_of, takes
from shadow.report.layout import Cell
from shadow.report.names import BETWEEN, parts
from shadow.report.segments import COST, COVERAGE, MONTH, SPEED, VERDICTS, Column

MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>()#|~&!])")
WIDE: Final = 10_000  # columns: nothing is wrapped or left out, whoever reads it has a browser


def render(report: Report) -> str:
    """The report, with a newline at the end."""
    figures = Figures()
    lines = [f"# {escaped(next(text.header(report, WIDE)))}", ""]
    lines += [f"{escaped(line)}\n" for line in list(text.header(report, WIDE))[1:]]
    if report.candidates:
        lines += [f"- {escaped(in_short(one))}" for one in report.candidates]
    for comparison in report.candidates:
        lines += _candidate(comparison, figures)
    lines += ["", *(f"{escaped(line)}\n" for line in text.legend(report, WIDE, figures) if line)]
    return "\n".join(lines).rstrip() + "\n"


def escaped(line: str) -> str:
    """Plain text that Markdown shows as it is."""
    return MARKUP.sub(r"\\\1", line)


def _candidate(comparison: Comparison, figures: Figures) -> Iterator[str]:
    one = comparison.overall
    yield from ("", f"## {escaped(comparison.arm)}", "")
    yield from _table(overall.rows(comparison, figures))
    yield ""
    yield from _table(rows_of(one, figures))
    yield ""
    yield from (f"{escaped(line)}\n" for line in (takes(one), *overall.sentences(one)) if line)
    for table in comparison.tables:
        yield from _segments(comparison.arm, table, figures)


def _segments(arm: str, table: Table, figures: Figures) -> Iterator[str]:
    by = ", ".join(table.dimensions)
    chosen: Sequence[tuple[str, Sequence[Column]]] = (
        ("cost of the pairs, USD, and estimated change", (*COST, MONTH)),
        ("seconds; errors", SPEED),
        ("verdicts", VERDICTS),
        ("coverage", COVERAGE),
    )
    for what, columns in chosen:
        yield from ("", f"### {escaped(f'{arm} by {by}: {what}')}", "")
        rows = [[Cell("segment"), *(Cell(name) for name, _ in columns)]]
        for one in table.segments:
            name = BETWEEN.join(parts(one.segment, table.dimensions, table.merged))
            rows.append([Cell(name), *(cell(one, figures) for _, cell in columns)])
        yield from _table(rows)


def _table(rows: Sequence[Sequence[Cell]]) -> Iterator[str]:
    """The first row is the heading; numbers stand to the right."""
    for number, row in enumerate(rows):
        yield f"| {' | '.join(escaped(cell.text) for cell in row)} |"
        if number == 0:
            yield f"|{'|'.join([' --- ', *[' ---: '] * (len(row) - 1)])}|"
