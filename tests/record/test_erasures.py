import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from shadow.record.erasures import Erasures
from shadow.store.errors import Trouble
from tests.record.samples import FakeEraser

Client = TestClient[web.Request, web.Application]
ACME = "/-/erase?tenant=acme"


@pytest.fixture
def store() -> FakeEraser:
    return FakeEraser()


@pytest.fixture
async def client(store: FakeEraser) -> AsyncIterator[Client]:
    async with TestClient(TestServer(serving(Erasures(store)))) as client:
        yield client


def serving(erasures: Erasures) -> web.Application:
    app = web.Application()
    app.router.add_post("/-/erase", erasures.begin)
    app.router.add_get("/-/erase", erasures.show)
    return app


async def ended(client: Client) -> dict[str, object]:
    """The state once nothing runs any more."""
    while True:
        state: dict[str, object] = await (await client.get(ACME)).json()
        if state["state"] != "running":
            return state


async def test_an_erasure_runs_to_its_end(client: Client, store: FakeEraser) -> None:
    """Begun with a POST, and watched with GETs, it says how much was deleted."""
    assert (await client.post(ACME)).status == 202
    assert await (await client.get(ACME)).json() == {"state": "running", "deleted": 7}
    store.may.set()
    assert await ended(client) == {"state": "done", "deleted": 7}
    assert store.erased == ["acme"]


async def test_what_is_on_its_way_lands_before_an_erasure_is_done(store: FakeEraser) -> None:
    """Rows that were read for ClickHouse before they were deleted must be there when they are erased there, too."""
    asked, on_its_way = asyncio.Event(), asyncio.Event()

    async def landed() -> None:
        asked.set()
        assert store.erased == ["acme"], "what is read after the deletion holds none of it"
        await on_its_way.wait()

    store.may.set()
    async with TestClient(TestServer(serving(Erasures(store, landed)))) as client:
        await client.post(ACME)
        await asked.wait()
        assert (await (await client.get(ACME)).json())["state"] == "running"
        on_its_way.set()
        assert (await ended(client))["state"] == "done"


async def test_a_failure_is_told(client: Client, store: FakeEraser) -> None:
    """With its reason, and how much was deleted all the same."""
    store.trouble = Trouble.DISK_FULL
    store.may.set()
    await client.post(ACME)
    assert await ended(client) == {"state": "failed", "deleted": 7, "reason": "no"}


async def test_an_erasure_that_is_asked_for_twice_runs_once(client: Client, store: FakeEraser) -> None:
    """Who asks again watches the one that runs; for another tenant there is no room meanwhile."""
    await client.post(ACME)
    assert (await client.post(ACME)).status == 202
    assert (await client.post("/-/erase?tenant=globex")).status == 409
    store.may.set()
    await ended(client)
    assert store.erased == ["acme"]


async def test_the_tenant_is_named(client: Client) -> None:
    """Nobody is erased by mistake."""
    assert (await client.post("/-/erase")).status == 400
    assert (await client.get(ACME)).status == 404
