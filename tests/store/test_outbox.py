from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from shadow.exchange import Cost, CostSource, Usage
from shadow.store.ids import blob
from shadow.store.outbox import Backlog, select, shipped_before
from shadow.store.sqlite import SQLiteStore
from tests.store.conftest import Query
from tests.store.samples import BEGAN, exchange_id, recorded, replay

SERVER = "http://clickhouse/shadow"
IDS = (select("e.tenant", replays=False), select("r.arm", replays=True))


@pytest.fixture
async def shipped(path: Path) -> AsyncIterator[SQLiteStore]:
    """A store that has ClickHouse configured."""
    store = await SQLiteStore.open(path, ship_to=SERVER)
    yield store
    await store.close()


async def waiting(store: SQLiteStore) -> int:
    return (await store.outbox.backlog()).exchanges


async def ship(store: SQLiteStore, most: int = 100) -> int:
    """Claim and acknowledge one batch; how many exchanges it had."""
    batch = await store.outbox.claim(most)
    if batch is None:
        return 0
    await store.outbox.acknowledge(batch)
    return batch.exchanges


async def test_nothing_is_written_where_no_clickhouse_is_configured(store: SQLiteStore, query: Query) -> None:
    """Those who do not use it pay nothing for it."""
    await store.add([recorded(0, "ferry")])
    await store.settle([replay(0)])
    assert query("SELECT count(*) FROM outbox") == [(0,)]


async def test_an_exchange_waits_once_however_often_it_changes(shipped: SQLiteStore) -> None:
    """Stored, sent, settled and priced before it is shipped, it is one entry."""
    await shipped.add([recorded(0, "ferry", "canal")])
    await shipped.mark_sent(exchange_id(0), "ferry")
    await shipped.settle([replay(0), replay(0, "canal")])
    assert await waiting(shipped) == 1


@pytest.mark.parametrize("change", ["settled", "priced", "ended by the next start"])
async def test_a_change_after_shipping_is_shipped(shipped: SQLiteStore, change: str) -> None:
    """A pending replay that ends and a delayed cost send the exchange again."""
    unpriced = recorded(0, "ferry")
    await shipped.add([replace(unpriced, observation=replace(unpriced.observation, cost=Cost()))])
    assert await ship(shipped) == 1
    if change == "settled":
        await shipped.settle([replay(0)])
    elif change == "priced":
        await shipped.set_cost(exchange_id(0), Cost(Decimal(1), CostSource.REPORTED), Usage())
    else:
        await shipped.recover()
    assert await waiting(shipped) == 1


async def test_that_a_replay_is_about_to_be_sent_is_nothing_to_ship(shipped: SQLiteStore) -> None:
    """Its end is."""
    await shipped.add([recorded(0, "ferry")])
    await ship(shipped)
    await shipped.mark_sent(exchange_id(0), "ferry")
    assert await waiting(shipped) == 0


async def test_a_change_while_a_batch_is_under_way_is_not_acknowledged_with_it(shipped: SQLiteStore) -> None:
    """What was read for the batch may be older than the change."""
    await shipped.add([recorded(0, "ferry"), recorded(1, "ferry")])
    batch = await shipped.outbox.claim(100)
    assert batch is not None
    await shipped.settle([replay(0)])
    await shipped.outbox.acknowledge(batch)
    assert await waiting(shipped) == 1


async def test_batches_are_in_the_order_of_commits(shipped: SQLiteStore) -> None:
    """A long stream that began first and was stored last is shipped last."""
    await shipped.add([recorded(2)])
    await shipped.add([recorded(1)])
    first = await shipped.outbox.claim(1)
    assert first is not None
    found = await shipped.outbox.read(IDS, 0, first.sequence)
    assert found is not None
    assert [row[0].hex() for row in found[1][0]] == [exchange_id(2).replace("-", "")]
    await shipped.outbox.acknowledge(first)
    second = await shipped.outbox.claim(1)
    assert second is not None
    assert second.sequence > first.sequence


async def test_a_claimed_batch_keeps_its_name_over_a_restart(path: Path) -> None:
    """What came since is not in it: the same rows go under the same token."""
    store = await SQLiteStore.open(path, ship_to=SERVER)
    await store.add([recorded(0)])
    claimed = await store.outbox.claim(100)
    await store.close()
    store = await SQLiteStore.open(path, ship_to=SERVER)
    await store.add([recorded(1)])
    assert await store.outbox.claim(100) == claimed
    await store.close()


async def test_no_two_databases_share_a_token(path: Path) -> None:
    """A pod whose disk was lost counts from one again: its tokens must be others."""
    tokens = set()
    for name in ("one.db", "two.db"):
        store = await SQLiteStore.open(path.with_name(name), ship_to=SERVER)
        await store.add([recorded(0)])
        batch = await store.outbox.claim(1)
        assert batch is not None
        tokens.add(batch.token)
        await store.close()
    assert len(tokens) == 2


async def test_versions_grow_over_a_restart_with_nothing_waiting(path: Path) -> None:
    """A later change of a row has the larger version, whatever was deleted between."""
    sequences = []
    for number in range(2):
        store = await SQLiteStore.open(path, ship_to=SERVER)
        await store.add([recorded(number)])
        batch = await store.outbox.claim(1)
        assert batch is not None
        sequences.append(batch.sequence)
        await store.outbox.acknowledge(batch)
        await store.close()
    assert sequences[0] < sequences[1]


async def test_what_was_stored_before_is_shipped_too(store: SQLiteStore, path: Path) -> None:
    """In steps, each a batch, so that millions of rows do not hold up the writer."""
    await store.add([recorded(number, "ferry") for number in range(5)])
    await store.close()
    later = await SQLiteStore.open(path, ship_to=SERVER)
    await later.add([recorded(5)])
    assert [await ship(later, 2) for _ in range(5)] == [2, 2, 2, 0, 0]
    await later.close()


async def test_another_server_gets_everything(path: Path) -> None:
    """Rows that one server has are shipped again to another one, and after ClickHouse was turned off for a while."""
    for target, expected in ((SERVER, 1), (SERVER, 0), ("http://other/shadow", 1), (None, 0), (SERVER, 1)):
        store = await SQLiteStore.open(path, ship_to=target)
        await store.add([recorded(0)])
        if target is not None:
            assert await ship(store) == expected, target
        await store.close()


async def test_rows_deleted_unshipped_are_counted(shipped: SQLiteStore) -> None:
    """Retention does not wait for a server that is away for weeks, and says how much that cost."""
    await shipped.add([recorded(0)])
    await ship(shipped)
    await shipped.add([recorded(1), recorded(2)])
    await shipped.prune(BEGAN + 1)
    assert await shipped.outbox.backlog() == Backlog(0, None, 2)


@pytest.mark.parametrize(
    ("target", "shipped", "number"),
    [
        pytest.param(None, 0, None, id="nothing is to be shipped"),
        pytest.param(SERVER, 0, 0, id="nothing is shipped"),
        pytest.param(SERVER, 3, 1, id="the oldest and what came since are shipped"),
        pytest.param(SERVER, 4, 10, id="all are shipped"),
    ],
)
async def test_what_is_shipped_up_to_where(path: Path, target: str | None, shipped: int, number: int | None) -> None:
    """Rows before that id may be deleted without loss: of what was stored before, and of what came since."""
    store = await SQLiteStore.open(path)
    await store.add([recorded(number) for number in range(2)])
    await store.close()
    store = await SQLiteStore.open(path, ship_to=target)
    await store.add([recorded(number) for number in range(2, 4)])
    for _ in range(0 if target is None else 6):
        if shipped > 0:
            shipped -= await ship(store, 1)
    before = await store._writer.chore(shipped_before)
    await store.close()
    if number is None:
        assert before is None
    else:
        assert before is not None
        assert [one for one in range(10) if blob(exchange_id(one)) < before] == list(range(number))


async def test_a_database_set_aside_is_followed_by_one_that_ships(shipped: SQLiteStore, path: Path) -> None:
    """Damage is no reason to ship nothing more."""
    await shipped.add([recorded(0)])
    for name in (path, path.with_name(f"{path.name}-wal")):
        name.unlink()
    await shipped.add([recorded(1)])
    assert await waiting(shipped) == 1


async def test_the_rows_of_a_batch_are_read_in_steps(shipped: SQLiteStore) -> None:
    """Each step is some milliseconds between two commits, and together they are the batch."""
    await shipped.add([recorded(number, "ferry", "canal") for number in range(450)])
    batch = await shipped.outbox.claim(1000)
    assert batch is not None
    after, sizes = 0, []
    while (found := await shipped.outbox.read(IDS, after, batch.sequence)) is not None:
        after = found[0]
        sizes.append(tuple(map(len, found[1])))
    assert sizes == [(200, 400), (200, 400), (50, 100)]
