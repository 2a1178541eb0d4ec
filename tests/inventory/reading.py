"""Sections as tests read them."""

from typing import Any

from shadow.inventory.document import Section


def rows(one: Section) -> list[dict[str, Any]]:
    """Each row by its columns' keys."""
    return [dict(zip((column.key for column in one.columns), row, strict=True)) for row in one.rows]


def only(one: Section, **wanted: Any) -> dict[str, Any]:
    """The row that has these values."""
    [found] = [row for row in rows(one) if wanted.items() <= row.items()]
    return found
