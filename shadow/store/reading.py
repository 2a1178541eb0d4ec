"""Connections that read a database which another process may be writing, and change nothing."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

from shadow.store.errors import StoreError, Trouble, trouble
from shadow.store.files import log_of
from shadow.store.migrations import applied
from shadow.store.schema import APPLICATION_ID, MIGRATIONS

PARALLEL_BYTES: Final = 64 << 20  # below this a second connection costs more than it saves
BUSY_MS: Final = 5000  # a writer that starts or stops holds the file for less


class ForeignFileError(StoreError):
    """The file is something else than a database of this program."""

    def __init__(self, path: Path) -> None:
        super().__init__(Trouble.FAILED, f"{path} is not a database of this program")


@contextmanager
def connections(path: Path) -> Iterator[list[sqlite3.Connection]]:
    """One connection to the database, or two to a large one; each sees the database as it is now."""
    try:
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except OSError as error:
        raise StoreError(Trouble.FAILED, f"{path} cannot be read: {error.strerror}") from error
    count = 2 if size > PARALLEL_BYTES and (os.cpu_count() or 1) > 1 else 1
    with ExitStack() as stack:
        yield [stack.enter_context(closing(connect(path))) for _ in range(count)]


def unreadable(path: Path, error: sqlite3.Error) -> StoreError:
    """What an error of SQLite while reading means."""
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
        return ForeignFileError(path)
    return StoreError(trouble(error), f"{path} cannot be read: {error}")


def connect(path: Path) -> sqlite3.Connection:
    """A connection to a database of this release, in a transaction that has begun."""
    # Where no log is and none can be made, nobody writes either, and SQLite must be told so (sqlite.org/wal.html).
    frozen = not log_of(path).exists() and not os.access(path.parent, os.W_OK)
    uri = f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if frozen else ''}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        connection.execute("BEGIN")
        _check(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    ours = [migration.name for migration in MIGRATIONS]
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise ForeignFileError(path)
    done = applied(connection)
    if done != ours[: len(done)]:
        raise StoreError(Trouble.FAILED, f"{path} was made by a newer release: use that one to read it")
    if done != ours:
        raise StoreError(Trouble.FAILED, f"{path} was made by an older release: `shadow serve` brings it up to date")
