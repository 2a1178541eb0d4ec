"""Removes a tenant's rows from ClickHouse, waits until they are gone, and proves it by counting."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from shadow.store.clickhouse.client import Client
from shadow.store.clickhouse.errors import ClickHouseError, Refusal
from shadow.store.clickhouse.sql import literal

TABLES: Final = ("exchanges", "replays")
LOOK_S: Final = 0.5  # between two looks at whether the server is done: it rewrites whole parts
PATIENCE_S: Final = 3600.0  # after that it goes on all the same, and may be asked again

Sleep = Callable[[float], Awaitable[None]]


async def erase(client: Client, tenant: str, sleep: Sleep = asyncio.sleep) -> int:
    """Delete every row of a tenant, superseded ones as well; how many there were. Raises ClickHouseError.

    The sidecars' own databases come first, or one may send its rows again. To repeat it is harmless.
    """
    erased = 0
    for table in TABLES:
        erased += (count := await _count(client, table, tenant))
        if count:
            condition = f"tenant = {literal(tenant)}"
            await client.execute(f"ALTER TABLE {client.database}.{table} DELETE WHERE {condition}")
    waited_s = 0.0
    while await _working(client):
        if waited_s >= PATIENCE_S:
            raise ClickHouseError(Refusal.OVERLOADED, "ClickHouse has not deleted the rows yet: ask again later")
        await sleep(LOOK_S)
        waited_s += LOOK_S
    left = sum([await _count(client, table, tenant) for table in TABLES])
    if left:
        raise ClickHouseError(Refusal.FAILED, f"{left} rows came again meanwhile: erase them in every pod first")
    return erased


async def _count(client: Client, table: str, tenant: str) -> int:
    query = f"SELECT count() FROM {client.database}.{table} WHERE tenant = {literal(tenant)}"  # noqa: S608 (a literal)
    ((count,),) = await client.select(query)
    return int(count)


async def _working(client: Client) -> bool:
    query = f"SELECT count() FROM system.mutations WHERE database = {literal(client.database)} AND NOT is_done"  # noqa: S608
    ((count,),) = await client.select(query)
    return bool(count)
