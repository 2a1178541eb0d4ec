"""What is kept of budgets: in the commits that mark and end replays, and whatever becomes of the process."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from shadow.exchange import Reservation
from shadow.store.sqlite import SQLiteStore
from tests.store.conftest import Query
from tests.store.samples import exchange_id, recorded, replay

MONDAY, TUESDAY = date(2026, 11, 30), date(2026, 12, 1)
SPEND = "SELECT arm, day, nano_usd FROM spend ORDER BY arm, day"


def held(usd: str, in_all: str | None = None, day: date = MONDAY) -> Reservation:
    return Reservation(day, Decimal(usd), Decimal(in_all or usd))


async def test_a_reservation_is_committed_with_the_mark(store: SQLiteStore, query: Query) -> None:
    """When `mark_sent` returns, another process sees both."""
    await store.add([recorded(0, "ferry")])
    await store.mark_sent(exchange_id(0), "ferry", held("0.000000007"))
    assert query(SPEND) == [("ferry", "2026-11-30", 7)]
    assert query("SELECT r.nano_usd, p.sent_at FROM reservations r JOIN replays p USING (exchange_id)") == [(7, 123.5)]


async def test_reservations_add_up(store: SQLiteStore, query: Query) -> None:
    """Each arm and day has a sum of its own."""
    await store.mark_sent(exchange_id(0), "ferry", held("1"))
    await store.mark_sent(exchange_id(1), "ferry", held("2", "3"))
    await store.mark_sent(exchange_id(1), "canal", held("4"))
    await store.mark_sent(exchange_id(2), "ferry", held("5", day=TUESDAY))
    assert query(SPEND) == [
        ("canal", "2026-11-30", 4 * 10**9),
        ("ferry", "2026-11-30", 3 * 10**9),
        ("ferry", "2026-12-01", 5 * 10**9),
    ]


async def test_a_charge_takes_the_place_of_its_reservation(store: SQLiteStore, query: Query) -> None:
    """On the day of the reservation, once: an end that is told again charges nothing more."""
    await store.mark_sent(exchange_id(0), "ferry", held("1"))
    await store.mark_sent(exchange_id(1), "ferry", held("2", "3"))
    ended = replay(0, charged_usd=Decimal("0.25"))
    await store.settle([ended])
    await store.settle([ended])
    assert query(SPEND) == [("ferry", "2026-11-30", 2_250_000_000)]
    assert query("SELECT exchange_id FROM reservations") == query("SELECT x'" + exchange_id(1).replace("-", "") + "'")


async def test_a_replay_without_a_reservation_charges_nothing(store: SQLiteStore, query: Query) -> None:
    """One that was not marked, because the store was in trouble, leaves the sums alone."""
    await store.mark_sent(exchange_id(1), "ferry", held("2"))
    await store.settle([replay(0, charged_usd=Decimal(0)), replay(1, "canal")])
    assert query(SPEND) == [("ferry", "2026-11-30", 2 * 10**9)]


async def test_what_a_killed_process_held_stays_spent(store: SQLiteStore, query: Query) -> None:
    """What its replays cost will never be known; the next start forgets the reservations and keeps their sum."""
    await store.add([recorded(0, "ferry")])
    await store.mark_sent(exchange_id(0), "ferry", held("1"))
    await store.recover()
    await store.settle([replay(0, charged_usd=Decimal(0))])
    assert query(SPEND) == [("ferry", "2026-11-30", 10**9)]
    assert query("SELECT count(*) FROM reservations") == [(0,)]


async def test_spend_is_read_back_to_the_nano_dollar(path: Path) -> None:
    """The next run goes on with what the last one spent, from a day on."""
    earlier = await SQLiteStore.open(path)
    await earlier.mark_sent(exchange_id(0), "ferry", held("1.000000001"))
    await earlier.mark_sent(exchange_id(1), "ferry", held("2", day=TUESDAY))
    await earlier.close()
    store = await SQLiteStore.open(path)
    try:
        assert await store.spend(MONDAY) == {"ferry": {MONDAY: Decimal("1.000000001"), TUESDAY: Decimal(2)}}
        assert await store.spend(TUESDAY) == {"ferry": {TUESDAY: Decimal(2)}}
    finally:
        await store.close()


async def test_a_fresh_database_learns_what_was_spent(store: SQLiteStore, query: Query) -> None:
    """In the place of one that was damaged, the first reservation brings the day's sum along."""
    await store.mark_sent(exchange_id(0), "ferry", held("1", "17"))
    await store.mark_sent(exchange_id(1), "ferry", held("1", "18"))
    assert query(SPEND) == [("ferry", "2026-11-30", 18 * 10**9)]


@pytest.mark.parametrize("old", [0, 10**12])
async def test_spend_outlives_the_exchanges(store: SQLiteStore, query: Query, old: int) -> None:
    """Retention deletes rows, and no dollar becomes free by that."""
    await store.add([recorded(0, "ferry")])
    await store.mark_sent(exchange_id(0), "ferry", held("1"))
    await store.prune(old)
    assert query(SPEND) == [("ferry", "2026-11-30", 10**9)]
