"""`Database`: a database's file through the one connection that writes to it.

Whatever touches the connection runs in the writer's thread; `trouble` and `log_is_long` do not touch it, and may be
asked between two steps.

The connection is opened again where the file was removed, or was damaged and set aside. It checkpoints, too, because
SQLite before 3.51.3 may lose commits where a second one does (https://sqlite.org/wal.html, "WAL-reset bug").
"""

import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from shadow.events import Event
from shadow.log import tell, where
from shadow.store.errors import StoreError, Trouble, trouble
from shadow.store.files import BUSY_MS, log_of, open_database, set_aside
from shadow.store.limits import Limits

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
Prepare = Work[None]


class Database:
    """The file in `path`, opened. `prepare` is called with every connection before it writes. Raises StoreError."""

    def __init__(self, path: Path, limits: Limits, prepare: Prepare | None = None) -> None:
        self._path: Final = path
        self._limits = limits
        self._prepare = prepare
        self._connection: sqlite3.Connection | None = None  # None after damage, until it can be opened again
        self._identity: tuple[int, int] | None = None
        self._checkpoint_after = 0.0
        self._log_to_empty = False
        self.trouble: Trouble | None = None  # why the last attempt to write failed
        self._connected()

    def transact(self, work: Work[T]) -> T:
        """Do the work in one transaction. Raises StoreError, and then nothing of it is stored."""
        try:
            if self._log_bytes() > self._limits.log_max_bytes and not self.checkpoint():
                raise StoreError(Trouble.READER_HOLDS_LOG, "a reader of an old snapshot keeps the log from shrinking")
            result = self._attempt(work)
        except StoreError as error:
            self._note(error.trouble, str(error))
            raise
        except sqlite3.Error as error:
            kind = trouble(error)
            self._note(kind, str(error))
            if kind is Trouble.DAMAGED:
                self._replace(str(error))
            raise StoreError(kind, str(error)) from error
        except Exception as error:  # a mistake of ours; its text may quote a row
            self._note(Trouble.FAILED, where(error))
            raise StoreError(Trouble.FAILED, where(error)) from error
        self._note(None, "")
        return result

    def checkpoint(self) -> bool:
        """Move the log into the database and empty it. False where a reader of an old snapshot is in the way."""
        try:
            connection = self._connected()
            connection.execute(f"PRAGMA busy_timeout = {self._limits.checkpoint_wait_ms}")
            try:
                busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        except (sqlite3.Error, StoreError) as error:
            tell(Event.STORE_LOG_FULL, path=self._path, reason=error)
            return False
        return not busy

    def empty_log(self) -> bool:
        """Checkpoint: now, or at a later `bound_log` where a reader is in the way."""
        self._log_to_empty = not self.checkpoint()
        return not self._log_to_empty

    @property
    def log_is_long(self) -> bool:
        """Whether `bound_log` has something to do."""
        wanted = self._log_to_empty or self._log_bytes() > self._limits.log_restart_bytes
        return wanted and time.monotonic() >= self._checkpoint_after

    def bound_log(self) -> None:
        """Cut back a log that ordinary checkpoints could not, now and then: readers may be in the way."""
        self._log_to_empty = not self.checkpoint() and self._log_to_empty
        self._checkpoint_after = time.monotonic() + self._limits.checkpoint_pause_s

    def close(self) -> None:
        """The next transaction opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _attempt(self, work: Work[T]) -> T:
        connection = self._connected()
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(connection)
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:  # a full disk may have rolled it back already
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
        return result

    def _connected(self) -> sqlite3.Connection:
        """The connection to the file that is in its place now: rows must not vanish into one that was removed."""
        if self._connection is not None and _identity(self._path) != self._identity:
            tell(Event.STORE_GONE, path=self._path)
            self.close()
        if self._connection is None:
            self._connection = _open(self._path, self._prepare)
            self._identity = _identity(self._path)
        return self._connection

    def _replace(self, why: str) -> None:
        """Set a damaged database aside; the next transaction opens a fresh one."""
        self.close()
        try:
            set_aside(self._path, why)
        except OSError as error:
            tell(Event.STORE_UNMOVED, path=self._path, reason=error)

    def _log_bytes(self) -> int:
        try:
            return log_of(self._path).stat().st_size
        except OSError:
            return 0

    def _note(self, kind: Trouble | None, text: str) -> None:
        """Log a trouble when it begins and when it ends, not for every commit between."""
        if kind is self.trouble:
            return
        if kind is None:
            tell(Event.STORE_WELL, path=self._path)
        else:
            tell(Event.STORE_TROUBLED, path=self._path, trouble=kind, reason=text)
        self.trouble = kind


def _open(path: Path, prepare: Prepare | None) -> sqlite3.Connection:
    connection = open_database(path)
    try:
        if prepare is not None:
            prepare(connection)
    except sqlite3.Error as error:
        connection.close()
        raise StoreError(trouble(error), f"{path} cannot be prepared: {error}") from error
    return connection


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
