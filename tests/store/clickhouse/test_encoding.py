"""Values arrive as they were, in a server of 2018 and in a current one."""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shadow.store.clickhouse.client import Client
from shadow.store.clickhouse.encoding import EXCHANGES, HEAD_COLUMNS, REPLAYS, Table
from shadow.store.clickhouse.migrations import prepare
from shadow.store.clickhouse.schema import columns, script
from shadow.store.ids import blob
from tests.clickhouse import Current, Database
from tests.store.samples import exchange_id

SAMPLES: dict[str, list[Any]] = {
    "String": ["", "plain", "\\N\t\n\0'\"`", "☃" * 200, "x" * 20_000],
    "Nullable(String)": [None, "", "NULL", "'; DROP TABLE exchanges --", "é" * 512],
    "Nullable(Float64)": [None, 0.0, 0.1 + 0.2, 1e-300, 1_780_000_000.123456],
    "Nullable(Int64)": [None, 0, -1, (1 << 63) - 1, -(1 << 63)],
    "Nullable(Int16)": [None, 0, -698, 697, 1],
    "Nullable(UInt8)": [None, 0, 1, 1, 0],
}
TABLES = pytest.mark.parametrize("table", [EXCHANGES, REPLAYS], ids=lambda table: table.name)


def rows(table: Table) -> list[tuple[Any, ...]]:
    """Rows that hold, between them, every sample of every column's type."""
    kinds = [column.type for column in columns(table.name)[len(HEAD_COLUMNS) :]]
    count = max(map(len, SAMPLES.values()))
    return [
        (blob(exchange_id(number)), number + 1, *(SAMPLES[kind][(number + at) % 5] for at, kind in enumerate(kinds)))
        for number in range(count)
    ]


def check(ask: Callable[[str], list[list[Any]]], database: str, table: Table) -> None:
    shown = ", ".join(["lower(hex(exchange_id))", "toString(day)", *table.names[2:]])
    found = ask(f"SELECT {shown} FROM {database}.{table.name} ORDER BY version")  # noqa: S608 (our own names)
    expected = [[one[0].hex(), "2026-05-28", "pod-1", *one[1:]] for one in rows(table)]
    assert found == expected


@TABLES
async def test_values_arrive_as_they_were(clickhouse_database: Database, table: Table) -> None:
    """Over HTTP, each value of each type, however hostile."""
    client = Client(clickhouse_database.settings, 10)
    await prepare(client, create=True)
    await client.insert(table.name, table.names, gzip(table.encode(rows(table), "pod-1")))
    await client.close()
    check(lambda query: clickhouse_database.ask(f"{query} FORMAT JSONCompact"), clickhouse_database.name, table)


@TABLES
def test_values_arrive_as_they_were_today(current_clickhouse: Current, table: Table, tmp_path: Path) -> None:
    """A current release reads the same bytes."""
    database = f"encoding_{table.name}"
    for statement in script(database).split(";\n"):
        if statement.strip():
            current_clickhouse.ask(statement)
    (tmp_path / "rows").write_bytes(table.encode(rows(table), "pod-1"))
    structure = ", ".join(f"{column.name} {column.type}" for column in columns(table.name))
    source = f"file('{tmp_path / 'rows'}', RowBinary, '{structure}')"
    current_clickhouse.ask(f"INSERT INTO {database}.{table.name} SELECT * FROM {source}")  # noqa: S608
    quiet = " SETTINGS output_format_json_quote_64bit_integers = 0"
    check(lambda query: current_clickhouse.ask(query + quiet), database, table)


def gzip(data: bytes) -> bytes:
    one = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return one.compress(data) + one.flush()
