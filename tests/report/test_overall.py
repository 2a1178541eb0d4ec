from dataclasses import replace
from decimal import Decimal

import pytest

from shadow.report.comparison import Comparison, compare
from shadow.report.estimates import Unknown
from shadow.report.figures import Figures
from shadow.report.layout import columns, painter
from shadow.report.overall import overall
from shadow.report.totals import Scope
from shadow.store.aggregates import read
from tests.report.population import mixed, store


@pytest.fixture(scope="module")
def ferry(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """A candidate in 4,000 exchanges, a minute apart."""
    scope = Scope(breakdowns=(), candidate="ferry")
    return compare(read(store(tmp_path_factory.mktemp("report") / "shadow.db", mixed(4000)), scope), scope).candidates[
        0
    ]


THIN = Unknown("fewer than 50 pairs")


def lines_of(comparison: Comparison, width: int = 120) -> list[str]:
    return list(overall(comparison, width, painter(False), Figures()))


def labels(comparison: Comparison) -> list[str]:
    """What each line of the table is about."""
    lines = lines_of(comparison)
    return [line[2:].split("   ")[0].rstrip() for line in lines[2 : lines.index("")]]


def test_rows_say_what_they_are_over(ferry: Comparison) -> None:
    """A sum over these pairs is not taken for an estimate of the traffic."""
    pairs = ferry.overall.cost.pairs
    shown = [line.strip() for line in lines_of(ferry)[2:7]]
    heads = ("cost, USD", f"these {pairs} pairs", "per 1,000 exchanges *", "all eligible, this period *")
    assert [line.startswith(head) for line, head in zip(shown, heads, strict=False)] == [True] * 4
    assert shown[4].startswith("all eligible, 30 days *")


def test_uncached_costs_that_are_the_same_take_one_line(ferry: Comparison) -> None:
    """No second block of equal figures."""
    assert sum("  these" in line for line in lines_of(ferry)) == 1
    assert "uncached: the same" in labels(ferry)


def test_uncached_costs_that_differ_are_a_block(ferry: Comparison) -> None:
    """With sums and estimates of their own."""
    one = ferry.overall
    other = replace(ferry, overall=replace(one, uncached=replace(one.uncached, pairs=one.cost.pairs - 1)))
    assert "uncached, USD" in labels(other)
    assert sum("  these" in line for line in lines_of(other)) == 2


def test_quantiles_that_are_not_known_are_left_out(ferry: Comparison) -> None:
    """But for the median, so that every measure has a figure or the reason why not."""
    thin = replace(ferry.overall.ttft, primary=(THIN,) * 4, candidate=(THIN,) * 4)
    shown = lines_of(replace(ferry, overall=replace(ferry.overall, ttft=thin, total=thin)))
    assert [line.split()[0] for line in shown if line.strip().startswith("p")] == ["primary", "per", "p50", "p50"]


def test_intervals_stand_below_where_they_do_not_fit_beside(ferry: Comparison) -> None:
    """The same figures in eighty columns, none of them lost."""
    wide, narrow = lines_of(ferry, 120), lines_of(ferry, 80)
    assert max(map(columns, narrow)) <= 80 < max(map(columns, wide))
    assert sorted(" ".join(narrow).split()) == sorted(" ".join(wide).split())


def test_long_names_and_large_sums_fit_eighty_columns(ferry: Comparison) -> None:
    """The name is cut at the head of its column and whole in the title."""
    less = Decimal("-123456.78")
    cost = replace(ferry.overall.cost, primary_usd=-less, candidate_usd=-less, difference_usd=less)
    lines = lines_of(
        replace(ferry, arm="a-name-of-thirty-characters-so", overall=replace(ferry.overall, cost=cost)), 80
    )
    assert max(map(columns, lines)) <= 80
    assert lines[0] == "a-name-of-thirty-characters-so beside the primary"
