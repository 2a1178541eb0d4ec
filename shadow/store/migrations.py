"""Brings a database to this release's schema, one named migration at a time, or says that it cannot be used.

The table `migrations` holds the names of those that ran. A database is usable when these are a prefix of
`shadow.store.schema.MIGRATIONS` and its tables have exactly the columns that this prefix makes; anything else, such as
a newer release's tables or the remains of a half-done change, raises `UnusableError`.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing

from shadow.store.errors import UnusableError
from shadow.store.schema import APPLICATION_ID, MIGRATIONS, Migration

HISTORY = "CREATE TABLE migrations (name TEXT NOT NULL PRIMARY KEY, applied_at REAL NOT NULL) STRICT, WITHOUT ROWID"

Columns = frozenset[tuple[str, str, str, int, int]]  # table, column, type, not null, place in the primary key


def migrate(
    connection: sqlite3.Connection, now: float, migrations: Sequence[Migration] = MIGRATIONS
) -> tuple[str, ...]:
    """Run what has not run yet and return its names. `connection` is in autocommit mode.

    Raises UnusableError, having changed nothing, and sqlite3.Error.
    """
    done = applied(connection)
    names = [migration.name for migration in migrations]
    if done != names[: len(done)]:
        raise UnusableError("its migrations are not those of this release: it is newer, or not a database of ours")
    if columns(connection) != expected(migrations[: len(done)], blank=not done):
        raise UnusableError("its tables are not what its migrations make: a change was left half done")
    for migration in migrations[len(done) :]:
        _run(connection, migration, now)
    return tuple(names[len(done) :])


def applied(connection: sqlite3.Connection) -> list[str]:
    """The names of the migrations that ran, in order. Empty for a blank file."""
    known = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'migrations'").fetchone()
    return [name for (name,) in connection.execute("SELECT name FROM migrations ORDER BY name")] if known else []


def columns(connection: sqlite3.Connection) -> Columns:
    """Every column of every table, which tells one schema from another whatever release of SQLite wrote it."""
    query = """SELECT m.name, c.name, c.type, c."notnull", c.pk FROM sqlite_schema m, pragma_table_xinfo(m.name) c
               WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'"""
    return frozenset(connection.execute(query))


def expected(migrations: Sequence[Migration], *, blank: bool) -> Columns:
    """The columns that these migrations make, found by running them in memory."""
    if blank:
        return frozenset()
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as scratch:
        for migration in migrations:
            _run(scratch, migration, 0.0)
        return columns(scratch)


def _run(connection: sqlite3.Connection, migration: Migration, now: float) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not applied(connection) and not columns(connection):
            connection.execute(HISTORY)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        for statement in migration.statements:
            connection.execute(statement)
        connection.execute("INSERT INTO migrations VALUES (?, ?)", (migration.name, now))
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
