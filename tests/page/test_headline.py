"""The first screen and the ranking, over traffic whose truth is known."""

from itertools import pairwise

import pytest

from shadow.page.headline import headlines, in_one_sentence
from shadow.page.ranking import State, rankings
from shadow.page.waterfall import waterfall
from shadow.report.comparison import Report
from tests.page.traffic import HOSTILE, SLOW, clear, compared


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return compared(tmp_path_factory.mktemp("headline") / "shadow.db", clear())[0]


def test_the_candidate_that_can_take_something_comes_first(report: Report) -> None:
    """Neither can take all; ferry can take those for whom it is not slow."""
    assert [(one.candidate, one.partly, one.state) for one in headlines(report)] == [
        ("ferry", True, State.WORSE),
        ("canal", False, State.WORSE),
    ]


def test_what_moves_first_is_what_saves_most_without_harm(report: Report) -> None:
    """Of the tenants that lose nothing the one with the most traffic; the one whose answers come later is last."""
    ferry = next(one for one in report.candidates if one.arm == "ferry")
    tenants = rankings(ferry)[0].segments
    assert [one.name for one in tenants if one.state is State.READY][:2] == ["acme", "initech"]
    assert (tenants[-1].name, tenants[-1].state) == (SLOW, State.WORSE)
    assert {one.name for one in tenants} == {"acme", "initech", SLOW, HOSTILE}
    assert "tenant “acme”: better in cost" in headlines(report)[0].first


def test_what_it_saves_is_said_with_its_interval(report: Report) -> None:
    """45 % of the cost less, in dollars of thirty days; of the dear candidate it is what it costs more."""
    ferry, canal = headlines(report)
    assert "USD less (" in ferry.saves
    assert "−45.0 % of the cost" in ferry.saves
    assert "USD more (" in canal.saves


def test_one_sentence_says_it_all(report: Report) -> None:
    """And without candidates, that there are none."""
    assert in_one_sentence(headlines(report), report).startswith("In part: some segments can move to ferry")
    assert in_one_sentence((), report) == "Nothing was compared yet."


def test_the_waterfall_ends_at_the_pairs(report: Report) -> None:
    """What was left out at each step is what is missing after it."""
    for one in report.candidates:
        steps = waterfall(one.overall)
        assert steps[0].left == one.overall.coverage.exchanges
        assert all(before.left - step.lost == step.left for before, step in pairwise(steps))
        assert steps[-1].left == one.overall.coverage.pairs
