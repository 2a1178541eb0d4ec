import asyncio
import random
import re
from pathlib import Path

import pytest

from shadow.exchange import Bodies
from shadow.store.files import log_of
from shadow.store.limits import Limits
from shadow.store.sqlite import SQLiteStore
from tests.store.conftest import FEW_PAGES, Query
from tests.store.samples import BEGAN, recorded


async def test_retention_deletes_what_began_before(store: SQLiteStore, query: Query) -> None:
    """Exchanges begun before the moment go, with their replays, in as many steps as it takes; later ones stay."""
    await store.add([recorded(number, "ferry") for number in range(10)])
    assert await store.prune(BEGAN + 0.008) == 8
    assert query("SELECT count(*), min(started_at) FROM exchanges") == [(2, BEGAN + 0.008)]
    assert query("SELECT count(*) FROM replays") == [(2,)]


async def test_retention_gives_space_back(store: SQLiteStore, path: Path, blank_bytes: int) -> None:
    """A database whose rows are gone is as small again as one that never had any."""
    await store.add([recorded(number) for number in range(500)])
    await store._writer.empty_log()
    assert path.stat().st_size > blank_bytes + FEW_PAGES
    await store.prune(BEGAN + 100)
    await store.close()
    assert path.stat().st_size <= blank_bytes + FEW_PAGES


async def test_rows_are_added_between_the_steps_of_retention(store: SQLiteStore) -> None:
    """Who hands over exchanges while old ones are deleted waits for one step, not for all."""
    await store.add([recorded(number) for number in range(300)])
    pruning = asyncio.create_task(store.prune(BEGAN + 100))
    await store.add([recorded(1_000_000)])
    assert not pruning.done()
    assert await pruning == 300


async def test_promise_53_a_deleted_exchange_leaves_no_trace(store: SQLiteStore, path: Path) -> None:
    """What retention deleted is on no page of the database and not in its log."""
    canary = "canary-7f3a91"
    traced = recorded(0)
    object.__setattr__(traced.exchange, "path", f"/{canary}")
    await store.add([traced, recorded(1)])
    assert canary.encode() in log_of(path).read_bytes()
    await store.prune(BEGAN + 0.001)
    assert all(canary.encode() not in file.read_bytes() for file in path.parent.iterdir())


async def test_promise_53_a_deleted_body_leaves_no_trace(path: Path) -> None:
    """Nor a copy of it that SQLite made when it balanced pages: of the deleted, none is in the file or its log."""
    chance = random.Random(0)  # noqa: S311 (a test's data, of which SQLite alone leaves some)
    kept = [
        Bodies("acme", None, b"canary-%06d" % number + bytes(chance.randrange(1500)), True, 0) for number in range(900)
    ]
    mixed = sorted(range(900), key=lambda number: number + chance.randrange(300))
    store = await SQLiteStore.open(path, Limits(reserve_bytes=10_000))
    for start in range(0, 900, 50):
        await store.add([recorded(number, bodies=kept[number]) for number in mixed[start : start + 50]])
    for expired in range(50, 400, 50):
        await store.prune_bodies(BEGAN + expired / 1000 + 0.0005, {"acme"})
        everything = b"".join(file.read_bytes() for file in path.parent.iterdir())
        assert min(map(int, re.findall(rb"canary-(\d{6})", everything))) >= expired
    await store.close()


@pytest.mark.usefixtures("store")
async def test_room_is_reserved(path: Path) -> None:
    """Beside the database lies the room that retention needs on a full disk."""
    assert path.with_name("shadow.db-reserve").stat().st_size == 10_000
