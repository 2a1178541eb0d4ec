"""What is summed up while rows are written says the same as the rows, whatever happens to them."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shadow.exchange import Pending, Recorded
from shadow.report.totals import Scope, Totals
from shadow.store.adding import ADD_EXCHANGES, ADD_REPLAYS
from shadow.store.aggregates import read
from shadow.store.files import open_database
from shadow.store.migrations import migrate
from shadow.store.rows import rows
from shadow.store.schema import MIGRATIONS
from shadow.store.sums import Period
from tests.report.population import BEGUN, exchange, mixed, observation, store
from tests.store.sums import kept, made_anew

CHANGES = (
    "UPDATE exchanges SET cost_nano_usd = 5, cost_normalised_nano_usd = NULL WHERE exchange_id = ?",
    "UPDATE exchanges SET cost_nano_usd = NULL WHERE exchange_id = ?",
    "UPDATE exchanges SET tenant = NULL, error_kind = 'timeout' WHERE exchange_id = ?",
    "UPDATE replays SET outcome = 'failed', reason = 'interrupted' WHERE exchange_id = ?",
    "UPDATE replays SET outcome = 'dropped', reason = 'recorder_restarted' WHERE exchange_id = ? AND arm = 'ferry'",
    "UPDATE replays SET sent_at = 1 WHERE exchange_id = ?",
    "DELETE FROM exchanges WHERE exchange_id = ?",
    "DELETE FROM replays WHERE exchange_id = ?",
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Four hundred exchanges, a few with a replay that has not ended."""
    waiting = [Recorded(exchange(BEGUN + n), observation(), (), (Pending("ferry", 0.5, n),)) for n in range(20)]
    with closing(open_database(store(tmp_path / "shadow.db", [*mixed(380, apart_s=100.0), *waiting]))) as opened:
        yield opened


@pytest.mark.parametrize("seed", range(5))
def test_sums_follow_the_rows(database: sqlite3.Connection, seed: int) -> None:
    """After sixty changes at random (costs learnt and lost, ends, deletions) they are what the rows add up to."""
    chance = random.Random(seed)  # noqa: S311 (made-up changes)
    ids = [one for (one,) in database.execute("SELECT exchange_id FROM exchanges")]
    for _ in range(60):
        database.execute(chance.choice(CHANGES), (chance.choice(ids),))
    before = kept(database)
    assert all(before.values())
    assert before == made_anew(database)


def test_a_tenant_whose_rows_are_deleted_is_nowhere(database: sqlite3.Connection) -> None:
    """Nor are sums of nothing: an erased name must not stay in a table of names."""
    database.execute("DELETE FROM exchanges WHERE tenant = 'acme'")
    assert database.execute("SELECT count(*) FROM segments WHERE tenant = 'acme'").fetchone() == (0,)
    assert database.execute("SELECT min(exchanges) > 0 FROM outcomes").fetchone() == (1,)
    database.execute("DELETE FROM exchanges")
    assert not any(kept(database).values())
    assert database.execute("SELECT count(*) FROM segments").fetchone() == (0,)


def test_rows_of_an_earlier_release_are_summed_up() -> None:
    """The migration reads what is there; afterwards the sums are those of a database that had them all along."""
    names = [migration.name for migration in MIGRATIONS]
    earlier = names.index("0007-sums-kept-while-writing")
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as old:
        migrate(old, 1.0, MIGRATIONS[:earlier])
        made = rows(list(mixed(300)))
        old.executemany(ADD_EXCHANGES, made.exchanges)
        old.executemany(ADD_REPLAYS, made.replays)
        migrate(old, 2.0)
        assert kept(old) == made_anew(old)
        assert all(kept(old).values())


HOUR = 3600.0


@pytest.mark.parametrize(
    ("since", "until"),
    [(None, None), (0.0, 50.0), (1.0, 2.0), (3.3, 21.7), (None, 30.5), (10.2, None), (-5.0, 500.0), (20.0, 20.001)],
)
def test_periods_are_read_from_sums_and_rows_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, since: float | None, until: float | None
) -> None:
    """Whole spans come from the sums, the ends from the rows: together what the rows alone say."""
    path = store(tmp_path / "shadow.db", mixed(600, apart_s=300.0))
    moments = (None if at is None else datetime.fromtimestamp(BEGUN + at * HOUR, UTC) for at in (since, until))
    scope = Scope(since=next(moments), until=next(moments), breakdowns=(("tenant", "model"),))
    both = read(path, scope)
    begin = Period.__init__

    def rows_only(self: Period, ids: tuple[bytes, bytes]) -> None:
        begin(self, ids)
        self.spans, self.ends = (b"", b""), [ids]

    monkeypatch.setattr(Period, "__init__", rows_only)
    assert _counted(read(path, scope)) == _counted(both)


def _counted(totals: Totals) -> object:
    return [
        (
            one.traffic,
            {key: (found.outcomes, found.unprojected_nano, found.pairs) for key, found in one.replays.items()},
        )
        for one in totals.breakdowns
    ], totals.considered
