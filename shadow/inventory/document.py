"""A document of tables: the one shape that every format of the inventory is made from. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

Kind = Literal["label", "name", "words", "count", "usd", "share", "seconds", "time"]
Value = str | tuple[str, ...] | int | float | Decimal | datetime | None
ROWS_MOST: Final = 200  # of one section, the largest: more than anybody reads; how many more there are is said


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its key for programs, its heading for people, and what its values are. A label names the row.

    None is unknown.
    """

    key: str
    heading: str
    kind: Kind = "name"


@dataclass(frozen=True, slots=True)
class Section:
    """One table, what it means for the move, and how many rows were left out."""

    key: str
    title: str
    meaning: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    omitted: int = 0


@dataclass(frozen=True, slots=True)
class Document:
    """The inventory of one period: from the first to the last call in it."""

    first_at: datetime | None
    last_at: datetime | None
    calls: int
    sections: tuple[Section, ...]


def section(
    key: str, title: str, meaning: str, columns: Sequence[Column], rows: Iterable[tuple[Value, ...]]
) -> Section:
    """A section of the first rows; they are in order of what matters most."""
    every = tuple(rows)
    return Section(key, title, meaning, tuple(columns), every[:ROWS_MOST], max(0, len(every) - ROWS_MOST))


def usd(nano: int, known: int) -> Decimal | None:
    """What calls of known cost came to; a sum over none of them is not zero."""
    return Decimal(nano).scaleb(-9) if known else None


def share(part: int, of: int) -> float | None:
    """A part of a whole; of nothing it is unknown."""
    return part / of if of else None
