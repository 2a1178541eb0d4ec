import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shadow.exchange import Recorded
from shadow.report import text
from shadow.report.comparison import Report, compare
from shadow.report.layout import columns
from shadow.report.totals import Scope
from shadow.store.aggregates import read
from tests.report.population import BEGUN, exchange, mixed, observation, replay, store, usd

ESCAPE = re.compile(r"\x1b\[\d+m")


def report_of(directory: Path, recorded: Iterable[Recorded], scope: Scope | None = None) -> Report:
    scope = scope or Scope()
    return compare(read(store(directory / "shadow.db", recorded), scope), scope)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """4,000 exchanges, a minute apart, on two candidates."""
    return report_of(tmp_path_factory.mktemp("report"), mixed(4000), Scope(breakdowns=(("tenant", "feature"),)))


def test_first_comes_what_a_move_would_change(report: Report) -> None:
    """Right after what was recorded, one line for each candidate: cost, speed, errors."""
    lines = text.render(report).splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("If all eligible traffic moved"))
    assert at < 6
    assert re.fullmatch(r"  ferry +\d+  −40\.0 % +−\d+\.\d\d  .+ → .+  .+ → .+  [\d.]+ % → [\d.]+ %", lines[at + 3])


def test_a_hundred_columns_are_enough(report: Report) -> None:
    """No line is wider than the terminal it was made for."""
    assert max(columns(line) for line in text.render(report, 100).splitlines()) <= 100


def test_a_pipe_gets_plain_text(report: Report) -> None:
    """No control character but the newline."""
    assert all(character == "\n" or character.isprintable() for character in text.render(report))


def test_colour_changes_nothing_else(report: Report) -> None:
    """Without its control sequences the coloured report is the plain one."""
    coloured = text.render(report, 100, colour=True)
    assert (ESCAPE.search(coloured) is not None, ESCAPE.sub("", coloured)) == (True, text.render(report, 100))


def test_counts_of_every_outcome_are_accounted_for(report: Report) -> None:
    """The line of the coverage adds up."""
    line = re.search(r"Coverage:.*?pairs?\.", text.render(report), re.DOTALL)
    assert line is not None
    numbers = {what: int(number.replace(",", "")) for number, what in re.findall(r"(\d[\d,]*)\s+(\w+)", line[0])}
    assert numbers["exchanges"] == numbers["ineligible"] + numbers["eligible"]
    assert numbers["drawn"] == numbers["withheld"] + numbers["failed"] + numbers["completed"]


def test_unknown_is_a_dash_that_is_explained(report: Report) -> None:
    """A tenant that withheld consent has no pairs; the reason stands below."""
    shown = text.render(report)
    line = next(line for line in shown.splitlines() if line.strip().startswith("initech"))
    letter = re.findall(r"—(\w)", line)[-1]
    assert f"{letter} no pairs;" in shown


def test_one_pair_is_summed_and_not_projected(tmp_path: Path) -> None:
    """Its two costs are facts; everything else is too thin."""
    one = exchange()
    recorded = Recorded(one, observation(usd(2_000_000_000)), (replay(one, seen=observation(usd(500_000_000))),))
    shown = text.render(report_of(tmp_path, [recorded]))
    assert re.search(r"cost, USD +sum over pairs +2\.00 +0\.500 +−75\.0 % +−1\.50 +1\n", shown)
    assert re.search(r"30 days \* +—\w\n", shown)


def test_unknown_costs_are_said(tmp_path: Path) -> None:
    """How many pairs, on which side."""
    one = exchange()
    recorded = Recorded(one, observation(), (replay(one, seen=observation(usd(None))),))
    shown = " ".join(text.render(report_of(tmp_path, [recorded])).split())
    assert "Of unknown cost, in neither sum: 1 pair (0 at the primary, 1 at the candidate)." in shown


def test_unknown_spending_is_not_nothing(tmp_path: Path) -> None:
    """Calls without a known cost did not cost nothing."""
    shown = " ".join(text.render(report_of(tmp_path, [Recorded(exchange(), observation(usd(None)))])).split())
    assert ("What they cost is not known." in shown, "0.00 USD" in shown) == (True, False)


def test_hostile_names_are_escaped(tmp_path: Path) -> None:
    """A tenant that would clear the screen is shown for what it is."""
    one = exchange(tenant="\x1b[2J\u202e<script>")
    shown = text.render(report_of(tmp_path, [Recorded(one, observation(), (replay(one),))]), 120)
    assert "\\x1b[2J\\u202e<script>" in shown


def test_no_exchanges(tmp_path: Path) -> None:
    """An empty report says so, in words."""
    assert "No exchanges" in text.render(report_of(tmp_path, []))


def test_no_replays(tmp_path: Path) -> None:
    """Traffic alone is reported, and why there is no comparison."""
    shown = text.render(report_of(tmp_path, [Recorded(exchange(), observation())]))
    assert ("1 exchange," in shown, "No replays" in shown) == (True, True)


def test_no_replays_to_one_candidate(tmp_path: Path) -> None:
    """A name that was mistyped is repeated."""
    one = exchange()
    shown = text.render(report_of(tmp_path, [Recorded(one, observation(), (replay(one),))], Scope(candidate="fery")))
    assert "No replays to fery" in shown


def test_restrictions_are_repeated(tmp_path: Path) -> None:
    """A part must not be taken for the whole."""
    scope = Scope(since=datetime.fromtimestamp(BEGUN, UTC), where=(("tenant", "acme"), ("plan", "")), breakdowns=())
    shown = text.render(report_of(tmp_path, [], scope))
    assert "Only exchanges with tenant = acme, plan = (none), since 2026-09-21 14:13 UTC." in shown
