"""What is added is counted: the sums say the same as the rows."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.exchange import Attribution, Cost, CostSource, Outcome, Pending, Recorded, Replay, ReplayOutcome
from shadow.store.adding import ADD_EXCHANGES, ADD_UNSENT, add, add_later
from shadow.store.migrations import migrate
from shadow.store.rows import pending_row, rows, unsent_row
from shadow.store.schema import MIGRATIONS
from tests.store.samples import exchange, exchange_id, observation, recorded, replay
from tests.store.sums import kept, made_anew

ARMS = ("ferry", "canal")
NAMES = st.sampled_from((None, "", "acme", "globex"))
COSTS = st.sampled_from((None, "0", "0.000123456", "0.0000000001", "9999", "10000.000000001", "1e11"))
REASONS = st.sampled_from((None, "not_drawn", "consent", "server_error"))
CHANCES = st.sampled_from((None, 0.0, 0.25, 1.0))


def database(migrations: int | None = None) -> sqlite3.Connection:
    """An empty one, of the present schema or an earlier one."""
    opened = sqlite3.connect(":memory:", isolation_level=None)
    migrate(opened, 1.0, MIGRATIONS[:migrations])
    return opened


@st.composite
def batches(draw: st.DrawFn) -> list[Recorded]:
    """Exchanges of all kinds, few of them alike, with what became of them on two arms."""
    return [draw(one(number)) for number in range(draw(st.integers(0, 6)))]


@st.composite
def one(draw: st.DrawFn, number: int) -> Recorded:
    who = Attribution(draw(NAMES), draw(NAMES), draw(NAMES))
    cost = draw(COSTS)
    primary = exchange(
        number * draw(st.sampled_from((1, 40_000_000))), attribution=who, outcome=draw(st.sampled_from(Outcome))
    )
    seen = observation(
        inference=draw(st.booleans()),
        request_model=draw(NAMES),
        error_kind=draw(st.sampled_from((None, "", "timeout"))),
        cost=Cost() if cost is None else Cost(Decimal(cost), CostSource.REPORTED),
    )
    ended, pending = [], []
    for arm in ARMS[: draw(st.integers(0, 2))]:
        chance = draw(CHANCES)
        if draw(st.booleans()):
            end = Replay(primary.exchange_id, arm, draw(st.sampled_from(ReplayOutcome)), draw(REASONS), chance)
            ended.append(replace(end, exchange=primary, observation=seen) if draw(st.booleans()) else end)
        else:
            pending.append(Pending(arm, chance or 0.0, draw(st.sampled_from((None, 7)))))
    return Recorded(primary, seen, tuple(ended), tuple(pending))


@given(st.lists(batches(), min_size=1, max_size=2))
def test_whatever_is_added_is_counted(commits: list[list[Recorded]]) -> None:
    """One commit after another: what they have counted is what a database counts that has the rows already."""
    with closing(database()) as opened:
        for number, batch in enumerate(commits):
            made = rows([renumbered(one, number) for one in batch])
            add(opened, made.exchanges, made.replays, made.unsent)
        assert kept(opened) == made_anew(opened)


def renumbered(recorded: Recorded, commit: int) -> Recorded:
    """The same in another commit: with an id of its own."""
    own = recorded.exchange.exchange_id[:-1] + str(commit)
    ended = tuple(replace(one, exchange_id=own) for one in recorded.ended)
    return replace(recorded, exchange=replace(recorded.exchange, exchange_id=own), ended=ended)


@pytest.mark.parametrize("outcome", [None, *ReplayOutcome])
def test_a_replay_that_comes_later_is_counted(outcome: ReplayOutcome | None) -> None:
    """Whether it waits or has ended."""
    with closing(database()) as opened:
        made = rows([recorded(1)])
        add(opened, made.exchanges, (), ())
        later = pending_row(exchange_id(1), Pending("ferry", 0.5))
        if outcome is not None:
            later = unsent_row(replay(1, outcome=outcome, reason="internal"))
        assert add_later(opened, later)
        assert kept(opened)["outcomes"]
        assert kept(opened) == made_anew(opened)


def test_what_is_not_added_later_is_not_counted() -> None:
    """A second replay on the same arm, and one of an exchange that is gone, change nothing."""
    with closing(database()) as opened:
        made = rows([recorded(1, "ferry")])
        add(opened, made.exchanges, made.replays, made.unsent)
        before = kept(opened)
        assert not add_later(opened, unsent_row(replay(1)))
        assert not add_later(opened, unsent_row(replay(2)))
        assert kept(opened) == before


def test_rows_are_counted_once_across_releases() -> None:
    """Those that the triggers of an earlier release counted, and those that are added since."""
    names = [migration.name for migration in MIGRATIONS]
    with closing(database(names.index("0009-rows-are-counted-by-who-adds-them"))) as opened:
        old, new = rows([recorded(1, "ferry")]), rows([recorded(2, "ferry")])
        opened.executemany(ADD_EXCHANGES, old.exchanges)
        opened.executemany(ADD_UNSENT, old.unsent)
        migrate(opened, 2.0)
        add(opened, new.exchanges, new.replays, new.unsent)
        assert [row[-2] for row in kept(opened)["traffic"]] == [2]
        assert kept(opened) == made_anew(opened)
