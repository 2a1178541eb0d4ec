import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from shadow.store.errors import StoreError
from shadow.store.integrity import check
from shadow.store.sqlite import SQLiteStore
from tests.store.samples import bodies, recorded

TABLES = {"exchanges", "replays", "bodies", "losses", "migrations", "outbox", "shipping"}


async def filled(path: Path) -> None:
    store = await SQLiteStore.open(path)
    await store.add([recorded(number, "ferry", bodies=bodies({"n": number})) for number in range(500)])
    await store.close()


async def test_every_table_of_a_good_database_is_well(path: Path) -> None:
    """All of them are read, beside a writer that goes on."""
    await filled(path)
    store = await SQLiteStore.open(path)
    found = check(path)
    first = next(found)
    await store.add([recorded(1000)])
    assert {table for table, said in (first, *found) if said == "ok"} >= TABLES
    await store.close()


async def test_a_damaged_page_is_found_in_its_table(path: Path) -> None:
    """Also one that a sample may miss; the other tables are read all the same."""
    await filled(path)
    with closing(sqlite3.connect(path)) as connection:
        ((root,),) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'bodies'")
    with path.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(os.urandom(4096))
    found = dict(check(path))
    assert (found["exchanges"], found["replays"]) == ("ok", "ok")
    assert found["bodies"] != "ok"


async def test_an_index_that_does_not_fit_its_table_is_found(path: Path) -> None:
    """Every page may be whole and the rows be wrong."""
    await filled(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET rootpage = 2 + rootpage WHERE name = 'bodies_by_tenant'")
    assert dict(check(path))["bodies"] != "ok"


def test_no_database_is_an_error(path: Path) -> None:
    """There is nothing to check."""
    with pytest.raises(StoreError):
        next(check(path))
