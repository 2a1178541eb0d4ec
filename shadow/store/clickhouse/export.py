"""Rows of the fleet's tables as other programs get them: those of `shadow.store.export`, in the same order.

They are read in ranges of ids of which each has few rows, so that neither this process nor the server holds many.
"""

from collections.abc import Iterator
from typing import Final

from shadow.config import ClickHouse
from shadow.report.totals import Scope
from shadow.store.clickhouse import queries
from shadow.store.clickhouse.aggregates import asking
from shadow.store.clickhouse.sql import literal
from shadow.store.clickhouse.sums import Ask, conditions
from shadow.store.export import Kind, Record, readers, stored

AT_ONCE: Final = 20_000  # rows of one range: some 20 MB of JSON

ENDS: Final = "SELECT count(), hex(min(exchange_id)), hex(max(exchange_id)) FROM {table} WHERE {condition}"
COUNT: Final = "SELECT count() FROM {table} WHERE {condition}"
ROWS: Final = "SELECT {columns} FROM {table} FINAL WHERE {condition} ORDER BY {key}"


def records(settings: ClickHouse, kind: Kind, scope: Scope) -> Iterator[Record]:
    """Every row of a scope in the order of time. Raises StoreError."""
    with asking(settings) as ask:
        yield from read(ask, settings.database, kind, scope)


def read(ask: Ask, database: str, kind: Kind, scope: Scope) -> Iterator[Record]:
    """As `records`, of a server that is asked by `ask`."""
    names, reading = stored(kind), readers(kind)
    if kind == "exchanges":
        table, said, key = "e", conditions(scope, "e", queries.EXCHANGE), "e.exchange_id"
    else:
        table, said, key = "r", conditions(scope, "r", queries.REPLAY), "r.exchange_id, r.arm"
        said += [f"r.arm = {literal(scope.candidate)}"] if scope.candidate else []
    columns = ", ".join("hex(exchange_id)" if name == "exchange_id" else f"{table}.{name}" for name in names)
    source = f"{database}.{kind} AS {table}"
    for first, end in _ranges(ask, source, said):
        within = " AND ".join([*said, *_within(first, end)])
        [rows] = ask([ROWS.format(columns=columns, table=source, condition=within, key=key)])
        for values in rows:
            row = dict(zip(names, values, strict=True))
            row["exchange_id"] = bytes.fromhex(row["exchange_id"])
            yield {name: value(row) for name, value in reading.items()}


def _ranges(ask: Ask, table: str, said: list[str]) -> Iterator[tuple[int, int]]:
    """Ranges of ids, each with its end left out, in order, that have at most AT_ONCE rows each and cover the scope."""
    [[(count, first, last)]] = ask([ENDS.format(table=table, condition=" AND ".join(said) or "1")])
    waiting = [(int(first, 16), int(last, 16) + 1)] if int(count) else []
    while waiting:
        first, end = waiting.pop()
        [[(count,)]] = ask([COUNT.format(table=table, condition=" AND ".join([*said, *_within(first, end)]))])
        if int(count) <= AT_ONCE or end - first == 1:
            yield first, end
        else:
            middle = (first + end) // 2
            waiting += [(middle, end), (first, middle)]


def _within(first: int, end: int) -> tuple[str, str]:
    last = (end - 1).to_bytes(16)
    return f"exchange_id >= {literal(first.to_bytes(16))}", f"exchange_id <= {literal(last)}"
