"""What can go wrong with a store, as one exception with a kind from a closed set."""

import sqlite3
from enum import StrEnum
from typing import Final


class Trouble(StrEnum):
    """Why the store could not do what it was asked: a metric label, hence few."""

    DISK_FULL = "disk_full"
    READER_HOLDS_LOG = "reader_holds_log"  # someone reads an old snapshot, and the write-ahead log is at its bound
    LOCKED = "locked"  # another process writes to the same file
    DAMAGED = "damaged"  # set aside; a fresh database takes its place
    CLOSED = "closed"
    FAILED = "failed"  # any other error of the disk or the database


class StoreError(Exception):
    """Nothing was stored; the same call may succeed later. The text names files and errors, never values."""

    def __init__(self, trouble: Trouble, text: str) -> None:
        super().__init__(text)
        self.trouble: Final = trouble


class UnusableError(Exception):
    """The file is no database of this program that this release can use."""


# Primary result codes (https://sqlite.org/rescode.html): extended ones share the low eight bits.
_TROUBLES: Final = {
    sqlite3.SQLITE_FULL: Trouble.DISK_FULL,
    sqlite3.SQLITE_BUSY: Trouble.LOCKED,
    sqlite3.SQLITE_LOCKED: Trouble.LOCKED,
    sqlite3.SQLITE_CORRUPT: Trouble.DAMAGED,
    sqlite3.SQLITE_NOTADB: Trouble.DAMAGED,
}


def trouble(error: sqlite3.Error) -> Trouble:
    """The kind of trouble that an error of SQLite is."""
    code = getattr(error, "sqlite_errorcode", None)  # absent where the module itself raised it
    return Trouble.FAILED if code is None else _TROUBLES.get(code & 0xFF, Trouble.FAILED)
