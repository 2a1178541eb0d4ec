import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from shadow.store.bodies import BODY_COLUMNS
from shadow.store.errors import UnusableError
from shadow.store.migrations import applied, columns, migrate
from shadow.store.rows import EXCHANGE_COLUMNS, REPLAY_COLUMNS
from shadow.store.schema import APPLICATION_ID, MIGRATIONS, Migration

NAMES = [migration.name for migration in MIGRATIONS]
LATER = Migration("9999-later", ("ALTER TABLE exchanges ADD COLUMN colour TEXT",))


@pytest.fixture
def blank() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        yield connection


def test_a_blank_file_gets_every_migration(blank: sqlite3.Connection) -> None:
    """In a file without tables all migrations run, and the file is marked as ours."""
    assert list(migrate(blank, 1.0)) == NAMES
    assert applied(blank) == NAMES
    assert blank.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)


def test_the_tables_have_the_columns_that_are_written(blank: sqlite3.Connection) -> None:
    """Rows and tables name the same columns; `sent_at` alone is written apart, and SQLite numbers bodies."""
    migrate(blank, 1.0)
    tables = {"exchanges": EXCHANGE_COLUMNS, "replays": (*REPLAY_COLUMNS, "sent_at"), "bodies": BODY_COLUMNS}
    written = {(table, column) for table, names in tables.items() for column in names}
    made = {(table, column) for table, column, *_ in columns(blank) if table in tables}
    assert made == written | {("bodies", "body_id")}


def test_a_migrated_file_is_left_alone(blank: sqlite3.Connection) -> None:
    """A second start runs nothing."""
    migrate(blank, 1.0)
    assert migrate(blank, 2.0) == ()


@pytest.mark.parametrize("earlier", range(len(MIGRATIONS)))
def test_every_earlier_schema_is_brought_up(blank: sqlite3.Connection, earlier: int) -> None:
    """A file of any earlier release ends with the tables of a fresh one."""
    migrate(blank, 1.0, MIGRATIONS[:earlier])
    assert list(migrate(blank, 2.0)) == NAMES[earlier:]


def test_a_later_migration_keeps_the_rows(blank: sqlite3.Connection) -> None:
    """What a release adds is added to the tables that hold rows already."""
    migrate(blank, 1.0)
    blank.execute("INSERT INTO exchanges (exchange_id, outcome, method, path) VALUES (x'00', 'complete', 'GET', '/')")
    assert migrate(blank, 2.0, (*MIGRATIONS, LATER)) == (LATER.name,)
    assert blank.execute("SELECT outcome, colour FROM exchanges").fetchall() == [("complete", None)]


def test_a_newer_schema_is_not_touched(blank: sqlite3.Connection) -> None:
    """A file that a newer release wrote is refused."""
    migrate(blank, 1.0, (*MIGRATIONS, LATER))
    with pytest.raises(UnusableError, match="newer"):
        migrate(blank, 2.0)


def test_a_foreign_database_is_not_touched(blank: sqlite3.Connection) -> None:
    """Another program's database is refused, not extended."""
    blank.execute("CREATE TABLE invoices (id INTEGER)")
    with pytest.raises(UnusableError, match="half done"):
        migrate(blank, 1.0)


def test_a_half_done_migration_is_noticed(blank: sqlite3.Connection) -> None:
    """A file whose tables are not what its history says is refused."""
    migrate(blank, 1.0)
    blank.execute("ALTER TABLE exchanges DROP COLUMN generation_id")
    with pytest.raises(UnusableError, match="half done"):
        migrate(blank, 2.0)


def test_a_failing_migration_leaves_nothing_behind(blank: sqlite3.Connection) -> None:
    """A migration that breaks off is undone as a whole, and its name is not kept."""
    migrate(blank, 1.0)
    before = columns(blank)
    broken = Migration("9999-broken", (*LATER.statements, "ALTER TABLE nothing ADD COLUMN x TEXT"))
    with pytest.raises(sqlite3.OperationalError, match="nothing"):
        migrate(blank, 2.0, (*MIGRATIONS, broken))
    assert (columns(blank), applied(blank)) == (before, NAMES)
