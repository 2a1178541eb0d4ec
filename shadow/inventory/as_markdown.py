"""The inventory for a wiki. Pure."""

from collections.abc import Iterator

from shadow.inventory.document import Document, Section
from shadow.inventory.wording import NAMED, NONE_YET, period, shown
from shadow.report.as_markdown import escaped
from shadow.report.layout import many


def render(document: Document) -> str:
    """The document, with a newline at the end."""
    lines = ["# Inventory", "", period(document) if document.calls else NONE_YET.strip()]
    for one in document.sections if document.calls else ():
        lines += ["", f"## {one.title}", "", one.meaning, "", *_table(one)]
        if one.omitted:
            lines += ["", f"{many(one.omitted, 'smaller row')} left out."]
    return "\n".join(lines) + "\n"


def _table(one: Section) -> Iterator[str]:
    yield f"| {' | '.join(column.heading for column in one.columns)} |"
    yield f"|{'|'.join('---' if column.kind in (*NAMED, 'label') else '---:' for column in one.columns)}|"
    for row in one.rows:
        cells = (shown(value, column.kind) for column, value in zip(one.columns, row, strict=True))
        yield f"| {' | '.join(map(escaped, cells))} |"
