"""Rows as other programs get them: the columns that `COLUMNS` names, values as JSON has them.

Money is decimal text in US dollars, to the last digit that was stored; times are ISO 8601 in UTC; lists and objects are
lists and objects; what is unknown is None. Rows are read page by page, each page in a transaction of its own: a long
one would keep the log of a busy database from shrinking, and then nothing is stored. What is deleted meanwhile is left
out, what is added meanwhile may be in.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from decimal import Context
from pathlib import Path
from typing import Any, Final, Literal

import orjson

from shadow.report.totals import Scope
from shadow.store.ids import floor, text
from shadow.store.queries import COLUMNS as DIMENSIONS
from shadow.store.reading import connect, unreadable
from shadow.store.rows import usd

Kind = Literal["exchanges", "replays"]
Record = dict[str, Any]
Reader = Callable[[Any], Any]  # a row, by the names of its columns → a value

EXACT: Final = Context(prec=60)  # as many digits as are stored: by default they are rounded to 28
PAGE: Final = 2000  # rows: a few megabytes, read in some tens of milliseconds

_WHO: Final = ("tenant", "feature", "plan", "key_fingerprint")
_MODELS: Final = ("stream", "request_model", "response_model", "provider", "generation_id")
_COUNTS: Final = (
    *("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_write_input_tokens"),
    "reasoning_output_tokens",
)
_ENDS: Final = (
    *("cost_usd", "cost_source", "first_byte_s", "ttft_s", "total_s", "tpot_s", "finish_reason", "error_kind"),
    *("features", "request_bytes", "response_bytes"),
)
_MORE: Final = (
    *("cost_normalised_usd", "stated_cost_usd", "price_version", "largest_gap_s", "failure", "inference", "anomalies"),
)
# Columns are only added, at the end.
COLUMNS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "exchanges": (
        *("exchange_id", "started_at", *_WHO, "method", "path", "status", "outcome"),
        *(*_MODELS, *_COUNTS, *_ENDS, *_MORE, "byok", "client_timeout_s"),
    ),
    "replays": (
        *("exchange_id", "arm", "outcome", "reason", "probability", "rewrite", "started_at", "status"),
        *(*_MODELS, *_COUNTS, *_ENDS, "finish_reason_same", "tool_calls_same", "json_valid", "text_similarity"),
        *("tool_names_same", "schema_valid", "refused", "primary_json_valid", "primary_schema_valid"),
        *("primary_refused", "agreement_notes", *_MORE, "rejected_parameter"),
    ),
}
MONEY: Final = {"cost_usd": "cost_nano_usd", "cost_normalised_usd": "cost_normalised_nano_usd"}
TRUTHS: Final = frozenset(
    {"stream", "inference", "byok", "finish_reason_same", "tool_calls_same", "tool_names_same"}
    | {"json_valid", "schema_valid", "refused", "primary_json_valid", "primary_schema_valid", "primary_refused"}
)
JSON: Final = frozenset({"features", "anomalies", "rewrite", "agreement_notes"})
NUMBERS: Final = frozenset({"probability", "text_similarity", "client_timeout_s"})  # with those that end in _s
WHOLE: Final = frozenset({"status", "request_bytes", "response_bytes", *_COUNTS})


def records(path: Path, kind: Kind, scope: Scope) -> Iterator[Record]:
    """Every row of a scope in the order of time. Raises StoreError, at the first row where nothing can be read."""
    try:
        with closing(connect(path)) as connection:
            connection.execute("COMMIT")  # each page begins anew
            connection.row_factory = sqlite3.Row
            yield from _records(connection, kind, scope)
    except sqlite3.Error as error:
        raise unreadable(path, error) from error


def _records(connection: sqlite3.Connection, kind: Kind, scope: Scope) -> Iterator[Record]:
    query, values = _query(kind, scope)
    read = readers(kind)
    key = ("exchange_id",) if kind == "exchanges" else ("exchange_id", "arm")
    # Less than any id that began then, and more than any before.
    after: list[Any] = [floor(scope.since.timestamp())[:-1] if scope.since else b"", ""][: len(key)]
    until = floor(scope.until.timestamp()) if scope.until else b"\xff" * 17
    while rows := connection.execute(query, (*after, until, *values, PAGE)).fetchall():
        for row in rows:
            yield {name: value(row) for name, value in read.items()}
        after = [rows[-1][name] for name in key]


def stored(kind: Kind) -> tuple[str, ...]:
    """The columns of a table that its records are made of."""
    pairs = ((MONEY[name], f"{name}_exact") if name in MONEY else (name,) for name in COLUMNS[kind])
    return tuple(name for names in pairs for name in names)


def readers(kind: Kind) -> dict[str, Reader]:
    """How each column of a record comes out of a row of the table."""
    return {name: _reader(name) for name in COLUMNS[kind]}


def _query(kind: Kind, scope: Scope) -> tuple[str, list[str]]:
    """The page after a row."""
    if kind == "exchanges":
        chosen, key, after = "SELECT e.* FROM exchanges e", "e.exchange_id", "e.exchange_id > ?"
    else:  # the order of the tables is that of the rows
        chosen = "SELECT r.* FROM replays r CROSS JOIN exchanges e ON e.exchange_id = r.exchange_id"
        key, after = "r.exchange_id, r.arm", "(r.exchange_id, r.arm) > (?, ?)"
    conditions = [after, f"{key.partition(',')[0]} < ?"]
    conditions += [f"COALESCE({DIMENSIONS[dimension]}, '') = ?" for dimension, _ in scope.where]
    values = [value for _, value in scope.where]
    if scope.candidate:
        conditions.append("r.arm = ?")
        values.append(scope.candidate)
    return f"{chosen} WHERE {' AND '.join(conditions)} ORDER BY {key} LIMIT ?", values


def _reader(name: str) -> Reader:
    """How a column comes out of a row."""
    if name in MONEY:
        nano, exact = MONEY[name], f"{name}_exact"
        return lambda row: _money(row[nano], row[exact])
    if name == "exchange_id":
        return lambda row: text(row[name])
    if name == "started_at":
        return lambda row: None if row[name] is None else _time(row[name])
    if name in TRUTHS:
        return lambda row: None if row[name] is None else bool(row[name])
    if name in JSON:
        return lambda row: None if row[name] is None else orjson.loads(row[name])
    return lambda row: row[name]


def _money(nano: int | None, exact: str | None) -> str | None:
    amount = usd(nano, exact)
    return None if amount is None else f"{EXACT.add(amount.normalize(EXACT), 0):f}"  # no -0


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")
