"""`shadow erase`: a tenant's rows and bodies, everywhere."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import click

from shadow.cli.ends import EXIT_STORE, fail, read
from shadow.cli.options import config_option

if TYPE_CHECKING:
    from shadow.config import ClickHouse, Config

ANSWER_S: Final = 35.0  # the admin port waits 30 s for the recorder


@click.command()
@config_option()
@click.option("--tenant", required=True, help="The tenant, as reports name it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(config_path: Path, tenant: str, yes: bool) -> None:
    """Remove a tenant's rows and bodies, on the disk too, and count before and after.

    Where the service runs, its recorder does it while traffic goes on; else this command does.
    """
    import asyncio

    from shadow.cli.recorder import RecorderError
    from shadow.store.erasure import count
    from shadow.store.errors import StoreError
    from shadow.store.files import set_aside_beside

    config = read(config_path, secrets=False)
    path = config.store.path
    try:
        before = count(path, tenant)
        click.echo(f"before: {before} of {tenant!r} in {path}")
        if not yes and not click.confirm("Delete them for good?"):
            fail("nothing was erased")
        if not asyncio.run(_by_recorder(config, tenant)):
            _by_itself(config, tenant)
        if sys.stderr.isatty():
            click.echo(err=True)  # below the progress
        after = count(path, tenant)
    except (StoreError, RecorderError) as error:
        fail(f"not erased: {error}", EXIT_STORE)
    click.echo(f"after: {after}")
    if config.store.clickhouse is not None:
        _in_clickhouse(config.store.clickhouse, tenant)
    for file in set_aside_beside(path):
        click.echo(f"not looked into, as it is damaged: {file}; delete it if the tenant may be in it")
    if after:
        fail("the tenant is still sending: stop its traffic, then erase again", EXIT_STORE)
    click.echo("Overwritten in the file and its log.")


def _in_clickhouse(settings: "ClickHouse", tenant: str) -> None:
    """Where the rows of many pods meet: after this pod's own, or they would be sent again."""
    import asyncio

    from shadow.store.clickhouse.client import Client
    from shadow.store.clickhouse.erase import erase as erase_there
    from shadow.store.clickhouse.errors import ClickHouseError

    async def run() -> int:
        client = Client(settings, ANSWER_S)
        try:
            return await erase_there(client, tenant)
        finally:
            await client.close()

    try:
        click.echo(f"ClickHouse at {settings.url}: {asyncio.run(run()):,} rows deleted, none left")
    except ClickHouseError as error:
        fail(f"erased in this pod, and not in ClickHouse: {error}", EXIT_STORE)


def _by_itself(config: "Config", tenant: str) -> None:
    """With a store of this process's own. Raises StoreError, also where another process has it open."""
    import asyncio

    from shadow.store.erasure import refuse_in_use
    from shadow.store.hold import held
    from shadow.store.sqlite import SQLiteStore

    async def run() -> None:
        store = await SQLiteStore.open(config.store.path, ship_to=config.store.ship_to)
        try:
            await store.erase(tenant, _progress)
        finally:
            await store.close()

    with held(config.store.path):  # a recorder that starts meanwhile would write to a file that is being overwritten
        refuse_in_use(config.store.path)
        asyncio.run(run())


async def _by_recorder(config: "Config", tenant: str) -> bool:
    """Have the running recorder do it, and wait. False where no service runs. Raises RecorderError."""
    import asyncio

    from shadow.cli.recorder import ASK_EVERY_S, RecorderError, running

    page = f"/-/erase?tenant={quote(tenant, safe='')}"
    async with running(config) as recorder:
        if recorder is None:
            return False
        state = await recorder.ask("POST", page)
        while state["state"] == "running":
            _progress(state["deleted"])
            await asyncio.sleep(ASK_EVERY_S)
            state = await recorder.ask("GET", page)
    if state["state"] != "done":
        raise RecorderError(f"not wholly: {state['reason']}")
    return True


def _progress(deleted: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{deleted:,} rows deleted", err=True, nl=False)
