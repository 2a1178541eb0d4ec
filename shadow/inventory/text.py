"""The inventory for a terminal. Pure."""

from collections.abc import Iterator

from shadow.inventory.document import Column, Document, Section, Value
from shadow.inventory.wording import NAMED, NONE_YET, period, shown
from shadow.report.layout import Cell, Paint, many, painter, table, wrapped


def render(document: Document, width: int, *, colour: bool = False) -> str:
    """The document: numbers in columns, names and what they mean under them."""
    paint = painter(colour)
    lines = [paint("Inventory", "title"), period(document), ""]
    for one in document.sections if document.calls else ():
        lines += [*_section(one, width, paint), ""]
    return "\n".join(lines[:-1]) + "\n" if document.calls else f"{lines[0]}\n{NONE_YET}"


def _section(one: Section, width: int, paint: Paint) -> Iterator[str]:
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
