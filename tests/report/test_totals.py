from shadow.report.totals import Breakdown, Moments, Money, Replays, Totals, Traffic


def test_parts_of_a_period_add_up() -> None:
    """Counts, sums, moments, outcomes and histograms of two parts are those of both together."""
    one, other = Replays(pairs=1), Replays(pairs=2)
    one.outcomes["failed", "deadline"] = 1
    other.outcomes.update({("failed", "deadline"): 2, ("completed", None): 2})
    one.cost.add(Money(1, 10, 7, Moments(1, 2.0, 4.0, 6.0)))
    other.cost.add(Money(2, 20, 5, Moments(2, 1.0, 1.0, 1.0)))
    one.ttft.primary.update({-1: 2.0})
    one.failures["answer"] = Moments(1, 2.0, c=2.0)
    other.failures.update({"answer": Moments(1, 1.0), "network": Moments(3)})
    other.ttft.primary.update({-1: 1.0, 7: 4.0})
    one.add(other)
    assert (one.pairs, one.cost) == (3, Money(3, 30, 12, Moments(3, 3.0, 5.0, 7.0)))
    assert one.failures == {"answer": Moments(2, 3.0, c=2.0), "network": Moments(3)}
    assert one.outcomes == {("failed", "deadline"): 3, ("completed", None): 2}
    assert one.ttft.primary == {-1: 3.0, 7: 4.0}


def test_adding_leaves_the_other_as_it_was() -> None:
    """What is taken in is not taken away."""
    one, other = Traffic(exchanges=1), Traffic(exchanges=2)
    one.add(other)
    assert (one.exchanges, other.exchanges) == (3, 2)


def test_arms_are_named_once_in_order() -> None:
    """However many segments an arm has replays in."""
    keys = [("ferry", ("a",)), ("canal", ("a",)), ("ferry", ("b",))]
    breakdown = Breakdown(("tenant",), replays={key: Replays() for key in keys})
    assert Totals([breakdown]).arms == ("canal", "ferry")
