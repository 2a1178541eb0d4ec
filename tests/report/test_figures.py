from dataclasses import replace
from decimal import Decimal

import pytest

from shadow.report.costs import Amount, CostComparison
from shadow.report.estimates import Estimate, Unknown
from shadow.report.figures import Figures
from shadow.report.latencies import LatencyComparison
from shadow.report.layout import Cell
from shadow.report.reliability import Errors

THIN = Unknown("fewer than 30 pairs")
NONE = Unknown("no calls")
RATE = Estimate(0.05, 0.02, 0.11)
LESS = Amount(Decimal("-0.2"), Decimal("-0.3"), Decimal("-0.1"))
MORE = Amount(Decimal("0.2"), Decimal("0.1"), Decimal("0.3"))
EITHER = Amount(Decimal("0.1"), Decimal("-0.1"), Decimal("0.3"))
COST = CostComparison(40, 0, Decimal(2), Decimal(1), Decimal(-1), 0.5, Estimate(-0.4, -0.5, -0.3), LESS, LESS, LESS)


def test_the_same_reason_has_the_same_letter() -> None:
    """Each reason is explained once."""
    figures = Figures()
    shown = [figures.dollars(THIN).text, figures.seconds(Unknown("no pairs")).text, figures.amount(THIN).text]
    assert (shown, figures.legend()) == (["—a", "—b", "—a"], "a fewer than 30 pairs; b no pairs")


@pytest.mark.parametrize(("amount", "style"), [(LESS, "good"), (MORE, "bad"), (EITHER, "plain")])
def test_colour_only_where_the_interval_is_sure(amount: Amount, style: str) -> None:
    """Less is better; an interval with zero in it is neither."""
    assert Figures().amount(amount).style == style


def test_amount_with_its_interval() -> None:
    """Mean, then low and high."""
    assert Figures().amount(EITHER).text == "+0.100 (−0.100 … +0.300)"


def test_amount_of_a_thousand_exchanges() -> None:
    """What one call costs is too small to read."""
    assert Figures().amount(LESS, 1000).text == "−200 (−300 … −100)"


def test_amount_without_its_interval() -> None:
    """Where there is no room for it."""
    assert Figures().amount(LESS, interval=False) == Cell("−0.200", "good")


def test_difference_in_seconds() -> None:
    """Slower is worse."""
    assert Figures().difference(Estimate(0.2, 0.1, 0.3)) == Cell("+0.200 (+0.100 … +0.300)", "bad")


def test_estimated_change_is_not_that_of_the_sums() -> None:
    """The one is weighted, the other is not."""
    assert (Figures().change(COST).text, Figures().ratio(COST).text) == ("−40.0 %", "−50.0 %")


def test_unknown_change() -> None:
    """Too few pairs for one, not for the other."""
    thin = replace(COST, change=THIN)
    assert (Figures().change(thin).text, Figures().ratio(thin).text) == ("—a", "−50.0 %")


def test_quantiles_of_both_arms() -> None:
    """From the primary to the candidate, or unknown on both."""
    half, one = (Estimate(value, value, value) for value in (0.5, 1.0))
    latency = LatencyComparison(60, (half, half, THIN, THIN), (one, one, THIN, THIN), THIN)
    assert [Figures().shift(latency, at).text for at in (0.5, 0.99)] == ["0.500 → 1.00", "—a"]


def test_error_rates_of_both_arms() -> None:
    """One may be known and the other not."""
    shown = Figures().rates(Errors(5, 100, 0, RATE, RATE), Errors(0, 0, 0, NONE, NONE))
    assert shown.text == "5.0 % → —a"
