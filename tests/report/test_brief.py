"""The block of a candidate that is shown unless all of it is asked for."""

from dataclasses import replace
from pathlib import Path

import pytest

from shadow.report import text
from shadow.report.brief import brief
from shadow.report.comparison import Report, compare
from shadow.report.figures import Figures
from shadow.report.judgement import NAMES, takes, unjudged
from shadow.report.layout import columns, painter
from shadow.report.totals import Scope
from shadow.store.aggregates import read
from tests.report.population import mixed, store

LINES_MOST = 32  # of one candidate: with another and the first table it is within reach of a scrolling hand


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """4,000 exchanges, a minute apart, on two candidates."""
    scope = Scope(breakdowns=())
    return compare(read(store(tmp_path_factory.mktemp("report") / "shadow.db", mixed(4000)), scope), scope)


def lines_of(report: Report, width: int = 100) -> list[str]:
    return list(brief(report.candidates[1], width, painter(False), Figures()))


def test_the_verdict_comes_first(report: Report) -> None:
    """Beside the candidate's name; then what it is made of; cost, speed and errors after that; coverage last."""
    lines = lines_of(report)
    assert lines[0] == f"ferry beside the primary: {report.candidates[1].overall.verdict}"
    beginnings = ("verdict", "cost, USD", "first token p50", "whole answer p50", "error rate", "Errors:", "Coverage:")
    places = [next(at for at, line in enumerate(lines) if line.strip().startswith(one)) for one in beginnings]
    assert places == sorted(places)


@pytest.mark.parametrize("width", [80, 100, 140])
def test_it_is_brief(report: Report, width: int) -> None:
    """On any terminal, and no wider than that."""
    lines = lines_of(report, width)
    assert max(map(columns, lines)) <= width
    assert len(lines) <= LINES_MOST


def test_all_of_it_is_there_for_those_who_ask(report: Report) -> None:
    """And the brief one says how to."""
    short, full = text.render(report), text.render(report, full=True)
    assert ["--full" in one for one in (short, full)] == [True, False]
    for only_in_full in ("p90 *", "per 1,000 exchanges *", "Uncached means", "A verdict compares"):
        assert [only_in_full in one for one in (short, full)] == [False, True]


def test_uncached_costs_that_differ_are_a_line(report: Report) -> None:
    """A saving that a warm cache makes is not taken for the candidate's."""
    ferry = report.candidates[1]
    other = replace(ferry.overall, uncached=replace(ferry.overall.uncached, pairs=1))
    said = [
        any("the same, uncached *" in line for line in brief(one, 100, painter(False), Figures()))
        for one in (ferry, replace(ferry, overall=other))
    ]
    assert said == [False, True]


def test_every_measure_has_a_figure_or_the_reason_why_not(tmp_path: Path) -> None:
    """Nothing that is judged is left out, however thin."""
    scope = Scope(breakdowns=(), candidate="ferry")
    [thin] = compare(read(store(tmp_path / "shadow.db", mixed(100)), scope), scope).candidates
    shown = " ".join(" ".join(brief(thin, 100, painter(False), Figures())).split())
    assert [NAMES[one.measure] in shown for one in thin.overall.verdicts] == [True] * len(thin.overall.verdicts)
    assert "first token p95 (fewer than 200 pairs)" in unjudged(thin.overall)


def test_a_time_that_is_the_same_for_all_is_said_once(report: Report) -> None:
    """One that is not stands beside each."""
    one = report.candidates[1].overall
    waiting = [replace(of, more_pairs=10 + at, days=3.0) for at, of in enumerate(one.verdicts[:2])]
    names = [NAMES[of.measure] for of in waiting]
    alike = takes(replace(one, verdicts=tuple(waiting)))
    assert alike.endswith(f"more pairs, about 3 days for each: {names[0]} 10; {names[1]} 11.")
    apart = takes(replace(one, verdicts=(waiting[0], replace(waiting[1], days=5.0))))
    assert apart.endswith(f"more pairs: {names[0]} 10, about 3 days; {names[1]} 11, about 5 days.")
