"""What the store's tests share: a store with small bounds, and a reader of its file."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from shadow.store.files import open_database
from shadow.store.limits import Limits
from shadow.store.sqlite import SQLiteStore

Query = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shadow.db"


FEW_PAGES = 4 * 4096  # what a file that has held many rows may keep over a blank one


@pytest.fixture
def blank_bytes(tmp_path: Path) -> int:
    """The size of a file that never held a row: a page for each table and index."""
    blank = tmp_path / "blank.db"
    open_database(blank).close()
    return blank.stat().st_size


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SQLiteStore]:
    store = await SQLiteStore.open(path, Limits(prune_rows=3, prune_pages=1, reserve_bytes=10_000), clock=lambda: 123.5)
    yield store
    await store.close()


@pytest.fixture
def query(path: Path) -> Query:
    """What a reader of its own sees: committed rows."""

    def read(statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return connection.execute(statement).fetchall()

    return read
