"""The inventory for programs. Keys are only ever added. Pure.

    schema    "shadow-inventory/1"
    period    first_at, last_at: when the first and the last call began, ISO 8601; null without calls
    calls     model calls in it
    sections  {key: {title, meaning, omitted, rows: [{column: value}]}}; `omitted` rows are smaller than those shown

Money is a decimal string in US dollars, shares are from 0 to 1, times ISO 8601, lists lists; unknown is null.
"""

import json
from typing import Final

from shadow.inventory.document import Document
from shadow.inventory.wording import plain

SCHEMA: Final = "shadow-inventory/1"


def render(document: Document) -> str:
    """The document as JSON, in ASCII, indented."""
    body = {
        "schema": SCHEMA,
        "period": {"first_at": plain(document.first_at), "last_at": plain(document.last_at)},
        "calls": document.calls,
        "sections": {
            one.key: {
                "title": one.title,
                "meaning": one.meaning,
                "omitted": one.omitted,
                "rows": [
                    {column.key: plain(value) for column, value in zip(one.columns, row, strict=True)}
                    for row in one.rows
                ],
            }
            for one in document.sections
        },
    }
    return json.dumps(body, indent=2, allow_nan=False) + "\n"
