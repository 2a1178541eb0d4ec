import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shadow.exchange import Recorded, ReplayOutcome
from shadow.report import text
from shadow.report.comparison import Report, compare
from shadow.report.layout import columns
from shadow.report.totals import Loss, Scope
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
    row = r"  ferry +[\d.]+ % +\d+ +−40\.0 % +−\d+\.\d\d  .+ → .+  .+ → .+  [\d.]+ % → [\d.]+ %"
    assert re.fullmatch(row, lines[at + 4])


def test_error_rates_are_not_to_be_compared(report: Report) -> None:
    """Right under the first table, and its heading points there."""
    lines = text.render(report).splitlines()
    at = next(at for at, line in enumerate(lines) if "rates †" in line)
    assert lines[at + 3].startswith("  † Error rates are over different requests")


def test_share_of_the_calls_that_estimates_are_about(tmp_path: Path) -> None:
    """Eligible ones of all model calls."""
    ones = [exchange() for _ in range(4)]
    out = (ReplayOutcome.INELIGIBLE, "privacy")
    recorded = [Recorded(one, observation(), (replay(one, *out, probability=None),)) for one in ones[1:]]
    shown = text.render(report_of(tmp_path, [Recorded(ones[0], observation(), (replay(ones[0]),)), *recorded]))
    assert re.search(r"\n  ferry +25\.0 % +1 ", shown)


@pytest.mark.parametrize("width", [80, 90, 100])
def test_no_line_is_wider_than_the_terminal(report: Report, width: int) -> None:
    """Columns give way, names and intervals take lines of their own."""
    assert max(columns(line) for line in text.render(report, width).splitlines()) <= width


def test_what_is_not_broken_down_says_how_to(report: Report) -> None:
    """At the end, and only there where nobody has."""
    bare = replace(report, scope=Scope(breakdowns=()))
    assert ["add --by tenant" in text.render(one) for one in (report, bare)] == [False, True]


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
    line = next(line for line in shown.split("ferry by")[1].splitlines() if line.strip().startswith("initech"))
    letter = re.findall(r"—(\w)", line)[-1]
    assert f"{letter} no pairs;" in shown


def test_one_pair_is_summed_and_not_projected(tmp_path: Path) -> None:
    """Its two costs are facts; everything else is too thin."""
    one = exchange()
    recorded = Recorded(one, observation(usd(2_000_000_000)), (replay(one, seen=observation(usd(500_000_000))),))
    shown = text.render(report_of(tmp_path, [recorded]))
    assert re.search(r"cost, USD\n +this pair +2\.00 +0\.500 +−75\.0 % +−1\.50\n", shown)
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
    assert text.render(report_of(tmp_path, [])) == "Shadow report\nNo exchanges were recorded.\n"


def test_no_exchanges_in_a_period(tmp_path: Path) -> None:
    """The period is said, and that it is why."""
    scope = Scope(since=datetime(2030, 1, 1, tzinfo=UTC), until=datetime(2031, 1, 1, tzinfo=UTC))
    assert text.render(report_of(tmp_path, [Recorded(exchange(), observation())], scope)).splitlines()[1:] == [
        "Only exchanges from 2030-01-01 00:00 UTC, until 2031-01-01 00:00 UTC.",
        "No exchanges were recorded in this period.",
    ]


def test_no_exchanges_that_meet_the_conditions(tmp_path: Path) -> None:
    """There was traffic, and nothing is said of candidates or of what is known."""
    scope = Scope(where=(("tenant", "nobody"),))
    assert text.render(report_of(tmp_path, [Recorded(exchange(), observation())], scope)).splitlines()[1:] == [
        "Only exchanges with tenant = nobody.",
        "No exchanges: none that were recorded in this time meet these conditions.",
    ]


def test_no_replays(tmp_path: Path) -> None:
    """Traffic alone is reported, with its segments, and why there is no comparison."""
    shown = text.render(report_of(tmp_path, [Recorded(exchange(), observation())]))
    assert [said in shown for said in ("1 exchange,", "No replays", "Traffic by tenant")] == [True] * 3


def test_unattributed_traffic_is_said(tmp_path: Path) -> None:
    """How much of it, and of what kind."""
    seen = [Recorded(exchange(tenant=None), observation()), Recorded(exchange(), observation(usd(None)))]
    shown = " ".join(text.render(report_of(tmp_path, seen)).split())
    assert "Unattributed: 1 (50.0 %) to a tenant. Of unknown cost: 1 (50.0 %)." in shown


def test_no_replays_to_one_candidate(tmp_path: Path) -> None:
    """A name that was mistyped is repeated."""
    one = exchange()
    shown = text.render(report_of(tmp_path, [Recorded(one, observation(), (replay(one),))], Scope(candidate="fery")))
    assert "No replays to fery" in shown


def test_restrictions_are_repeated(tmp_path: Path) -> None:
    """A part must not be taken for the whole."""
    scope = Scope(since=datetime.fromtimestamp(BEGUN, UTC), where=(("tenant", "acme"), ("plan", "")), breakdowns=())
    shown = text.render(report_of(tmp_path, [], scope))
    assert "Only exchanges with tenant = acme, plan = unattributed, from 2026-09-21 14:13 UTC." in shown


def test_what_no_pair_speaks_for_is_said(tmp_path: Path) -> None:
    """How many exchanges could not be drawn, and what is at stake in them."""
    ones = [exchange() for _ in range(3)]
    never = [replay(one, ReplayOutcome.SAMPLED_OUT, "not_drawn", probability=0.0) for one in ones]
    recorded = [Recorded(one, observation(usd(10**9)), (end,)) for one, end in zip(ones, never, strict=True)]
    shown = " ".join(text.render(report_of(tmp_path, recorded)).split())
    assert "Not projected, for they could not be drawn: 3 exchanges, 3.00 USD at the primary." in shown


def test_an_outage_is_said_beside_the_errors(tmp_path: Path) -> None:
    """Replays that an open circuit held back failed nowhere; the rate alone would hide them."""
    ones = [exchange() for _ in range(3)]
    held = [replay(one, ReplayOutcome.WITHHELD, "circuit_open") for one in ones]
    recorded = [Recorded(one, observation(), (end,)) for one, end in zip(ones, held, strict=True)]
    shown = " ".join(text.render(report_of(tmp_path, recorded)).split())
    assert "3 more were not tried because it was failing." in shown
    assert "ferry was failing: 3 replays more were not tried and are in no rate." in shown


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (
            Loss(0, 1, BEGUN),
            "Incomplete: 1 exchange up to {} UTC is missing, deleted because",
        ),
        (
            Loss(1200, 34, BEGUN),
            "1,234 exchanges up to {} UTC are missing, deleted because store.max_bytes was",
        ),
        (Loss(1200, 34, BEGUN), "ClickHouse has 1,200 of them."),
    ],
)
def test_what_is_missing_is_told_first(report: Report, loss: Loss, said: str) -> None:
    """How many exchanges are not there, up to when, and how many of them are elsewhere."""
    head = " ".join(text.render(replace(report, loss=loss)).splitlines()[:5])
    assert said.format(f"{datetime.fromtimestamp(BEGUN, UTC):%Y-%m-%d %H:%M}") in head
