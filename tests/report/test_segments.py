from pathlib import Path

import pytest

from shadow.exchange import Recorded
from shadow.report.comparison import compare
from shadow.report.figures import Figures
from shadow.report.layout import columns, painter
from shadow.report.segments import SHOWN, by_segment
from shadow.report.totals import Scope
from shadow.store import aggregates
from shadow.store.aggregates import read
from tests.report.population import exchange, observation, replay, store


def lines_of(path: Path, scope: Scope, width: int = 100) -> list[str]:
    comparison = compare(read(path, scope), scope).candidates[0]
    return list(by_segment("ferry", comparison.tables[0], width, painter(False), Figures()))


def stored(path: Path, tenants: list[str | None]) -> Path:
    ones = [exchange(tenant=tenant) for tenant in tenants]
    return store(path, [Recorded(one, observation(), (replay(one),)) for one in ones])


def test_three_tables_have_the_same_segments(tmp_path: Path) -> None:
    """Cost, speed and coverage, each line begun by the segment's name."""
    shown = lines_of(stored(tmp_path / "shadow.db", ["acme", "acme", None]), Scope())
    assert [line.split("  ")[1] for line in shown if line.startswith("  ") and line[2] != " "] == ["acme", "(none)"] * 3


def test_a_screen_of_segments_is_shown(tmp_path: Path) -> None:
    """The largest, and how many more there are."""
    shown = lines_of(stored(tmp_path / "shadow.db", [f"t{n}" for n in range(SHOWN + 5)]), Scope())
    assert (sum(line.startswith("  t") for line in shown), shown[-1]) == (
        3 * SHOWN,
        "  … and 5 more, each with fewer exchanges: see the JSON",
    )


def test_others_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments that were merged stand in one line that says how many they are."""
    monkeypatch.setattr(aggregates, "SEGMENTS_MAX", 1)
    shown = lines_of(stored(tmp_path / "shadow.db", ["acme", "acme", "b", "c"]), Scope())
    assert sum(line.startswith("  2 others") for line in shown) == 3


def test_names_share_the_room_that_numbers_leave(tmp_path: Path) -> None:
    """Long names are cut, all of a combination evenly, and the table stays within the width."""
    path = stored(tmp_path / "shadow.db", ["a" * 200])
    shown = lines_of(path, Scope(breakdowns=(("tenant", "feature", "plan", "model"),)))
    assert max(map(columns, shown)) <= 100


def test_columns_of_zeros_are_left_out(tmp_path: Path) -> None:
    """What did not happen anywhere takes no room."""
    shown = "\n".join(lines_of(stored(tmp_path / "shadow.db", ["acme"]), Scope()))
    assert ("withheld" in shown, "dropped" in shown, "eligible" in shown) == (False, False, True)
