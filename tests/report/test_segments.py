from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from shadow.exchange import Observation, Recorded
from shadow.report.comparison import compare
from shadow.report.figures import Figures
from shadow.report.layout import columns, painter
from shadow.report.names import shown
from shadow.report.segments import SHOWN, by_segment, carried
from shadow.report.totals import Scope
from shadow.store import engines
from shadow.store.aggregates import read
from tests.report.population import MILLION, exchange, mixed, observation, replay, store, usd

SEEN = observation()


def lines_of(path: Path, scope: Scope, width: int = 100) -> list[str]:
    comparison = compare(read(path, scope), scope).candidates[0]
    return list(by_segment("ferry", comparison.tables[0], width, painter(False), Figures()))


def carried_lines(path: Path, scope: Scope, width: int = 100) -> list[str]:
    return list(carried(compare(read(path, scope), scope).accounts[0], width, painter(False), Figures()))


def stored(path: Path, tenants: list[str | None]) -> Path:
    ones = [exchange(tenant=tenant) for tenant in tenants]
    return store(path, [Recorded(one, observation(), (replay(one),)) for one in ones])


def test_tables_have_the_same_segments(tmp_path: Path) -> None:
    """Cost, speed, verdicts and coverage, each line begun by the segment's name."""
    shown = lines_of(stored(tmp_path / "shadow.db", ["acme", "acme", None]), Scope())
    assert [line.split("  ")[1] for line in shown if line.startswith("  ") and line[2] != " "] == [
        "acme",
        "unattributed",
    ] * 4


def test_a_screen_of_segments_is_shown(tmp_path: Path) -> None:
    """The largest, and how many more there are."""
    shown = lines_of(stored(tmp_path / "shadow.db", [f"t{n}" for n in range(SHOWN + 5)]), Scope())
    assert (sum(line.startswith("  t") for line in shown), shown[-1]) == (
        4 * SHOWN,
        "  … and 5 more, each with fewer exchanges: see the JSON",
    )


def test_others_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments that were merged stand in one line that says how many they are."""
    monkeypatch.setattr(engines, "SEGMENTS_MAX", 1)
    shown = lines_of(stored(tmp_path / "shadow.db", ["acme", "acme", "b", "c"]), Scope())
    assert sum(line.startswith("  2 others") for line in shown) == 4


def test_a_long_name_stands_above_its_numbers(tmp_path: Path) -> None:
    """Whole, while the others stay beside theirs, and no column is lost."""
    path = stored(tmp_path / "shadow.db", ["acme", "acme", "a" * 40])
    lines = lines_of(path, Scope(breakdowns=(("tenant", "model"),)), 80)
    at = lines.index(f"  {'a' * 40} · m")
    assert (lines[at - 1].startswith("  acme · m"), lines[at + 1].split()[0]) == (True, "1")


@pytest.mark.parametrize("width", [80, 100])
def test_tables_stay_within_the_width(tmp_path: Path, width: int) -> None:
    """A combination that is wider than the screen is cut."""
    path = store(tmp_path / "shadow.db", mixed(2000))
    long = store(tmp_path / "long.db", [Recorded(exchange(tenant="a" * 200, feature="b" * 200, plan="c" * 200), SEEN)])
    by = Scope(breakdowns=(("tenant", "feature", "plan", "model"),))
    lines = [*lines_of(path, by, width), *carried_lines(long, by, width)]
    assert max(map(columns, lines)) <= width


def test_traffic_is_accounted_for(tmp_path: Path) -> None:
    """Calls and their share, cost and its share, calls of unknown cost, errors and cancelled ones."""
    recorded = [Recorded(exchange(), SEEN) for _ in range(3)]
    recorded.append(Recorded(exchange(tenant=None), observation(usd(None))))
    lines = carried_lines(store(tmp_path / "shadow.db", recorded), Scope())
    assert [line.split() for line in lines[3:]] == [
        ["acme", "3", "75.0", "%", "0.00300", "100.0", "%", "0", "0", "0"],
        ["unattributed", "1", "25.0", "%", "—a", "1", "0", "0"],
    ]


def test_long_names_take_a_columns_room(tmp_path: Path) -> None:
    """The share of cost gives way before a name gets a line of its own."""
    path = store(tmp_path / "shadow.db", [Recorded(exchange(tenant="a" * 22), SEEN)])
    heads, row = carried_lines(path, Scope(), 80)[2:]
    assert (heads.split().count("share"), row.startswith(f"  {'a' * 22}  ")) == (1, True)


def test_other_requests_are_no_calls(tmp_path: Path) -> None:
    """What asked no model has no line of its own among calls."""
    recorded = [Recorded(exchange(), SEEN), Recorded(exchange(), Observation())]
    lines = carried_lines(store(tmp_path / "shadow.db", recorded), Scope(breakdowns=(("model",),)))
    assert [line.split()[0] for line in lines[3:]] == ["m"]


def test_what_is_not_known_has_the_name_it_has_in_metrics() -> None:
    """A tenant is unattributed; of a model nothing was to be attributed."""
    assert [shown("tenant", None), shown("model", None), shown("plan", "\n")] == ["unattributed", "unknown", "\\n"]


def test_uncached_figures_that_say_nothing_new_are_left_out(tmp_path: Path) -> None:
    """One phrase instead of a column of the same."""
    title, heads = lines_of(stored(tmp_path / "shadow.db", ["acme"]), Scope())[1:3]
    assert ("(uncached: the same)" in title, "uncached" in heads) == (True, False)


def test_uncached_figures_that_differ_are_shown(tmp_path: Path) -> None:
    """In a column beside the others."""
    one = exchange()
    cost = replace(MILLION, normalised_usd=Decimal(1))
    recorded = Recorded(one, observation(cost), (replay(one),))
    title, heads = lines_of(store(tmp_path / "shadow.db", [recorded]), Scope())[1:3]
    assert ("uncached" in title, "uncached *" in heads) == (False, True)


def test_columns_of_zeros_are_left_out(tmp_path: Path) -> None:
    """What did not happen anywhere takes no room."""
    shown = "\n".join(lines_of(stored(tmp_path / "shadow.db", ["acme"]), Scope()))
    assert ("withheld" in shown, "dropped" in shown, "eligible" in shown) == (False, False, True)
