"""How one value of the inventory reads, for people and for programs, and the sentences that every format has. Pure."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from shadow.inventory.document import Document, Value
from shadow.report.layout import count, dollars, duration, many, percent, plain_dollars, safe

NAMED: Final = frozenset({"name", "words"})  # kinds of column that hold names: as long as they are
UNKNOWN: Final = "—"
NONE_YET: Final = "No model calls in this period. Send some through the sidecar, or ask for more with --since.\n"


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


def plain(value: Value) -> Any:
    """A value as programs read it: money as a decimal string, times as ISO 8601."""
    match value:
        case Decimal():
            return plain_dollars(value)
        case datetime():
            return value.isoformat()
        case tuple():
            return list(value)
        case _:
            return value


def period(document: Document) -> str:
    """How many calls the document is about, and from when."""
    if document.first_at is None or document.last_at is None:
        return many(document.calls, "model call")
    return f"{many(document.calls, 'model call')} from {document.first_at:%Y-%m-%d} to {document.last_at:%Y-%m-%d}, UTC"
