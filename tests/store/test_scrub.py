import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from shadow.store.scrub import LayoutError, scrub

ALL = 1 << 30
CANARY = "canary-"


def made(path: Path, page_size: int = 4096, vacuum: str = "INCREMENTAL", count: int = 4000) -> None:
    """A database of both kinds of table and an index, from which some rows were deleted."""
    chance = random.Random(7)  # noqa: S311 (a test's data)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in (f"page_size = {page_size}", f"auto_vacuum = {vacuum}", "secure_delete = ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("CREATE TABLE a (id BLOB PRIMARY KEY, said TEXT) WITHOUT ROWID")
        connection.execute("CREATE TABLE b (id INTEGER PRIMARY KEY, said TEXT, large BLOB)")
        connection.execute("CREATE INDEX said ON b (said)")
        connection.execute("BEGIN")
        for number in sorted(range(count), key=lambda number: number + chance.randrange(500)):
            said = f"{CANARY}{number}" if number % 3 == 0 else f"plain {number}"
            large = b"\2" * chance.randrange(3 * page_size)
            connection.execute("INSERT INTO a VALUES (?, ?)", (number.to_bytes(4), said * 9))
            connection.execute("INSERT INTO b VALUES (?, ?, ?)", (number, said, large))
        connection.execute("COMMIT")
        connection.execute("DELETE FROM a WHERE said LIKE 'canary-%'")
        connection.execute("DELETE FROM b WHERE said LIKE 'canary-%'")


def rows(path: Path) -> list[tuple[object, ...]]:
    """What SQLite reads, page by page and value by value."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return connection.execute("SELECT * FROM a").fetchall() + connection.execute("SELECT * FROM b").fetchall()


@pytest.mark.parametrize(("page_size", "count"), [(512, 4000), (1024, 4000), (4096, 4000), (65536, 400)])
def test_what_deleted_rows_left_is_overwritten(tmp_path: Path, page_size: int, count: int) -> None:
    """And nothing else: every other row is read as before, of pages of every kind and size."""
    path = tmp_path / "x.db"
    made(path, page_size, count=count)
    before = rows(path)
    if page_size < 65536:
        assert CANARY.encode() in path.read_bytes()  # else the test shows nothing
    assert scrub(path, 1, ALL) == path.stat().st_size // page_size
    assert CANARY.encode() not in path.read_bytes()
    assert rows(path) == before


def test_it_can_be_done_in_parts(tmp_path: Path) -> None:
    """By a process of its own, so many pages at a time, with the same result as all at once."""
    whole, parts = tmp_path / "whole.db", tmp_path / "parts.db"
    made(whole, 512)
    parts.write_bytes(whole.read_bytes())
    total = scrub(whole, 1, ALL)
    for first in range(1, total + 1, 1000):
        command = (sys.executable, "-m", "shadow.store.scrub", parts, str(first), "1000")
        assert subprocess.check_output(command) == str(total).encode()  # noqa: S603 (our own)
    assert parts.read_bytes() == whole.read_bytes()


def test_a_file_that_is_laid_out_otherwise_is_left_alone(tmp_path: Path) -> None:
    """What does not say which of its pages are nodes, and what is no database, is not touched."""
    path = tmp_path / "x.db"
    made(path, vacuum="NONE", count=100)
    garbage = tmp_path / "y.db"
    garbage.write_bytes(b"no database" * 1000)
    for file in (path, garbage):
        before = file.read_bytes()
        with pytest.raises(LayoutError):
            scrub(file, 1, ALL)
        assert file.read_bytes() == before
