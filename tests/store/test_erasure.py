import asyncio
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from shadow.exchange import Attribution, Recorded
from shadow.store.erasure import Counts, count, refuse_in_use
from shadow.store.errors import StoreError, Trouble
from shadow.store.files import set_aside, set_aside_beside
from shadow.store.limits import Limits
from shadow.store.sqlite import SQLiteStore
from tests.store.samples import bodies, exchange, exchange_id, recorded, replay

CANARY = b"canary-"
LIMITS = Limits(erase_rows=700, prune_rows=100, prune_bodies=20, scrub_pages=300, reserve_bytes=10_000)


def of(tenant: str, number: int) -> Recorded:
    """The number-th exchange with a replay, whose tenant is in its path and, kept, in its bodies."""
    plain = recorded(number, "ferry", bodies=bodies([tenant, number], {"text": f"{tenant} {number}"}, tenant))
    return replace(plain, exchange=exchange(number, attribution=Attribution(tenant), path=f"/{tenant}/{number}"))


def owner(number: int) -> str:
    return CANARY.decode() + "acme" if number % 3 == 0 else "globex"


def shuffled(numbers: range) -> Iterator[list[int]]:
    """In batches, and so much out of order that rows come between others."""
    chance = random.Random(7)  # noqa: S311 (a test's data)
    mixed = sorted(numbers, key=lambda number: number + chance.randrange(2000))
    for start in range(0, len(mixed), 100):
        yield mixed[start : start + 100]


async def fill(store: SQLiteStore, numbers: range) -> None:
    for batch in shuffled(numbers):
        await store.add([of(owner(number), number) for number in batch])
        ended = [replay(number, exchange=exchange(number, failure=owner(number))) for number in batch]
        await store.settle(ended)


def left(path: Path) -> dict[str, int]:
    """How often the canary is in each file."""
    return {file.name: file.read_bytes().count(CANARY) for file in path.parent.iterdir()}


async def test_promise_53_of_an_erased_tenant_nothing_is_left_on_the_disk(path: Path) -> None:
    """Rows, replays and bodies among others', stored out of order: SQLite alone leaves copies of some in the file."""
    store = await SQLiteStore.open(path, LIMITS)
    await fill(store, range(4500))
    assert left(path)["shadow.db"] > 1000
    assert count(path, owner(0)) == Counts(1500, 1500, 1500)
    await store.erase(owner(0))
    assert set(left(path).values()) == {0}
    assert (count(path, owner(0)), count(path, "globex")) == (Counts(0, 0, 0), Counts(3000, 3000, 3000))
    await store.add([of("globex", 4501)])
    await store.close()
    assert set(left(path).values()) == {0}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM exchanges").fetchone() == (3001,)


async def test_rows_are_added_while_a_tenant_is_erased(path: Path) -> None:
    """Whoever hands over exchanges waits for a step, and what comes in of the tenant meanwhile goes too."""
    store = await SQLiteStore.open(path, LIMITS)
    await fill(store, range(3000))
    erasing = asyncio.create_task(store.erase(owner(0)))
    while not count(path, owner(0)).exchanges < 1000:
        await store.add([of("globex", 100_000)])
    await store.add([of(owner(0), 1), of("globex", 100_001)])
    assert not erasing.done()
    await erasing
    assert (count(path, owner(0)), count(path, "globex").exchanges) == (Counts(0, 0, 0), 2002)
    await store.close()


async def test_a_replay_that_ends_after_the_erasure_leaves_nothing(store: SQLiteStore, path: Path) -> None:
    """Neither row nor answer comes back."""
    await store.add([of("acme", 0)])
    await store.erase("acme")
    await store.mark_sent(exchange_id(0), "ferry")
    await store.settle([replay(0, bodies=bodies(None, {"text": "Hello."}))])
    assert count(path, "acme") == Counts(0, 0, 0)


async def test_a_reader_of_an_old_snapshot_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as it reads, the log holds what was deleted: an erasure that cannot empty it has not succeeded."""
    monkeypatch.setattr("shadow.store.overwriting.LOG_WAIT_S", 0.0)
    store = await SQLiteStore.open(path, replace(LIMITS, checkpoint_wait_ms=1))
    await store.add([of("acme", 0)])
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM exchanges").fetchall()
        with pytest.raises(StoreError) as raised:
            await store.erase("acme")
    assert raised.value.trouble is Trouble.READER_HOLDS_LOG
    await store.erase("acme")
    await store.close()


async def test_a_database_in_use_is_not_written_to(store: SQLiteStore, path: Path) -> None:
    """A second writer is refused; after the first has closed there is none."""
    with pytest.raises(StoreError) as raised:
        refuse_in_use(path, wait_s=0)
    assert raised.value.trouble is Trouble.LOCKED
    await store.close()
    refuse_in_use(path)


async def test_what_was_set_aside_is_named(store: SQLiteStore, path: Path) -> None:
    """Nobody looks into it, and it may hold anything."""
    await store.close()
    set_aside(path, "a test")
    assert [file.name.partition("set-aside-")[0] for file in set_aside_beside(path)] == ["shadow.db."]
