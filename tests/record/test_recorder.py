import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from shadow.config import ClickHouse, Config
from shadow.configfile import parse
from shadow.record import shipping
from shadow.record.recorder import recording
from shadow.store.sqlite import SQLiteStore
from tests.clickhouse import Database
from tests.packing import packed
from tests.record.samples import exchange, sample
from tests.store.samples import recorded


def rows(config: Config, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{config.store.path}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def session(socket: Path) -> aiohttp.ClientSession:
    return aiohttp.ClientSession("http://recorder", connector=aiohttp.UnixConnector(str(socket)))


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    return tmp_path / "recorder.sock"


async def test_a_batch_is_on_disk_when_it_is_acknowledged(config: Config, socket: Path) -> None:
    """Through the socket into the database, with cost and attribution."""
    async with recording(config, socket), session(socket) as client:
        answer = await client.post("/exchanges", data=packed(exchange(0)) + packed(exchange(1)))
        assert answer.status == 204
        assert rows(config, "SELECT tenant, cost_nano_usd FROM exchanges") == [("acme", 100_000)] * 2


async def test_what_waits_for_clickhouse_is_shipped_at_the_end(
    config: Config, socket: Path, clickhouse_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod takes its disk along: its last rows are sent before it goes, though their time has not come."""
    monkeypatch.setattr(shipping, "LAST_S", 60.0)  # a busy machine is no reason to fail
    shared = replace(clickhouse_database.settings, max_delay_s=3600)
    config = replace(config, store=replace(config.store, clickhouse=shared))
    async with recording(config, socket), session(socket) as client:
        await client.post("/exchanges", data=packed(exchange(0)))
    assert clickhouse_database.count("exchanges") == 1


async def test_a_clickhouse_that_is_away_is_in_nobody_s_way(config: Config, socket: Path) -> None:
    """The recorder starts, takes exchanges, says that they wait, and stops."""
    shared = ClickHouse(url="http://127.0.0.1:1", max_delay_s=0.1)
    config = replace(config, store=replace(config.store, clickhouse=shared))
    async with recording(config, socket), session(socket) as client:
        assert (await client.post("/exchanges", data=packed(exchange(0)))).status == 204
        text = await (await client.get("/metrics")).text()
    assert sample(text, "shadow_store_lag_seconds_count") == 1
    assert rows(config, "SELECT count(*) FROM outbox") == [(1,)]


async def test_a_socket_that_a_killed_recorder_left_is_no_obstacle(config: Config, socket: Path) -> None:
    """The next recorder takes the place of the last one's socket."""
    server = await asyncio.start_unix_server(lambda _, __: None, socket)
    server.close()
    await server.wait_closed()
    async with recording(config, socket), session(socket) as client:
        assert (await client.get("/metrics")).status == 200


async def test_replays_of_an_earlier_run_are_ended_and_counted(config: Config, socket: Path) -> None:
    """What a killed recorder left pending ends at the next start, in the store and in the metrics."""
    killed = await SQLiteStore.open(config.store.path)
    await killed.add([recorded(0, "ferry")])
    await killed.close()
    async with recording(config, socket), session(socket) as client:
        text = await (await client.get("/metrics")).text()
    ended = {"arm": "ferry", "outcome": "dropped", "reason": "recorder_restarted"}
    assert sample(text, "shadow_replays_total", **ended) == 1
    assert rows(config, "SELECT outcome, reason FROM replays") == [("dropped", "recorder_restarted")]


async def test_what_waits_at_the_stop_is_ended(tmp_path: Path, socket: Path) -> None:
    """A replay that hangs when the recorder stops is stored as failed; none stays pending."""
    hanging = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hanging.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config = parse(
        f"""
        upstream: {{url: "https://openrouter.ai"}}
        store: {{retention_days: null}}
        consent_default: allow
        candidates:
        - {{name: ferry, url: "http://127.0.0.1:{port}/v1", models: {{"*": gpt-4o-mini}}, sample: {{rate: 1}}}}
        """,
        tmp_path,
    )
    async with recording(config, socket), session(socket) as client:
        assert (await client.post("/exchanges", data=packed(exchange(0)))).status == 204
        await hanging.wait()
    server.close()
    assert rows(config, "SELECT outcome, reason FROM replays") == [("failed", "interrupted")]


async def test_old_exchanges_are_deleted(config: Config, socket: Path) -> None:
    """What is older than the retention goes soon after the start."""
    store = await SQLiteStore.open(config.store.path)
    await store.add([recorded(0)])
    await store.close()
    config = replace(config, store=replace(config.store, retention_days=1))
    async with recording(config, socket):
        async with asyncio.timeout(10):
            while rows(config, "SELECT count(*) FROM exchanges") != [(0,)]:  # noqa: ASYNC110 (it is the writer's doing)
                await asyncio.sleep(0.005)


async def test_a_database_beyond_its_bound_is_cut_back(config: Config, socket: Path) -> None:
    """The oldest goes soon after the start, and is counted."""
    store = await SQLiteStore.open(config.store.path)
    for first in range(0, 3000, 100):
        await store.add([recorded(number) for number in range(first, first + 100)])
    await store.close()
    bound = config.store.path.stat().st_size // 2
    config = replace(config, store=replace(config.store, max_bytes=bound))
    async with recording(config, socket), session(socket) as client:
        async with asyncio.timeout(10):
            while not (lost := rows(config, "SELECT unshipped FROM losses")):  # noqa: ASYNC110 (it is the writer's doing)
                await asyncio.sleep(0.005)
            while True:
                text = await (await client.get("/metrics")).text()
                if counted := sample(text, "shadow_store_capped_total", what="unshipped"):
                    break
    assert 0 < lost[0][0] <= counted < 3000
