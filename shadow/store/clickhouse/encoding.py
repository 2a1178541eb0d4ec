"""Rows of SQLite → ClickHouse's RowBinary: pure, exact, and nothing in a value can be taken for SQL.

The format (https://clickhouse.com/docs/interfaces/formats/RowBinary): numbers little-endian, a string after its
length as a varint, a nullable value after a byte that is 1 where there is none.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final

from shadow.store.clickhouse.schema import PAIR_COLUMNS, columns
from shadow.store.rows import REPLAY_COLUMNS, Row

MILLISECONDS_A_DAY: Final = 86_400_000
NULL: Final = b"\x01"
_FLOAT, _INTEGER, _SHORT = Struct("<Bd"), Struct("<Bq"), Struct("<Bh")
_HEAD: Final = Struct("<16sH")  # exchange_id, day
_VERSION: Final = Struct("<Q")
HEAD_COLUMNS: Final = ("exchange_id", "day", "pod", "version")
OF_A_REPLAY: Final = frozenset({*REPLAY_COLUMNS, "sent_at"})  # what else a row of `replays` has is its exchange's


@dataclass(frozen=True, slots=True)
class Table:
    """How the rows of one table are read from SQLite and written to ClickHouse."""

    name: str

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are written, in order: HEAD_COLUMNS, then those that SQLite has."""
        return tuple(column.name for column in columns(self.name))

    @property
    def selected(self) -> str:
        """The columns that SQLite has, in the same order: of `e`, the exchange, `r`, the replay, `p`, the pair."""
        return ", ".join(self._expression(name) for name in self.names[len(HEAD_COLUMNS) :])

    def _expression(self, name: str) -> str:
        if self.name == "replays" and name in OF_A_REPLAY:
            return f"r.{name}"
        if self.name == "replays" and name in PAIR_COLUMNS:
            return f"p.{name}"
        return f"e.{name.removeprefix('primary_')}"

    def encode(self, rows: Iterable[Row], pod: str) -> bytes:
        """Rows of id, version and what `selected` names, as RowBinary."""
        host = _text(pod)
        encoders = [ENCODERS[column.type] for column in columns(self.name)[len(HEAD_COLUMNS) :]]
        return b"".join(part for row in rows for part in _encoded(row, host, encoders))


EXCHANGES: Final = Table("exchanges")
REPLAYS: Final = Table("replays")


def _encoded(row: Row, host: bytes, encoders: Sequence[Callable[[Any], bytes]]) -> list[bytes]:
    exchange_id, version, *values = row
    day = int.from_bytes(exchange_id[:6]) // MILLISECONDS_A_DAY
    parts = [_HEAD.pack(exchange_id, min(day, 0xFFFF)), host, _VERSION.pack(version)]
    parts += [encode(value) for encode, value in zip(encoders, values, strict=True)]
    return parts


def _text(value: str) -> bytes:
    data = value.encode()
    size, head = len(data), bytearray()
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return bytes(head) + data


def _nullable_text(value: str | None) -> bytes:
    return NULL if value is None else b"\0" + _text(value)


def _nullable_float(value: float | None) -> bytes:
    return NULL if value is None else _FLOAT.pack(0, value)


def _nullable_integer(value: int | None) -> bytes:
    return NULL if value is None else _INTEGER.pack(0, value)


def _nullable_short(value: int | None) -> bytes:
    return NULL if value is None else _SHORT.pack(0, value)


def _nullable_truth(value: int | None) -> bytes:
    return NULL if value is None else b"\0\1" if value else b"\0\0"


ENCODERS: Final[dict[str, Callable[[Any], bytes]]] = {
    "String": _text,
    "Nullable(String)": _nullable_text,
    "Nullable(Float64)": _nullable_float,
    "Nullable(Int64)": _nullable_integer,
    "Nullable(Int16)": _nullable_short,
    "Nullable(UInt8)": _nullable_truth,
}
