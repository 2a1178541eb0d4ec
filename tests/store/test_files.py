import logging
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from shadow.store.adding import ADD_EXCHANGES
from shadow.store.errors import StoreError, Trouble
from shadow.store.files import index_of, log_of, open_database
from shadow.store.migrations import applied, migrate
from shadow.store.rows import exchange_row
from shadow.store.schema import MIGRATIONS, Migration
from tests.store.samples import recorded


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shadow.db"


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_database(path)) as connection:
        yield connection


def filled(path: Path, count: int = 300) -> None:
    """A database with rows, closed in good order."""
    with opened(path) as connection:
        connection.executemany(ADD_EXCHANGES, [exchange_row(recorded(number)) for number in range(count)])


def count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM exchanges").fetchone()[0])


def aside(path: Path) -> list[Path]:
    return sorted(path.parent.glob("*.set-aside-*"))


def test_a_new_database_has_the_settings_that_keep_rows(path: Path) -> None:
    """Write-ahead log, full flushes, erased deletions, space that can be given back."""
    settings = ("journal_mode", "synchronous", "secure_delete", "auto_vacuum")
    with opened(path) as connection:
        found = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in settings]
        assert (found, applied(connection)) == (["wal", 2, 1, 2], [migration.name for migration in MIGRATIONS])


def test_promise_54_every_file_is_private(path: Path) -> None:
    """Database, log and index are readable by their owner only, whatever the umask and whatever they were before."""
    path.touch(0o644)
    before = os.umask(0)
    try:
        with opened(path) as connection:
            connection.execute("CREATE TABLE x (y)")
            modes = {stat.S_IMODE(file.stat().st_mode) for file in (path, log_of(path), index_of(path))}
    finally:
        os.umask(before)
    assert modes == {0o600}


def test_missing_directories_are_made(tmp_path: Path) -> None:
    """The directory of a database need not exist."""
    with opened(tmp_path / "var" / "lib" / "shadow.db") as connection:
        assert count(connection) == 0


def test_an_empty_file_becomes_a_database(path: Path) -> None:
    """A file without content is a blank database, not a broken one."""
    path.touch()
    with opened(path) as connection:
        assert count(connection) == 0
    assert aside(path) == []


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 + 100)


def garbled(path: Path) -> None:
    path.write_bytes(b"no database at all" * 1000)


def damaged_inside(path: Path) -> None:
    content = bytearray(path.read_bytes())
    third = len(content) // 3
    content[third : 2 * third] = os.urandom(third)
    path.write_bytes(content)


def newer(path: Path) -> None:
    later = Migration("9999-later", ("CREATE TABLE later (x TEXT) STRICT",))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, 0.0, (*MIGRATIONS, later))


def half_migrated(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP TABLE replays")


@pytest.mark.parametrize("harm", [zeroed, truncated, garbled, damaged_inside, newer, half_migrated])
def test_promise_46_a_useless_database_is_set_aside(
    path: Path, harm: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """A database that cannot be used is kept under another name, an error says so, and a fresh one takes rows."""
    filled(path)
    harm(path)
    harmed = path.read_bytes()
    with caplog.at_level(logging.ERROR), opened(path) as connection:
        assert count(connection) == 0
    [kept] = aside(path)
    assert kept.read_bytes() == harmed
    assert "was set aside" in caplog.text


def test_promise_46_a_garbage_log_is_set_aside(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A log that is no log is kept under another name and reported; the rows that were checkpointed stay."""
    filled(path, 10)
    log_of(path).write_bytes(os.urandom(10_000))
    with caplog.at_level(logging.ERROR), opened(path) as connection:
        assert count(connection) == 10
    assert [kept.name.partition(".set-aside")[0] for kept in aside(path)] == ["shadow.db-wal"]
    assert "its commits are missing" in caplog.text


def test_a_directory_in_the_way_is_an_error(path: Path) -> None:
    """What cannot be opened for another reason than its content raises StoreError and is not set aside."""
    path.mkdir()
    with pytest.raises(StoreError) as raised:
        open_database(path)
    assert (raised.value.trouble, aside(path)) == (Trouble.FAILED, [])


def test_a_locked_database_is_not_set_aside(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that another process is writing to is waited for, then left alone."""
    monkeypatch.setattr("shadow.store.files.PRAGMAS", ("PRAGMA busy_timeout = 1", "PRAGMA journal_mode = WAL"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError) as raised:
            open_database(path)
    assert (raised.value.trouble, aside(path)) == (Trouble.LOCKED, [])


def test_an_old_sqlite_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SQLite without STRICT tables ends the start with a sentence that says what is needed."""
    monkeypatch.setattr("shadow.store.files.LEAST_SQLITE", (99, 0, 0))
    with pytest.raises(StoreError, match=r"too old: 99\.0\.0 or later"):
        open_database(path)


@pytest.fixture
def large(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database that counts as too large to be read as a whole."""
    filled(path)
    monkeypatch.setattr("shadow.store.files.CHECKED_BYTES", 1000)
    return path


def test_a_large_database_is_checked_in_samples(large: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A start takes no longer because there are many rows, and says what was not done."""
    with caplog.at_level(logging.INFO), opened(large) as connection:
        assert count(connection) == 300
    assert "checked in samples" in caplog.text


@pytest.mark.parametrize("harm", [zeroed, truncated, garbled, damaged_inside, newer, half_migrated])
def test_promise_46_a_useless_large_database_is_set_aside(large: Path, harm: Callable[[Path], None]) -> None:
    """Samples find what is wrong with a large part of a file."""
    harm(large)
    with opened(large) as connection:
        assert count(connection) == 0
    assert len(aside(large)) == 1


def test_a_large_database_without_rows_is_used(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to sample where retention has deleted everything."""
    monkeypatch.setattr("shadow.store.files.CHECKED_BYTES", 0)
    filled(path, 0)
    with opened(path) as connection:
        assert count(connection) == 0
