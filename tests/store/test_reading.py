"""What cannot be read is said in one line, and nothing is ever changed."""

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import pytest

from shadow.exchange import Recorded
from shadow.report.totals import Scope
from shadow.store import reading
from shadow.store.aggregates import arms, read
from shadow.store.errors import StoreError
from shadow.store.files import open_database
from tests.report.population import exchange, mixed, observation, store

WHOLE = Scope(breakdowns=())
ONE = Recorded(exchange(), observation())

Stored = Callable[[Iterable[Recorded]], Path]


@pytest.fixture
def stored(tmp_path: Path) -> Stored:
    return lambda recorded: store(tmp_path / "shadow.db", recorded)


def test_missing(tmp_path: Path) -> None:
    """A wrong path is named, and no file is made there."""
    with pytest.raises(StoreError, match=r"none\.db cannot be read: No such file"):
        read(tmp_path / "none.db", WHOLE)
    assert list(tmp_path.iterdir()) == []


def test_directory(tmp_path: Path) -> None:
    """A directory is not a database."""
    with pytest.raises(StoreError, match="cannot be read"):
        read(tmp_path, WHOLE)


@pytest.mark.parametrize("content", [b"", b"garbage " * 1000, b"SQLite format 3\0" + b"\xff" * 4096])
def test_garbage(tmp_path: Path, content: bytes) -> None:
    """Anything else than a database of this program, and it stays as it was."""
    path = tmp_path / "shadow.db"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"shadow\.db (is not a database of this program|cannot be read)"):
        read(path, WHOLE)
    with pytest.raises(StoreError):
        arms(path, WHOLE)
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"upstream: {url: 'https://openrouter.ai'}\n" * 100])
def test_a_configuration_is_told_apart(tmp_path: Path, content: bytes) -> None:
    """What is another kind of file is an error of its own, so that whoever named it can be helped."""
    path = tmp_path / "shadow.yaml"
    path.write_bytes(content)
    with pytest.raises(reading.ForeignFileError, match=r"shadow\.yaml is not a database of this program"):
        read(path, WHOLE)


def test_another_programs_database(tmp_path: Path) -> None:
    """A healthy database that is not ours."""
    path = tmp_path / "shadow.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE exchanges (id)")
    with pytest.raises(StoreError, match="not a database of this program"):
        read(path, WHOLE)


def test_cut_short(stored: Stored) -> None:
    """Half a database is an error, not half a report."""
    path = stored(mixed(300))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(StoreError, match="cannot be read"):
        read(path, WHOLE)


def test_newer_schema(stored: Stored) -> None:
    """A later release's database is not guessed at."""
    path = stored([])
    with closing(sqlite3.connect(path, isolation_level=None)) as newer:
        newer.execute("INSERT INTO migrations VALUES ('9999-later', 0)")
    with pytest.raises(StoreError, match="newer release"):
        read(path, WHOLE)


def test_older_schema(stored: Stored) -> None:
    """A database that lacks a migration is brought up to date by who may write it."""
    path = stored([])
    with closing(sqlite3.connect(path, isolation_level=None)) as older:
        older.execute("DELETE FROM migrations")
    with pytest.raises(StoreError, match="older release"):
        read(path, WHOLE)


def test_beside_a_writer(stored: Stored) -> None:
    """What is committed is read while a transaction is open, and the writer is not disturbed."""
    path = stored([ONE])
    with closing(open_database(path)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM exchanges")
        assert read(path, WHOLE).breakdowns[0].traffic[()].exchanges == 1
        writer.execute("COMMIT")
    assert read(path, WHOLE).first_at is None


def test_where_nothing_can_be_written(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy on a read-only disk, without a log, is read as it lies there."""
    path = stored([ONE])
    monkeypatch.setattr(reading.os, "access", lambda *_: False)
    assert read(path, WHOLE).breakdowns[0].traffic[()].exchanges == 1
