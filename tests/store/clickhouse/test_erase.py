import pytest

from shadow.store.clickhouse.client import Client
from shadow.store.clickhouse.erase import LOOK_S, PATIENCE_S, erase
from shadow.store.clickhouse.errors import ClickHouseError
from shadow.store.clickhouse.migrations import prepare
from shadow.store.clickhouse.sql import literal
from tests.clickhouse import Database

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
