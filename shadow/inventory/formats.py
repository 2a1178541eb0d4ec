"""The inventory as text, Markdown, JSON and CSV. Pure.

JSON, whose keys are only ever added to:

    schema    "shadow-inventory/1"
    period    first_at, last_at: when the first and the last call began, ISO 8601; null without calls
    calls     model calls in it
    sections  {key: {title, meaning, omitted, rows: [{column: value}]}}; `omitted` rows are smaller than those shown

Money is a decimal string in US dollars, shares are from 0 to 1, times ISO 8601, lists lists; unknown is null. CSV has
one line for each value: section, row, column, value, so that all sections fit into one sheet.
"""

import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from shadow.inventory.document import Column, Document, Section, Value
from shadow.report.as_markdown import escaped
from shadow.report.layout import (
    Cell,
    Paint,
    count,
    dollars,
    duration,
    many,
    painter,
    percent,
    plain_dollars,
    safe,
    table,
    wrapped,
)

SCHEMA: Final = "shadow-inventory/1"
NAMED: Final = frozenset({"name", "words"})
NAME_CHARACTERS: Final = 512  # of one value: as many as a row holds
FORMULAS: Final = tuple("=+-@")  # what a spreadsheet computes
UNKNOWN: Final = "—"
NONE_YET: Final = "No model calls in this period. Send some through the sidecar, or ask for more with --since.\n"


def text(document: Document, width: int, *, colour: bool = False) -> str:
    """The document for a terminal: numbers in columns, names and what they mean under them."""
    paint = painter(colour)
    lines = [paint("Inventory", "title"), period(document), ""]
    for one in document.sections if document.calls else ():
        lines += [*_text_section(one, width, paint), ""]
    return "\n".join(lines[:-1]) + "\n" if document.calls else f"{lines[0]}\n{NONE_YET}"


def markdown(document: Document) -> str:
    """The document for a wiki."""
    lines = ["# Inventory", "", period(document) if document.calls else NONE_YET.strip()]
    for one in document.sections if document.calls else ():
        lines += ["", f"## {one.title}", "", one.meaning, "", *_markdown_table(one)]
        if one.omitted:
            lines += ["", f"{many(one.omitted, 'smaller row')} left out."]
    return "\n".join(lines) + "\n"


def as_json(document: Document) -> str:
    """The document for programs, in ASCII, indented."""
    body = {
        "schema": SCHEMA,
        "period": {"first_at": _plain(document.first_at), "last_at": _plain(document.last_at)},
        "calls": document.calls,
        "sections": {
            one.key: {
                "title": one.title,
                "meaning": one.meaning,
                "omitted": one.omitted,
                "rows": [
                    {column.key: _plain(value) for column, value in zip(one.columns, row, strict=True)}
                    for row in one.rows
                ],
            }
            for one in document.sections
        },
    }
    return json.dumps(body, indent=2, allow_nan=False) + "\n"


def as_csv(document: Document) -> str:
    """The document for a spreadsheet. What would be a formula there is not one: a name may come from anybody."""
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(("section", "row", "column", "value"))
    for one in document.sections:
        for number, row in enumerate(one.rows, 1):
            for column, value in zip(one.columns, row, strict=True):
                lines.writerow((one.key, number, column.key, _spreadsheet(value)))
    return out.getvalue()


def shown(value: Value, kind: str) -> str:
    """A value as people read it."""
    match value:
        case None | ():
            return UNKNOWN if value is None else ""
        case datetime():
            return f"{value:%Y-%m-%d}"
        case tuple():
            return ", ".join(map(safe, value))
        case Decimal():
            return dollars(value)
        case str():
            return safe(value, 120)
        case _ if kind == "share":
            return percent(value)
        case _ if kind == "seconds":
            return f"{duration(float(value))} s"
        case _:
            return count(int(value))


def period(document: Document) -> str:
    """How many calls the document is about, and from when."""
    if document.first_at is None or document.last_at is None:
        return many(document.calls, "model call")
    return f"{many(document.calls, 'model call')} from {document.first_at:%Y-%m-%d} to {document.last_at:%Y-%m-%d}, UTC"


def _text_section(one: Section, width: int, paint: Paint) -> Iterator[str]:
    yield paint(one.title, "title")
    yield from wrapped(one.meaning, width, "  ")
    if not one.rows:
        yield "  none"
        return
    columns = [(at, column) for at, column in enumerate(one.columns) if column.kind not in NAMED]
    below = [(at, column) for at, column in enumerate(one.columns) if column.kind in NAMED]
    labels = sum(column.kind == "label" for column in one.columns)
    heads = [Cell(column.heading, "faint") for _, column in columns]
    cells = [[Cell(shown(row[at], column.kind)) for at, column in columns] for row in one.rows]
    head, *lines = table([heads, *cells], paint, left=labels)
    yield head
    for row, line in zip(one.rows, lines, strict=True):
        yield line
        yield from wrapped(_said(row, below), width, "      ")
    if one.omitted:
        yield f"  {many(one.omitted, 'smaller row')} left out"


def _said(row: tuple[Value, ...], columns: list[tuple[int, Column]]) -> str:
    """Names with their headings, and what the row means for the move."""
    named = {column.key: f"{column.heading} {shown(row[at], column.kind)}" for at, column in columns if row[at]}
    means = [f"→ {row[at]}" for at, column in columns if column.key == "means" and row[at]]
    named.pop("means", None)
    return " ".join(["; ".join(named.values()), *means]).strip()


def _markdown_table(one: Section) -> Iterator[str]:
    yield f"| {' | '.join(column.heading for column in one.columns)} |"
    yield f"|{'|'.join('---' if column.kind in (*NAMED, 'label') else '---:' for column in one.columns)}|"
    for row in one.rows:
        cells = (shown(value, column.kind) for column, value in zip(one.columns, row, strict=True))
        yield f"| {' | '.join(map(escaped, cells))} |"


def _plain(value: Value) -> Any:
    match value:
        case Decimal():
            return plain_dollars(value)
        case datetime():
            return value.isoformat()
        case tuple():
            return list(value)
        case _:
            return value


def _spreadsheet(value: Value) -> Any:
    if isinstance(value, tuple):
        value = ", ".join(value)
    if not isinstance(value, str):
        return _plain(value)
    name = safe(value, NAME_CHARACTERS)
    return f"'{name}" if name[:1] in FORMULAS else name
