import re
from contextlib import closing
from pathlib import Path

import pytest

from shadow.store.clickhouse.encoding import HEAD_COLUMNS, OF_A_REPLAY
from shadow.store.clickhouse.schema import MIGRATIONS, PAIR_COLUMNS, columns, script
from shadow.store.files import open_database
from shadow.store.rows import EXCHANGE_COLUMNS
from tests.clickhouse import Current, Database

DEPLOYED = Path(__file__).parents[3] / "deploy" / "clickhouse"


def test_every_column_of_sqlite_has_its_place() -> None:
    """A column that is added to SQLite's tables needs a migration here too."""
    assert set(EXCHANGE_COLUMNS) == names("exchanges") - set(HEAD_COLUMNS) | {"exchange_id"}
    assert names("replays") >= OF_A_REPLAY


def test_what_a_pair_repeats_is_of_the_exchange() -> None:
    """A repeated fact has the name of the column that it repeats."""
    repeated = {name.removeprefix("primary_") for name in names("replays") - OF_A_REPLAY - set(PAIR_COLUMNS)}
    assert repeated <= names("exchanges")


def test_what_is_summed_up_of_a_pair_is_sent(tmp_path: Path) -> None:
    """Every figure that SQLite keeps of a pair while it is written, but for the numbers of its own."""
    with closing(open_database(tmp_path / "shadow.db")) as database:
        kept = {name for _, name, *_ in database.execute("PRAGMA table_info(pairs)")}
    assert set(PAIR_COLUMNS) == kept - {"arm", "segment", "exchange_id"}


def test_the_script_makes_the_tables(clickhouse_database: Database) -> None:
    """What `shadow schema --clickhouse` prints is all there is to run, and may be run twice."""
    for statement in statements(clickhouse_database.name) * 2:
        clickhouse_database.server.ask(statement)
    for table in ("exchanges", "replays"):
        described = clickhouse_database.ask(f"DESCRIBE TABLE DB.{table} FORMAT JSONCompact")
        assert [(name, kind) for name, kind, *_ in described] == [(one.name, one.type) for one in columns(table)]
    applied = clickhouse_database.ask("SELECT DISTINCT name FROM DB.migrations FORMAT JSONCompact")
    assert applied == [[migration.name] for migration in MIGRATIONS]


def test_the_script_makes_the_same_tables_today(current_clickhouse: Current) -> None:
    """A current release takes the same statements, and makes the same columns of them."""
    for statement in statements("script"):
        current_clickhouse.ask(statement)
    for table in ("exchanges", "replays"):
        described = current_clickhouse.ask(f"DESCRIBE TABLE script.{table}")
        assert [(name, kind) for name, kind, *_ in described] == [(one.name, one.type) for one in columns(table)]


@pytest.mark.parametrize("table", ["exchanges", "replays", "migrations"])
def test_replicas_share_their_path(table: str) -> None:
    """A replica finds its fellows by shard, database and table; nothing else differs from a single node's tables."""
    single, replicated = script("db"), script("db", replicated=True)
    engine = rf"ReplicatedReplacingMergeTree\('/clickhouse/tables/\{{shard\}}/db/{table}', '\{{replica\}}', "
    assert len(re.findall(engine, replicated)) == 1
    bare = re.sub(r"ReplicatedReplacingMergeTree\('[^']*', '[^']*', ", "ReplacingMergeTree(", replicated)
    assert bare == single


def names(table: str) -> set[str]:
    return {column.name for column in columns(table)}


def statements(database: str) -> list[str]:
    return [one for one in script(database).split(";\n") if one.strip()]


@pytest.mark.parametrize(("name", "replicated"), [("single-node", False), ("replicated", True)])
def test_the_deployed_tables_are_those_of_the_code(name: str, replicated: bool) -> None:
    """`shadow schema --clickhouse` prints what lies in deploy/."""
    assert (DEPLOYED / f"{name}.sql").read_text() == script(replicated=replicated)
