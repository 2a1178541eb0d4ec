"""`shadow erase`: a tenant's rows and bodies, everywhere."""

import json
import sys
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click

from shadow.cli.ends import EXIT_STORE, fail, read
from shadow.cli.options import config_option
from shadow.config import ClickHouse, Config

POLL_S: Final = 0.5
ANSWER_S: Final = 35.0  # the admin port waits 30 s for the recorder
DOWN: Final = 503  # the forwarder's answer for a recorder that is away
PATIENCE: Final = 40  # such answers in a row: a recorder that was killed is back before
PAGES: Final = frozenset({200, 202})


@click.command()
@config_option()
@click.option("--tenant", required=True, help="The tenant, as reports name it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(config_path: Path, tenant: str, yes: bool) -> None:
    """Remove a tenant's rows and bodies, on the disk too, and count before and after.

    Where the service runs, its recorder does it while traffic goes on; else this command does.
    """
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
        if not _by_recorder(config, tenant):
            _by_itself(config, tenant)
        if sys.stderr.isatty():
            click.echo(err=True)  # below the progress
        after = count(path, tenant)
    except StoreError as error:
        fail(f"not erased: {error}", EXIT_STORE)
    click.echo(f"after: {after}")
    if config.store.clickhouse is not None:
        _in_clickhouse(config.store.clickhouse, tenant)
    for file in set_aside_beside(path):
        click.echo(f"not looked into, as it is damaged: {file}; delete it if the tenant may be in it")
    if after:
        fail("the tenant is still sending: stop its traffic, then erase again", EXIT_STORE)
    click.echo("Overwritten in the file and its log.")


def _in_clickhouse(settings: ClickHouse, tenant: str) -> None:
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


def _by_itself(config: Config, tenant: str) -> None:
    """With a store of this process's own. Raises StoreError, also where another process has it open."""
    import asyncio

    from shadow.store.erasure import refuse_in_use
    from shadow.store.sqlite import SQLiteStore

    async def run() -> None:
        shared = config.store.clickhouse
        store = await SQLiteStore.open(config.store.path, ship_to=shared.target if shared else None)
        try:
            await store.erase(tenant, _progress)
        finally:
            await store.close()

    refuse_in_use(config.store.path)
    asyncio.run(run())


def _by_recorder(config: Config, tenant: str) -> bool:
    """Have the running recorder do it, and wait. False where no service runs; ends the command where it fails."""
    ask = _Admin(config)
    state = ask("POST", tenant)
    while state is not None and state["state"] == "running":
        _progress(state["deleted"])
        time.sleep(POLL_S)
        state = ask("GET", tenant)
        if state is None:
            fail("the recorder was restarted meanwhile: erase again", EXIT_STORE)
    if state is None:
        return False
    if state["state"] != "done":
        fail(f"not erased wholly: {state['reason']}", EXIT_STORE)
    return True


class _Admin:
    """The admin port of a configuration, where there is a service behind it."""

    def __init__(self, config: Config) -> None:
        host = config.admin.listen.host
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 (not listened on)
        self._url = f"http://[{host}]" if ":" in host else f"http://{host}"
        self._url += f":{config.admin.listen.port}/-/erase?tenant="
        self._token_file = config.admin.token_file

    def __call__(self, method: str, tenant: str) -> dict[str, Any] | None:
        """What the recorder answers; None where nobody does, or somebody else. Waits for one that is restarted."""
        request = urllib.request.Request(self._url + quote(tenant, safe=""), method=method)  # noqa: S310 (http alone)
        if self._token_file is not None:
            request.add_header("Authorization", f"Bearer {self._token()}")
        for _ in range(PATIENCE):
            status, body = _answer(request)
            if status != DOWN:
                break
            time.sleep(POLL_S)
        if status in PAGES:
            found = json.loads(body)
            return found if isinstance(found, dict) and "state" in found else None
        if status in (401, 403, 409, DOWN):
            said = body.decode(errors="replace").strip()
            fail(f"the service at {self._url.partition('/-/')[0]} refuses: {said}", EXIT_STORE)
        return None

    def _token(self) -> str:
        try:
            return "" if self._token_file is None else self._token_file.read_text().strip()
        except OSError as error:
            fail(f"admin.token_file: {self._token_file} cannot be read: {error.strerror}")


def _answer(request: urllib.request.Request) -> tuple[int | None, bytes]:
    """Status and body; no status where nobody answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=ANSWER_S) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except (OSError, HTTPException):
        return None, b""


def _progress(deleted: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{deleted:,} rows deleted", err=True, nl=False)
