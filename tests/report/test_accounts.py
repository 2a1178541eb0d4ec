from decimal import Decimal

from shadow.report.accounts import Carried, account, spent, usd
from shadow.report.estimates import Unknown
from shadow.report.totals import OTHERS, Breakdown, Traffic


def test_every_segment_has_its_traffic_and_its_cost() -> None:
    """In the order in which they came, the merged ones among them."""
    some, others = Traffic(2, 2, cost_known=2, cost_nano=5), Traffic(1, 1)
    found = account(Breakdown(("tenant",), {("acme",): some, OTHERS: others}, merged=3))
    assert found.segments == (
        Carried(("acme",), some, Decimal("5e-9")),
        Carried(OTHERS, others, Unknown("no call of known cost")),
    )
    assert (found.dimensions, found.merged) == (("tenant",), 3)


def test_free_calls_are_known_to_cost_nothing() -> None:
    """Zero is a cost; no known cost is not zero."""
    assert [spent(Traffic(cost_known=1)), spent(Traffic())] == [Decimal(0), Unknown("no call of known cost")]


def test_nano_dollars_become_dollars_digit_by_digit() -> None:
    """Beyond what a float can tell apart."""
    assert usd(9_007_199_254_740_993) == Decimal("9007199.254740993")
