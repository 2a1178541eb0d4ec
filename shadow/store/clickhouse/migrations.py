"""Brings a server to this release's schema, or says why it cannot be used."""

from typing import Final

from shadow.store.clickhouse.client import Client
from shadow.store.clickhouse.errors import UNKNOWN_DATABASE, UNKNOWN_TABLE, ClickHouseError, Refusal
from shadow.store.clickhouse.schema import CREATE_DATABASE, MIGRATIONS, statements

OURS: Final = tuple(migration.name for migration in MIGRATIONS)


async def prepare(client: Client, *, create: bool) -> tuple[str, ...]:
    """The names of the migrations that were run now. Raises ClickHouseError where rows cannot be sent."""
    done = await applied(client)
    check(client.database, done, complete=not create)
    missing = MIGRATIONS[len(done) :]
    if missing:
        await client.execute(CREATE_DATABASE.format(database=client.database))
    for migration in missing:
        for statement in statements(migration, client.database):
            await client.execute(statement)
    return tuple(migration.name for migration in missing)


async def applied(client: Client) -> tuple[str, ...]:
    """The names of the migrations that ran there, in order; none where there is no database."""
    try:
        rows = await client.select(f"SELECT DISTINCT name FROM {client.database}.migrations ORDER BY name")  # noqa: S608 (an identifier)
    except ClickHouseError as error:
        if error.code in (UNKNOWN_TABLE, UNKNOWN_DATABASE):
            return ()
        raise
    return tuple(name for (name,) in rows)


def check(database: str, done: tuple[str, ...], *, complete: bool) -> None:
    """Raise ClickHouseError for tables of a newer release, and with `complete` for missing or older ones."""
    if done != OURS[: len(done)]:
        text = f"the tables in ClickHouse's database {database} were made by a newer release: update this one"
        raise ClickHouseError(Refusal.SCHEMA, text)
    if complete and done != OURS:
        text = f"ClickHouse's database {database} lacks tables: run what `shadow schema --clickhouse` prints"
        raise ClickHouseError(Refusal.SCHEMA, text)
