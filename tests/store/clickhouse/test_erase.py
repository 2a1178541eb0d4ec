import asyncio
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from shadow.cli import main
from shadow.store.clickhouse.client import Client
from shadow.store.clickhouse.erase import LOOK_S, PATIENCE_S, erase
from shadow.store.clickhouse.errors import ClickHouseError
from shadow.store.clickhouse.migrations import prepare
from shadow.store.clickhouse.sql import literal
from shadow.store.files import open_database
from tests.clickhouse import Database
from tests.end_to_end.sidecar import free_addresses

ROW = "exchange_id, day, pod, version, tenant"
VALUES = "unhex('01890000000070008000000000000000'), '2026-05-28', 'pod-1'"


async def prepared(database: Database, *tenants: str) -> Client:
    """Tables with two versions of an exchange of each tenant, and a replay."""
    client = Client(database.settings, 10)
    await prepare(client, create=True)
    for version, tenant in enumerate((*tenants, *tenants)):
        database.ask(f"INSERT INTO DB.exchanges ({ROW}) VALUES ({VALUES}, {version}, {literal(tenant)})")  # noqa: S608
    for tenant in tenants:
        database.ask(f"INSERT INTO DB.replays ({ROW}, arm) VALUES ({VALUES}, 0, {literal(tenant)}, 'f')")  # noqa: S608
    return client


@pytest.mark.parametrize("tenant", ["acme", "o'neill"])
async def test_a_tenant_is_gone(clickhouse_database: Database, tenant: str) -> None:
    """Every row, superseded versions too, in both tables; the others' rows stay."""
    client = await prepared(clickhouse_database, tenant, "globex")
    assert await erase(client, tenant) == 3
    assert clickhouse_database.ask("SELECT DISTINCT tenant FROM DB.exchanges FORMAT JSONCompact") == [["globex"]]
    assert clickhouse_database.ask("SELECT DISTINCT tenant FROM DB.replays FORMAT JSONCompact") == [["globex"]]
    assert await erase(client, tenant) == 0
    await client.close()


class Busy(Client):
    """A server that never gets round to its mutations."""

    async def execute(self, statement: str) -> None:
        assert "DELETE" in statement

    async def select(self, *_: object) -> list[list[object]]:
        return [[1]]


async def test_a_server_that_is_never_done_is_told_of(clickhouse_database: Database) -> None:
    """Nobody is told that rows are gone which are not."""
    waited: list[float] = []

    async def note(seconds: float) -> None:
        waited.append(seconds)

    with pytest.raises(ClickHouseError, match="ask again later"):
        await erase(Busy(clickhouse_database.settings, 10), "acme", note)
    assert sum(waited) == PATIENCE_S
    assert set(waited) == {LOOK_S}


def configured(directory: Path, url: str, database: str) -> list[str]:
    """The command, with a store of no rows, beside no service."""
    open_database(directory / "shadow.db").close()
    config = {
        "upstream": {"url": "https://openrouter.ai"},
        "admin": {"listen": free_addresses(1)[0]},
        "store": {"clickhouse": {"url": url, "database": database}},
    }
    (directory / "shadow.yaml").write_text(yaml.safe_dump(config))
    return ["erase", "-c", str(directory / "shadow.yaml"), "--tenant", "acme", "--yes"]


async def test_the_command_erases_here_too(clickhouse_database: Database, tmp_path: Path) -> None:
    """After the pod's own database, and it says how much it was."""
    await (await prepared(clickhouse_database, "acme", "globex")).close()
    settings = clickhouse_database.settings
    command = configured(tmp_path, settings.url, settings.database)
    result = await asyncio.to_thread(CliRunner().invoke, main, command)
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"ClickHouse at {settings.url}: 3 rows deleted, none left" in result.stdout


def test_a_server_that_is_away_is_told(tmp_path: Path, nobody: str) -> None:
    """What was erased and what was not, with an exit code that says so."""
    result = CliRunner().invoke(main, configured(tmp_path, f"http://{nobody}", "shadow"))
    assert result.exit_code == 3
    assert "shadow: erased in this pod, and not in ClickHouse: " in result.stderr
