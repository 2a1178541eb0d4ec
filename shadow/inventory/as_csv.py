"""The inventory for a spreadsheet: one line for each value, so that all sections fit into one sheet. Pure."""

import csv
import io
from typing import Any, Final

from shadow.inventory.document import Document, Value
from shadow.inventory.wording import plain
from shadow.report.layout import safe
from shadow.spreadsheet import inert

NAME_CHARACTERS: Final = 512  # of one value: as many as a row holds


def render(document: Document) -> str:
    """Columns: section, row, column, value. A name may come from anybody: none of them is a formula."""
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(("section", "row", "column", "value"))
    for one in document.sections:
        for number, row in enumerate(one.rows, 1):
            for column, value in zip(one.columns, row, strict=True):
                lines.writerow((one.key, number, column.key, _cell(value)))
    return out.getvalue()


def _cell(value: Value) -> Any:
    if isinstance(value, tuple):
        value = ", ".join(value)
    return inert(safe(value, NAME_CHARACTERS)) if isinstance(value, str) else plain(value)
