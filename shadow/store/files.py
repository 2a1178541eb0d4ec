"""The files of a database: made private, opened, or set aside when they are of no use."""

import glob
import os
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from shadow.events import Event
from shadow.log import tell
from shadow.store.errors import StoreError, Trouble, UnusableError, trouble
from shadow.store.migrations import migrate

LEAST_SQLITE: Final = (3, 37, 0)  # the first release with STRICT tables
WAL_MAGICS: Final = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")  # https://sqlite.org/fileformat2.html#walformat
BUSY_MS: Final = 5000  # an earlier recorder that is just dying lets go within this time
CHECKED_BYTES: Final = 16 << 20  # read in half a second from a cold disk; a larger file is sampled, to start fast
PROBES: Final = 100  # rows read of each table of a larger file; what they miss shows when it is read or written
PROBES_S: Final = 0.5
KEPT_LOG_BYTES: Final = 8 << 20  # the log's size in normal service: cut back to it after a long reader

# Before the first table of a blank file, and never again: it rewrites the header even of a file that is of no use.
GIVE_SPACE_BACK: Final = "PRAGMA auto_vacuum = INCREMENTAL"
TABLES_BY_ID: Final = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name IN ('exchanges', 'replays')"
PRAGMAS: Final = (
    f"PRAGMA busy_timeout = {BUSY_MS}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # a commit that was acknowledged survives the power failing
    "PRAGMA secure_delete = ON",
    f"PRAGMA journal_size_limit = {KEPT_LOG_BYTES}",
)


def open_database(path: Path) -> sqlite3.Connection:
    """A connection to the database in `path`: checked, migrated, in autocommit mode, readable by its owner only.

    A file that is of no use is set aside with a timestamp and a fresh one takes its place. Raises StoreError where
    the disk or the permissions forbid it.
    """
    if sqlite3.sqlite_version_info < LEAST_SQLITE:
        least = ".".join(map(str, LEAST_SQLITE))
        raise StoreError(Trouble.FAILED, f"SQLite {sqlite3.sqlite_version} is too old: {least} or later is needed")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _set_aside_garbage_log(path)
        try:
            return _connect(path)
        except UnusableError as error:
            set_aside(path, str(error))
            return _connect(path)
    except (OSError, UnusableError) as error:
        raise StoreError(Trouble.FAILED, f"{path} cannot be opened: {error}") from error
    except sqlite3.Error as error:
        raise StoreError(trouble(error), f"{path} cannot be opened: {error}") from error


def set_aside(path: Path, why: str) -> None:
    """Rename a database and what belongs to it, so that nothing is lost and a fresh one can be made."""
    stamp = f"set-aside-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    for file in (path, log_of(path)):
        if file.exists():
            file.rename(file.with_name(f"{file.name}.{stamp}"))
    index_of(path).unlink(missing_ok=True)  # derived from the log: of no use without it
    tell(Event.STORE_SET_ASIDE, path=path, aside=f"{path.name}.{stamp}", reason=why)


def set_aside_beside(path: Path) -> list[Path]:
    """What was set aside of a database: nobody knows what it holds."""
    return sorted(path.parent.glob(f"{glob.escape(path.name)}*.set-aside-*"))


def log_of(path: Path) -> Path:
    """The write-ahead log of a database."""
    return path.with_name(f"{path.name}-wal")


def index_of(path: Path) -> Path:
    """The shared-memory index of a database's write-ahead log."""
    return path.with_name(f"{path.name}-shm")


def _connect(path: Path) -> sqlite3.Connection:
    _make_private(path)
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        if path.stat().st_size == 0:
            connection.execute(GIVE_SPACE_BACK)
        for pragma in PRAGMAS:
            connection.execute(pragma)
        _check(connection, path)
        for name in migrate(connection, time.time()):
            tell(Event.STORE_MIGRATED, path=path, migration=name)
    except sqlite3.Error as error:
        connection.close()
        if trouble(error) is Trouble.DAMAGED:
            raise UnusableError(str(error)) from error
        raise
    except UnusableError:
        connection.close()
        raise
    return connection


def _make_private(path: Path) -> None:
    """SQLite gives the log and its index the mode of the database, so that is made first."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    for file in (path, log_of(path), index_of(path)):
        if file.exists():
            file.chmod(0o600)


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Read all of a small database and a sample of a large one. SQLite itself notices one that was truncated."""
    if path.stat().st_size > CHECKED_BYTES:
        tell(Event.STORE_SAMPLED, path=path)
        _probe(connection)
    elif (found := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise UnusableError(f"the quick check failed: {found}")


def _probe(connection: sqlite3.Connection) -> None:
    """Read rows from all over the file: damage to their pages, or to those on the way to them, is an error."""
    until = time.monotonic() + PROBES_S
    tables = [table for (table,) in connection.execute(TABLES_BY_ID)]
    for table in tables:
        # Each end in a query of its own: one query for both reads the whole table.
        query = f"SELECT (SELECT min(exchange_id) FROM {table}), (SELECT max(exchange_id) FROM {table})"  # noqa: S608
        low, high = (int.from_bytes(one or b"") for one in connection.execute(query).fetchone())
        query = f"SELECT * FROM {table} WHERE exchange_id >= ? ORDER BY exchange_id LIMIT 1"  # noqa: S608
        for number in range(PROBES):
            connection.execute(query, ((low + (high - low) * number // PROBES).to_bytes(16),)).fetchone()
            if time.monotonic() > until:
                return


def _set_aside_garbage_log(path: Path) -> None:
    """SQLite takes a log it cannot read for an empty one, without a word: keep it, and say so."""
    wal = log_of(path)
    if not wal.exists() or not wal.stat().st_size:
        return
    with wal.open("rb") as file:
        if file.read(4) in WAL_MAGICS:
            return
    stamp = f"set-aside-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    wal.rename(wal.with_name(f"{wal.name}.{stamp}"))
    tell(Event.STORE_LOG_SET_ASIDE, path=wal, aside=f"{wal.name}.{stamp}")
