"""The sums that a report is computed from, out of the fleet's tables."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from shadow.config import ClickHouse
from shadow.report.totals import Scope, Totals
from shadow.store.clickhouse.client import Client
from shadow.store.clickhouse.migrations import applied, check
from shadow.store.clickhouse.sums import Ask, Share
from shadow.store.engines import add_up

TIMEOUT_S: Final = 600.0  # of one query, over a billion rows
SIDE_BY_SIDE: Final = 2  # queries: an old server reads with FINAL in one thread, and others want it too
SETTINGS: Final = {
    "max_query_size": str(16 << 20),  # the names of two hundred segments stand in a query
    "max_bytes_before_external_group_by": str(512 << 20),  # what is grouped beyond goes to the server's disk
}


def read(settings: ClickHouse, scope: Scope) -> Totals:
    """The sums of all pods over a scope. Raises StoreError where there are no tables of this release to read."""
    with asking(settings) as ask:
        share = Share(ask, settings.database, scope)
        return add_up([share], share.ends(), scope)


def arms(settings: ClickHouse, scope: Scope) -> tuple[str, ...]:
    """Every arm that has a replay in the scope's period, whatever its other conditions. Raises as `read` does."""
    with asking(settings) as ask:
        return tuple(sorted(Share(ask, settings.database, replace(scope, candidate=None, where=())).arms()))


@contextmanager
def asking(settings: ClickHouse) -> Iterator[Ask]:
    """Asks the server from a thread that may be any: one that adds up is not the one that began."""
    with asyncio.Runner() as runner:
        client = Client(settings, TIMEOUT_S)
        try:
            check(client.database, runner.run(applied(client)), complete=True)
            yield lambda queries: runner.run(_all(client, queries))
        finally:
            runner.run(client.close())


async def _all(client: Client, queries: Sequence[str]) -> list[Iterator[list[Any]]]:
    turn = asyncio.Semaphore(SIDE_BY_SIDE)

    async def one(query: str) -> Iterator[list[Any]]:
        async with turn:
            return await client.rows(query, SETTINGS)

    return list(await asyncio.gather(*map(one, queries)))
