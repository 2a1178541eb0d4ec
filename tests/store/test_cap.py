from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shadow.report.totals import Loss, Scope
from shadow.store.aggregates import read
from shadow.store.cap import Capped
from shadow.store.ids import blob
from shadow.store.limits import Limits
from shadow.store.sqlite import SQLiteStore
from tests.store.conftest import Query
from tests.store.samples import BEGAN, bodies, exchange_id, recorded

LIMITS = Limits(prune_rows=50, prune_bodies=10, reserve_bytes=10_000)
LEFT = "SELECT count(*) FROM exchanges UNION ALL SELECT count(*) FROM replays UNION ALL SELECT count(*) FROM bodies"
OLDEST = "SELECT min(exchange_id) FROM exchanges"
WORDS = [str(number) for number in range(2000)]


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SQLiteStore]:
    store = await SQLiteStore.open(path, LIMITS)
    yield store
    await store.close()


@pytest.fixture
async def shipping(path: Path) -> AsyncIterator[SQLiteStore]:
    """A store whose first two hundred exchanges have been shipped, of a thousand."""
    store = await SQLiteStore.open(path, LIMITS, ship_to="http://clickhouse/shadow")
    await fill(store, 200)
    while batch := await store.outbox.claim(100):
        await store.outbox.acknowledge(batch)
    await fill(store, 1000, first=200)
    yield store
    await store.close()


async def fill(store: SQLiteStore, last: int, first: int = 0, *, keeping: bool = False) -> None:
    for start in range(first, last, 100):
        batch = range(start, start + 100)
        await store.add([recorded(one, "ferry", bodies=bodies(WORDS) if keeping else None) for one in batch])


async def emptied(store: SQLiteStore, path: Path) -> int:
    """How large the database is with everything in it."""
    await store._writer.empty_log()
    return path.stat().st_size


async def test_a_database_within_its_bound_is_left_alone(store: SQLiteStore, query: Query) -> None:
    """Nothing is deleted, and nothing is said to be missing."""
    await fill(store, 100)
    assert await store.cap(10_000_000) == Capped()
    assert query("SELECT count(*) FROM losses") == [(0,)]


async def test_the_oldest_exchanges_go(store: SQLiteStore, path: Path, query: Query) -> None:
    """With their replays, until the file is below its bound with a little room; what is missing is written down."""
    await fill(store, 1000)
    bound = await emptied(store, path) // 2
    capped = await store.cap(bound)
    assert 300 < capped.unshipped < 800
    assert 0.8 * bound < path.stat().st_size <= 0.9 * bound
    assert query(LEFT) == [(1000 - capped.unshipped,), (1000 - capped.unshipped,), (0,)]
    assert query(OLDEST) == [(blob(exchange_id(capped.unshipped)),)]
    last = blob(exchange_id(capped.unshipped - 1))
    assert query("SELECT * FROM losses") == [("max_bytes", 0, capped.unshipped, last)]


async def test_what_is_missing_adds_up(store: SQLiteStore, path: Path, query: Query) -> None:
    """Over every time that it happened."""
    await fill(store, 400)
    capped = [(await store.cap(await emptied(store, path) - 1)).unshipped for _ in range(2)]
    assert min(capped) > 0
    assert query("SELECT unshipped, last_id FROM losses") == [(sum(capped), blob(exchange_id(sum(capped) - 1)))]


async def test_bodies_go_before_accounts(store: SQLiteStore, path: Path, query: Query) -> None:
    """The oldest ones, and no exchange as long as there are some."""
    await fill(store, 400, keeping=True)
    capped = await store.cap(await emptied(store, path) // 2)
    assert (capped.shipped, capped.unshipped) == (0, 0)
    assert query(LEFT) == [(400,), (400,), (400 - capped.bodies,)]
    assert query("SELECT min(exchange_id) FROM bodies") == [(blob(exchange_id(capped.bodies)),)]


async def test_what_was_shipped_goes_first(shipping: SQLiteStore, path: Path, query: Query) -> None:
    """As long as that is enough, nothing is lost that is nowhere else."""
    capped = await shipping.cap(await emptied(shipping, path) - 1)
    assert 50 <= capped.shipped <= 200
    assert capped.unshipped == 0
    assert query("SELECT shipped, unshipped FROM losses") == [(capped.shipped, 0)]


async def test_what_was_not_shipped_goes_last(shipping: SQLiteStore, path: Path, query: Query) -> None:
    """And is counted apart: nobody has it."""
    capped = await shipping.cap(await emptied(shipping, path) // 2)
    assert (capped.shipped, capped.unshipped > 0) == (200, True)
    assert query("SELECT shipped, unshipped FROM losses") == [(200, capped.unshipped)]
    assert (await shipping.outbox.backlog()).lost == capped.unshipped


async def test_a_report_says_what_is_missing(store: SQLiteStore, path: Path) -> None:
    """Of a period that reaches back to it, and of no other."""
    await fill(store, 400)
    missing = (await store.cap(await emptied(store, path) - 1)).unshipped
    loss = Loss(0, missing, BEGAN + (missing - 1) / 1000)
    assert read(path, Scope()).loss == loss
    assert read(path, Scope(since=datetime.fromtimestamp(loss.last_at, UTC))).loss == loss
    assert read(path, Scope(since=datetime.fromtimestamp(loss.last_at + 0.002, UTC))).loss is None


async def test_what_is_expired_is_not_missing(store: SQLiteStore, path: Path) -> None:
    """Once retention would have deleted all of it as well, there is nothing to say."""
    await fill(store, 400)
    missing = (await store.cap(await emptied(store, path) - 1)).unshipped
    await store.prune(BEGAN + (missing - 1) / 1000)
    assert read(path, Scope()).loss is not None
    await store.prune(BEGAN + (missing + 1) / 1000)
    assert read(path, Scope()).loss is None
