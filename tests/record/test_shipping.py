"""Rows reach a real ClickHouse once each, whatever happens to it, to the way there, and to the recorder."""

import asyncio
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web

from shadow.config import ClickHouse
from shadow.exchange import Cost, CostSource, Usage
from shadow.record.metrics import Metrics
from shadow.record.shipping import LONGEST_PAUSE_S, Shipping, Tables, backoff_s
from shadow.store.clickhouse.client import Client
from shadow.store.clickhouse.encoding import EXCHANGES
from shadow.store.clickhouse.errors import ClickHouseError, Refusal
from shadow.store.clickhouse.migrations import OURS
from shadow.store.clickhouse.schema import script
from shadow.store.errors import StoreError
from shadow.store.sqlite import SQLiteStore
from tests import clickhouse
from tests.clickhouse import PASSWORD, USER, Database, Server
from tests.record.samples import sample
from tests.store.samples import exchange_id, observation, recorded, replay
from tests.store.test_writer import NAMESPACES, namespaces_allowed


class Rig:
    """A store and what ships its rows; every pause is noted instead of waited for."""

    def __init__(self, store: SQLiteStore, settings: ClickHouse, timeout_s: float, most: int) -> None:
        self.store = store
        self.metrics = Metrics()
        self.client = Client(settings, timeout_s)
        self.paused_s = 0.0
        self.on_pause: Callable[[float], Awaitable[None]] | None = None
        tables = Tables(self.client, create=settings.create_tables)
        self.shipping = Shipping(store.outbox, tables, self.metrics, "pod-1", 5.0, self._pause, self._now, most)

    async def all(self) -> None:
        """Ship all that waits, or raise."""
        while await self.shipping.ship():
            pass

    async def until_shipped(self) -> None:
        """Run as in service, until nothing waits."""
        running = asyncio.ensure_future(self.shipping.run())
        while (await self.store.outbox.backlog()).exchanges:  # noqa: ASYNC110 (the store tells nobody)
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    def metric(self, name: str, **labels: str) -> float | None:
        return sample(self.metrics.expose().decode(), name, **labels)

    async def _pause(self, seconds: float) -> None:
        self.paused_s += seconds
        if self.on_pause is not None:
            await self.on_pause(self.paused_s)
        await asyncio.sleep(0)

    def _now(self) -> float:
        return 1e10 + self.paused_s


@asynccontextmanager
async def rig(path: Path, settings: ClickHouse, timeout_s: float = 10.0, most: int = 2000) -> AsyncIterator[Rig]:
    store = await SQLiteStore.open(path, ship_to="test")
    one = Rig(store, settings, timeout_s, most)
    try:
        yield one
    finally:
        await one.client.close()
        await store.close()


@pytest.fixture
async def shipped(tmp_path: Path, clickhouse_database: Database) -> AsyncIterator[Rig]:
    async with rig(tmp_path / "shadow.db", clickhouse_database.settings, most=50) as one:
        yield one


class Between:
    """Stands between shipping and a server: passes requests on, or does with inserts what a test wants."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.inserts = 0
        self.before: Callable[[int], Awaitable[web.Response | None]] | None = None  # an answer instead of the server's
        self.after: Callable[[int], Awaitable[None]] | None = None  # once the server has committed
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        data = await request.read()
        inserting = "INSERT" in request.query.get("query", "")
        self.inserts += inserting
        if inserting and self.before and (answer := await self.before(self.inserts)) is not None:
            return answer
        url = f"{self._server.url}{request.raw_path}"
        headers = {name: request.headers[name] for name in ("Content-Encoding",) if name in request.headers}
        async with aiohttp.ClientSession() as session, session.post(url, data=data, headers=headers) as answer:
            body = await answer.read()
        if inserting and self.after:
            await self.after(self.inserts)
        return web.Response(status=answer.status, body=body)


@asynccontextmanager
async def between(server: Server, trusted: ssl.SSLContext | None = None) -> AsyncIterator[Between]:
    one = Between(server)
    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/", one.handle)
    runner = web.AppRunner(app, auto_decompress=False, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=trusted)
    await site.start()
    one.url = f"http{'s' * (trusted is not None)}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield one
    finally:
        await runner.cleanup()


async def test_a_batch_that_is_under_way_is_waited_for(tmp_path: Path) -> None:
    """Until the server has it or refuses it, rows that were read before may still land."""
    sent, refused = asyncio.Event(), asyncio.Event()

    class Slow:
        """A server that keeps an insert waiting, then refuses it."""

        async def prepare(self) -> None: ...

        async def insert(self, *_: object) -> None:
            sent.set()
            await refused.wait()
            raise ClickHouseError(Refusal.UNREACHABLE, "gone")

    store = await SQLiteStore.open(tmp_path / "shadow.db", ship_to="test")
    try:
        await store.add([recorded(0)])
        shipping = Shipping(store.outbox, Slow(), Metrics(), "pod-1", 5.0)
        await shipping.landed()  # nothing is under way
        shipped = asyncio.ensure_future(shipping.ship())
        await sent.wait()
        landed = asyncio.ensure_future(shipping.landed())
        await asyncio.sleep(0)
        assert not landed.done()
        refused.set()
        await landed
        with pytest.raises(ClickHouseError):
            await shipped
    finally:
        await store.close()


async def test_rows_arrive_with_their_pairs(shipped: Rig, clickhouse_database: Database) -> None:
    """An exchange is one row, each of its replays another, which repeats what a report asks of the exchange."""
    await shipped.store.add([recorded(0, ended=(replay(0, observation=observation(), conversation=7),))])
    await shipped.all()
    asked = "SELECT UUIDNumToString(exchange_id), pod, toString(day), tenant, cost_nano_usd FROM DB.exchanges FINAL"
    found = clickhouse_database.ask(f"{asked} FORMAT JSONCompact")
    assert found == [[exchange_id(0), "pod-1", "2026-05-28", "acme", 123456]]
    asked = "SELECT arm, outcome, conversation, tenant, primary_outcome, primary_cost_nano_usd FROM DB.replays FINAL"
    found = clickhouse_database.ask(f"{asked} FORMAT JSONCompact")
    assert found == [["ferry", "completed", 7, "acme", "complete", 123456]]


async def test_a_change_replaces_its_row(shipped: Rig, clickhouse_database: Database) -> None:
    """A replay that was pending, and a cost that came late, in the exchange and in its pairs."""
    unpriced = replace(recorded(0, "ferry"), observation=observation(cost=Cost()))
    await shipped.store.add([unpriced])
    await shipped.all()
    await shipped.store.settle([replay(0)])
    await shipped.store.set_cost(exchange_id(0), Cost(Decimal("0.5"), CostSource.REPORTED), Usage())
    await shipped.all()
    asked = "SELECT outcome, primary_cost_nano_usd FROM DB.replays FINAL FORMAT JSONCompact"
    assert clickhouse_database.ask(asked) == [["completed", 500_000_000]]
    assert clickhouse_database.ask("SELECT cost_nano_usd FROM DB.exchanges FINAL FORMAT JSONCompact") == [[500_000_000]]


async def test_all_batches_are_shipped(shipped: Rig, clickhouse_database: Database) -> None:
    """What waits is shipped batch after batch, and the metrics say how far it is."""
    await shipped.store.add([recorded(number, "ferry", "canal") for number in range(120)])
    await shipped.all()
    assert (clickhouse_database.count("exchanges"), clickhouse_database.count("replays")) == (120, 240)
    assert shipped.metric("shadow_shipped_exchanges_total") == 120
    assert (shipped.metric("shadow_ship_waiting"), shipped.metric("shadow_ship_lag_seconds")) == (0, 0)


async def test_promise_47_a_crash_before_the_acknowledgement_leaves_one_row(
    tmp_path: Path, clickhouse_database: Database
) -> None:
    """Killed when ClickHouse had committed and SQLite had not heard of it, the next recorder sends the batch again."""
    path = tmp_path / "shadow.db"
    store = await SQLiteStore.open(path, ship_to="test")
    await store.add([recorded(number, "ferry") for number in range(20)])
    await store.close()
    async with between(clickhouse_database.server) as way:
        command = (sys.executable, "-m", "tests.record.shipping_child", path, way.url, clickhouse_database.name)
        child = await asyncio.create_subprocess_exec(*map(str, command))

        async def kill(inserts: int) -> None:
            if inserts == 2:  # exchanges, then replays: the whole batch is committed
                child.kill()
                await child.wait()

        way.after = kill
        assert await child.wait() == -signal.SIGKILL
    assert clickhouse_database.count("exchanges") == 20
    async with rig(path, clickhouse_database.settings) as one:
        assert (await one.store.outbox.backlog()).exchanges == 20
        await one.all()
    for table in ("exchanges", "replays"):
        assert clickhouse_database.count(table, final="") == 40, "it was not sent twice: the test shows nothing"
        assert clickhouse_database.count(table) == 20


async def test_an_answer_that_is_lost_doubles_nothing(tmp_path: Path, clickhouse_database: Database) -> None:
    """A connection that breaks when the rows are committed: they are sent again, and are there once."""
    async with between(clickhouse_database.server) as way:

        async def cut(inserts: int) -> None:
            if inserts <= 3:
                raise ConnectionResetError

        way.after = cut
        async with rig(tmp_path / "shadow.db", replace(clickhouse_database.settings, url=way.url)) as one:
            await one.store.add([recorded(number, "ferry") for number in range(20)])
            await one.until_shipped()
    assert (clickhouse_database.count("exchanges"), clickhouse_database.count("replays")) == (20, 20)


class Knowing(Client):
    """A server that may know the token of a batch; keeps what inserts were asked with."""

    def __init__(self, knows: bool) -> None:
        super().__init__(ClickHouse(url="http://127.0.0.1:1"), 1.0)
        self._knows = knows
        self.asked: list[object] = []

    async def select(self, query: str, _: object = None) -> list[list[Any]]:
        return [[int(self._knows)]] if "system.settings" in query else [[name] for name in OURS]

    async def insert(self, *given: object) -> None:
        self.asked.append(given[-1])


@pytest.mark.parametrize(("knows", "settings"), [(True, {"insert_deduplication_token": "batch-1"}), (False, {})])
async def test_the_token_goes_to_servers_that_know_it(knows: bool, settings: dict[str, str]) -> None:
    """Replicas then drop a batch they have; an old server would refuse the setting."""
    client = Knowing(knows)
    tables = Tables(client, create=True)
    await tables.prepare()
    await tables.insert(EXCHANGES, b"", "batch-1")
    assert client.asked == [settings]


async def test_a_server_down_for_an_hour_gets_its_rows_afterwards(tmp_path: Path) -> None:
    """Rows wait, and are recorded as ever; the metrics tell for how long, and the pauses stay below a minute."""
    if clickhouse.BINARY is None:
        pytest.skip(clickhouse.MISSING)
    with clickhouse.running(tmp_path) as server:
        database = server.database()
        async with rig(tmp_path / "shadow.db", database.settings) as one:
            await one.store.add([recorded(0, "ferry")])
            await one.all()
            server.stop(signal.SIGKILL)
            await one.store.add([recorded(1, "ferry")])
            lags: list[float] = []

            async def later(paused_s: float) -> None:
                lags.append(one.metric("shadow_ship_lag_seconds") or 0.0)
                await one.store.settle([replay(0)])
                if paused_s > 3600 and server.process and server.process.poll() is not None:
                    server.start()

            one.on_pause = later
            await one.until_shipped()
        assert 3600 < one.paused_s < 3600 + 2 * LONGEST_PAUSE_S
        assert lags[-1] - lags[0] >= 3500
        assert (database.count("exchanges"), database.count("replays")) == (2, 2)
        completed = database.ask("SELECT count() FROM DB.replays FINAL WHERE outcome = 'completed' FORMAT JSONCompact")
        assert completed == [[1]]


async def test_a_server_that_answers_500_is_asked_again(tmp_path: Path, clickhouse_database: Database) -> None:
    """An error page in front of the server loses nothing and is counted."""
    async with between(clickhouse_database.server) as way:

        async def fail(inserts: int) -> web.Response | None:
            return web.Response(status=500, text="no upstream") if inserts <= 5 else None

        way.before = fail
        async with rig(tmp_path / "shadow.db", replace(clickhouse_database.settings, url=way.url)) as one:
            await one.store.add([recorded(0, "ferry")])
            await one.until_shipped()
            assert one.metric("shadow_ship_errors_total", refusal="failed") == 5
            assert one.paused_s == sum(map(backoff_s, range(1, 6)))
    assert (clickhouse_database.count("exchanges"), clickhouse_database.count("replays")) == (1, 1)


async def test_a_server_that_is_slow_holds_up_nobody(tmp_path: Path, clickhouse_database: Database) -> None:
    """While an insert hangs exchanges are stored as ever; it is given up in time and sent again."""
    async with between(clickhouse_database.server) as way:
        stored = asyncio.Event()

        async def hang(inserts: int) -> web.Response | None:
            if inserts == 1:
                await stored.wait()
                await asyncio.Event().wait()
            return None

        way.before = hang
        settings = replace(clickhouse_database.settings, url=way.url)
        async with rig(tmp_path / "shadow.db", settings, timeout_s=1.0) as one:
            await one.store.add([recorded(0, "ferry")])
            running = asyncio.ensure_future(one.until_shipped())
            await one.store.add([recorded(1, "ferry")])
            stored.set()
            await running
            assert (one.metric("shadow_ship_errors_total", refusal="unreachable") or 0) >= 1
    assert (clickhouse_database.count("exchanges"), clickhouse_database.count("replays")) == (2, 2)


@pytest.mark.skipif(not namespaces_allowed(), reason="needs Linux user namespaces, to mount a small disk")
async def test_a_full_disk_over_there_loses_nothing(tmp_path: Path) -> None:
    """Rows wait until ClickHouse has room again, then all are there once."""
    if clickhouse.BINARY is None:
        pytest.skip(clickhouse.MISSING)
    mounted = f'mount -t tmpfs -o size=16m none {tmp_path}/data && exec "$0" "$@"'
    with clickhouse.running(tmp_path, (*NAMESPACES, "sh", "-c", mounted)) as server:
        assert server.process is not None
        database = server.database()
        async with rig(tmp_path / "shadow.db", database.settings) as one:
            await one.all()  # which makes the tables
            ballast = Path(f"/proc/{server.process.pid}/root{tmp_path}/data/ballast")
            with pytest.raises(OSError, match="No space left"):
                ballast.write_bytes(bytes(16 << 20))
            await one.store.add([recorded(number, "ferry", "canal") for number in range(300)])
            with pytest.raises(ClickHouseError) as refused:
                await one.all()
            assert refused.value.refusal is Refusal.DISK_FULL
            ballast.unlink()
            await one.until_shipped()
        assert (database.count("exchanges"), database.count("replays")) == (300, 600)


async def test_tables_of_a_newer_release_are_left_alone(shipped: Rig, clickhouse_database: Database) -> None:
    """Rows wait, with a sentence that says why, and are shipped by the release that knows the tables."""
    await shipped.all()
    clickhouse_database.ask("INSERT INTO DB.migrations VALUES ('9999-later', now())")
    await shipped.store.add([recorded(0, "ferry")])
    shipped.shipping._prepared = False  # as after a start
    with pytest.raises(ClickHouseError, match="made by a newer release: update this one") as refused:
        await shipped.all()
    assert refused.value.refusal is Refusal.SCHEMA
    assert clickhouse_database.count("exchanges") == 0
    clickhouse_database.ask("DROP TABLE DB.migrations")
    await shipped.until_shipped()
    assert clickhouse_database.count("exchanges") == 1


async def test_tables_are_made_by_hand_where_no_pod_may(tmp_path: Path, clickhouse_database: Database) -> None:
    """Without them rows wait, and the sentence names the command; with them they are shipped."""
    settings = replace(clickhouse_database.settings, create_tables=False)
    async with rig(tmp_path / "shadow.db", settings) as one:
        await one.store.add([recorded(0, "ferry")])
        with pytest.raises(ClickHouseError, match="shadow schema --clickhouse"):
            await one.all()
        for statement in script(clickhouse_database.name).split(";\n"):
            if statement.strip():
                clickhouse_database.server.ask(statement)
        await one.all()
    assert clickhouse_database.count("exchanges") == 1


async def test_user_and_password_are_read_where_they_are_kept(tmp_path: Path, clickhouse_database: Database) -> None:
    """From files, at every request: they may rotate."""
    user, password = tmp_path / "user", tmp_path / "password"
    user.write_text(f"{USER}\n")
    password.write_text("wrong\n")
    settings = replace(clickhouse_database.settings, user_file=user, password_file=password)
    async with rig(tmp_path / "shadow.db", settings) as one:
        await one.store.add([recorded(0)])
        with pytest.raises(ClickHouseError) as refused:
            await one.all()
        assert refused.value.refusal is Refusal.CREDENTIALS
        assert "wrong" not in str(refused.value)
        password.write_text(f"{PASSWORD}\n")
        await one.all()
    assert clickhouse_database.count("exchanges") == 1


@pytest.mark.parametrize("known", [True, False], ids=["authority known", "authority unknown"])
async def test_the_way_is_encrypted_and_the_server_proven(
    tmp_path: Path, clickhouse_database: Database, known: bool
) -> None:
    """Under TLS with an authority of one's own; a server of another authority gets no row."""
    authority, other = trustme.CA(), trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    (authority if known else other).cert_pem.write_to_path(tmp_path / "ca.pem")
    async with between(clickhouse_database.server, context) as way:
        settings = replace(clickhouse_database.settings, url=way.url, ca_file=tmp_path / "ca.pem")
        async with rig(tmp_path / "shadow.db", settings) as one:
            await one.store.add([recorded(0)])
            if known:
                await one.all()
                assert clickhouse_database.count("exchanges") == 1
            else:
                with pytest.raises(ClickHouseError) as refused:
                    await one.all()
                assert (refused.value.refusal, way.inserts) == (Refusal.UNREACHABLE, 0)


async def test_an_authority_that_cannot_be_read_makes_rows_wait(tmp_path: Path) -> None:
    """It stops neither the recorder nor shipping once it is there."""
    settings = ClickHouse(url="https://127.0.0.1:1", ca_file=tmp_path / "missing.pem")
    async with rig(tmp_path / "shadow.db", settings) as one:
        await one.store.add([recorded(0)])
        with pytest.raises(StoreError, match="cannot be reached"):
            await one.all()


def test_pauses_grow_up_to_a_bound() -> None:
    """From a second to a minute, and no further however long it takes."""
    assert [backoff_s(failures) for failures in (1, 2, 3, 6, 7, 10_000)] == [1, 2, 4, 32, 60, 60]
