"""The same rows in SQLite and in a ClickHouse, old or current."""

import asyncio
import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shadow.record.metrics import Metrics
from shadow.record.shipping import Server, Shipping, Tables
from shadow.store.clickhouse.client import Client
from shadow.store.clickhouse.encoding import Table
from shadow.store.clickhouse.schema import columns, script
from shadow.store.sqlite import SQLiteStore
from tests.clickhouse import Current, Database


class IntoCurrent:
    """Takes batches for a current release, which has no HTTP interface in this form."""

    def __init__(self, current: Current, database: str, directory: Path) -> None:
        self._current = current
        self._database = database
        self._file = directory / "rows"

    async def prepare(self) -> None:
        for statement in script(self._database).split(";\n"):
            if statement.strip():
                self._current.ask(statement)

    async def insert(self, table: Table, compressed: bytes, token: str) -> None:  # noqa: ARG002 (it is sent once)
        self._file.write_bytes(gzip.decompress(compressed))
        structure = ", ".join(f"{column.name} {column.type}" for column in columns(table.name))
        source = f"file('{self._file}', RowBinary, '{structure}')"
        self._current.ask(f"INSERT INTO {self._database}.{table.name} SELECT * FROM {source}")  # noqa: S608


def ask_current(current: Current, queries: Sequence[str]) -> list[list[list[Any]]]:
    quiet = " SETTINGS output_format_json_quote_64bit_integers = 0"
    return [current.ask(query + quiet) for query in queries]


def ship_into_current(path: Path, current: Current, database: str) -> None:
    """All rows of a SQLite file."""
    asyncio.run(_ship(path, IntoCurrent(current, database, path.parent), database))


def ship_into(path: Path, database: Database) -> None:
    """All rows of a SQLite file, over HTTP."""

    async def ship() -> None:
        client = Client(database.settings, 60)
        try:
            await _ship(path, Tables(client, create=True), database.name)
        finally:
            await client.close()

    asyncio.run(ship())


async def _ship(path: Path, server: Server, target: str) -> None:
    store = await SQLiteStore.open(path, ship_to=target)
    try:
        shipping = Shipping(store.outbox, server, Metrics(), "pod-1", 5.0)
        while await shipping.ship():
            pass
    finally:
        await store.close()
