"""What was odd about answers is counted in every scope, and follows the rows."""

import dataclasses
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shadow.exchange import Pending, Recorded
from shadow.report.totals import Scope
from shadow.store.aggregates import read
from shadow.store.files import open_database
from tests.report.population import BEGUN, exchange, observation, replay, store


def recorded() -> Iterator[Recorded]:
    """Twelve exchanges, a minute apart, half of them acme's; some odd in one way, some in two, some pending."""
    for number in range(12):
        one = exchange(BEGUN + 60 * number, tenant="acme" if number % 2 else "globex")
        seen = dataclasses.replace(observation(), anomalies=("usage_missing", "end_missing")[: number % 3])
        again = dataclasses.replace(observation(), anomalies=("html_page",) if number < 3 else ())
        yield Recorded(one, seen, (replay(one, seen=again),), (Pending("canal", 0.5, number),))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return store(tmp_path / "shadow.db", recorded())


@pytest.mark.parametrize(
    ("scope", "found"),
    [
        (Scope(), {"primary": {"usage_missing": 8, "end_missing": 4}, "ferry": {"html_page": 3}}),
        (
            Scope(where=(("tenant", "acme"),)),
            {"primary": {"usage_missing": 4, "end_missing": 2}, "ferry": {"html_page": 1}},
        ),
        (Scope(candidate="canal"), {"primary": {"usage_missing": 8, "end_missing": 4}}),
        (
            Scope(since=datetime.fromtimestamp(BEGUN + 120, UTC), until=datetime.fromtimestamp(BEGUN + 300, UTC)),
            {"primary": {"usage_missing": 2, "end_missing": 1}, "ferry": {"html_page": 1}},
        ),
        (Scope(until=datetime.fromtimestamp(BEGUN - 1, UTC)), {}),
    ],
    ids=["everything", "one tenant", "one candidate", "a period", "nothing"],
)
def test_odd_answers_are_counted_by_arm_and_word(path: Path, scope: Scope, found: dict[str, dict[str, int]]) -> None:
    """One that is odd in two ways counts in both; of other candidates than the one asked for nothing is said."""
    assert read(path, scope).anomalies == found


def test_counts_follow_the_rows(path: Path) -> None:
    """A row that is deleted, changed, or learns what was odd about it."""
    with closing(open_database(path)) as database:
        database.execute("DELETE FROM exchanges WHERE tenant = 'acme'")
        database.execute("UPDATE replays SET anomalies = '[]' WHERE arm = 'ferry'")
        database.execute("UPDATE replays SET anomalies = '[\"capture_cut\"]' WHERE arm = 'canal'")
    found = {"primary": {"usage_missing": 4, "end_missing": 2}, "canal": {"capture_cut": 6}}
    assert read(path, Scope()).anomalies == found
