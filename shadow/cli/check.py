"""`shadow check`: would this configuration run, and reach what it names?"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from shadow.cli.ends import EXIT_STORE, EXIT_USAGE, fail, read
from shadow.cli.options import config_option

if TYPE_CHECKING:
    from shadow.config import Config


@click.command()
@config_option()
@click.option("--probe", "probed", is_flag=True, help="Also try to reach what it names.")
@click.option("--full", is_flag=True, help="Also read the whole database, beside a running service or without.")
def check(config_path: Path, probed: bool, full: bool) -> None:
    """Validate a configuration: every mistake at once, with its key path.

    With --probe, the upstream and every candidate are asked a harmless question with the candidate's own key, and the
    store's directory for room. With --full, every page and row of the database is checked, not only a sample as at a
    start: seconds for each gigabyte.
    """
    config = read(config_path)
    click.echo(f"{config_path}: ok")
    click.echo(f"  http://{config.listen}/… is forwarded to {config.upstream.url}/…")
    for arm in config.arms:
        click.echo(f"  {arm.sample.rate:.2%} of conversations are replayed to {arm.name} ({arm.url})")
    click.echo(f"  rows are kept in {config.store.path}; {len(config.registry.tenants)} tenants are registered")
    if full:
        _check_database(config.store.path)
    if probed:
        _probe(config)


def _check_database(path: Path) -> None:
    """Say how each table is, as it comes; end with 3 where one is damaged."""
    import sqlite3

    from shadow.store.errors import StoreError
    from shadow.store.integrity import WELL, check

    damaged = False
    try:
        for table, found in check(path):
            click.echo(f"  {table}: {found}")
            damaged |= found != WELL
    except StoreError as error:
        fail(str(error), EXIT_STORE)
    if damaged:
        fail(
            f"{path} is damaged (SQLite {sqlite3.sqlite_version}): stop the service and move the file away; "
            "the next start makes a fresh one",
            EXIT_STORE,
        )


def _probe(config: "Config") -> None:
    """Say what each probe came to, as it comes; end with 2 where one failed."""
    import asyncio

    from shadow.probing import probe

    async def asked() -> bool:
        well = True
        async for found in probe(config):
            click.echo(f"  {'✓' if found.well else '✗'} {found.what}: {found.said}")
            well &= found.well
        return well

    if not asyncio.run(asked()):
        raise SystemExit(EXIT_USAGE)
