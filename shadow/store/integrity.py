"""The full check of a database: every page and every row of every table, read beside whoever is writing.

A start reads a small database as a whole and samples a large one (`shadow.store.files`). This reads everything, table
by table: as long as one is read, the log cannot be emptied, so that no snapshot is held longer than it has to be.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from shadow.store.errors import Trouble, trouble
from shadow.store.reading import connections, unreadable

TABLES: Final = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY rowid"
FINDINGS: Final = 5  # of one table: nobody mends a database by hand
WELL: Final = "ok"


def check(path: Path) -> Iterator[tuple[str, str]]:
    """Each table's name, and `ok` or what is wrong with it. Raises StoreError where the file cannot be read."""
    try:
        with connections(path) as opened:
            connection = opened[0]
            for table in [name for (name,) in connection.execute(TABLES)]:
                yield table, _found(connection, table)
                connection.execute("ROLLBACK")  # nothing was written, and after damage nothing can be committed
                connection.execute("BEGIN")
    except sqlite3.Error as error:
        raise unreadable(path, error) from error


def _found(connection: sqlite3.Connection, table: str) -> str:
    try:
        rows = connection.execute(f"PRAGMA integrity_check('{table}')").fetchmany(FINDINGS)
        return "; ".join(" ".join(found.split()) for (found,) in rows)
    except sqlite3.Error as error:
        if trouble(error) is Trouble.DAMAGED:
            return str(error)
        raise
