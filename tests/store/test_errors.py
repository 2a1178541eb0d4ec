import sqlite3

import pytest

from shadow.store.errors import Trouble, trouble


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_FULL, Trouble.DISK_FULL),
        (sqlite3.SQLITE_BUSY, Trouble.LOCKED),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, Trouble.LOCKED),
        (sqlite3.SQLITE_CORRUPT, Trouble.DAMAGED),
        (sqlite3.SQLITE_NOTADB, Trouble.DAMAGED),
        (sqlite3.SQLITE_IOERR_WRITE, Trouble.FAILED),
        (None, Trouble.FAILED),
    ],
)
def test_errors_have_a_kind(code: int | None, expected: Trouble) -> None:
    """Result codes, extended ones too, are told apart; an error without one has simply failed."""
    error = sqlite3.OperationalError("no")
    if code is not None:
        error.sqlite_errorcode = code
    assert trouble(error) is expected
