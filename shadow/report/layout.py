"""Text in columns for a terminal: safe names, numbers people read, tables that line up. Pure."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import floor, log10
from typing import Final, Literal

Style = Literal["title", "good", "bad", "faint", "plain"]
Paint = Callable[[str, Style], str]

_SGR: Final[dict[Style, str]] = {"title": "1", "good": "32", "bad": "31", "faint": "2"}
NAME_CHARACTERS: Final = 40  # a name is told apart by its beginning; columns of numbers need the room
FEW_MS: Final = 0.01  # seconds; below it milliseconds have one digit
MICROSECOND: Final = 1e-6  # durations are summed up in whole ones
GAP: Final = "  "
INDENT: Final = "  "


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in one place of a table."""

    text: str
    style: Style = "plain"


def painter(colour: bool) -> Paint:
    """A function that gives a text a style, or leaves it alone."""

    def paint(text: str, style: Style) -> str:
        return f"\x1b[{_SGR[style]}m{text}\x1b[0m" if colour and style in _SGR and text.strip() else text

    return paint


def safe(name: str, width: int = NAME_CHARACTERS) -> str:
    """A name from outside as a terminal may show it: nothing in it moves a cursor, hides or turns around.

    Whatever is not printable is written as an escape, and a backslash doubled, so that two names never look alike for
    it; a long one is cut.
    """
    shown = "".join(_safe(character) for character in name[: 4 * width])
    if columns(shown) <= width and len(name) <= 4 * width:
        return shown or '""'
    return short(f"{shown}…", width)


def short(text: str, width: int) -> str:
    """A safe text in at most so many columns; the cut is marked."""
    if columns(text) <= width:
        return text
    while columns(text) > width - 1:
        text = text[:-1]
    return f"{text}…"


def columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(_columns(character) for character in text)


def table(rows: Sequence[Sequence[Cell]], paint: Paint, *, left: int = 1) -> list[str]:
    """Rows as lines: the first `left` columns to the left, numbers to the right. The first row is the heading."""
    widths = [max(columns(row[at].text) for row in rows) for at in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            _padded(cell, width, at >= left, paint) for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((INDENT + GAP.join(cells)).rstrip())
    return lines


def wrapped(text: str, width: int, indent: str = "", then: str | None = None) -> list[str]:
    """Words in lines of at most so many columns, a % with its number; lines after the first begin with `then`."""
    lines, line = [], indent
    for word in re.findall(r"\S+(?: %\S*)?", text):
        if columns(line) + columns(word) + 1 > width and line.strip():
            lines.append(line.rstrip())
            line = indent if then is None else then
        line += f"{word} "
    return [*lines, line.rstrip()] if line.strip() else lines


def count(number: int) -> str:
    """A whole number with its thousands apart."""
    return f"{number:,}"


def many(number: int, noun: str) -> str:
    """So many of something."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def dollars(amount: Decimal) -> str:
    """An amount to the cent from a dollar on, with three significant digits below."""
    return _amount(amount, 2, signed=False)


def plain_dollars(amount: Decimal) -> str:
    """An amount for programs: digit by digit, without an exponent and without zeros that say nothing."""
    return f"{amount.normalize() + 0:f}"


def estimated_dollars(amount: Decimal) -> str:
    """An estimate, with its sign: three significant digits, or whole dollars from a hundred on."""
    return _amount(amount, 0 if abs(amount) >= 100 else 2, signed=True)


def duration(value: float, *, signed: bool = False) -> str:
    """Seconds with three significant digits: to the millisecond, but for what takes only a few, such as a token."""
    size = abs(value)
    places = 1 if size >= 100 else 2 if size >= 1 else 3
    if MICROSECOND <= size < FEW_MS:
        places = 2 - floor(log10(size))
    return _signed(f"{size:,.{places}f}", value, signed)


def percent(share: float, *, signed: bool = False) -> str:
    """A share in per cent, to a tenth; below a tenth, but not zero, to a hundredth."""
    size = abs(share) * 100
    return _signed(f"{size:,.{2 if 0 < size < 0.1 else 1}f}", share, signed) + " %"


def _amount(amount: Decimal, places: int, *, signed: bool) -> str:
    size = abs(amount)
    if 0 < size < 1:
        places = min(2 - size.adjusted(), 12)
    return _signed(f"{size:,.{places}f}", amount, signed)


def _signed(size: str, value: Decimal | float, signed: bool) -> str:
    if not size.strip("0.,"):  # too small to show: neither more nor less
        return size
    return f"{'−' if value < 0 else '+' if signed else ''}{size}"


def _padded(cell: Cell, width: int, right: bool, paint: Paint) -> str:
    space = " " * (width - columns(cell.text))
    shown = paint(cell.text, cell.style)
    return space + shown if right else shown + space


def _safe(character: str) -> str:
    if character == "\\":
        return "\\\\"
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
