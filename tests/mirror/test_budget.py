"""The budget: what is held, what is charged, and that it is never more than the limit."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.exchange import Cost, CostSource, Observation, Outcome, Replay, ReplayOutcome, Reservation
from shadow.mirror.budget import KEPT_DAYS, Budget, charged
from shadow.mirror.reasons import Dropped, Failed, Withheld
from tests.mirror.making import chat

MONDAY = date(2026, 11, 30)
TUESDAY = MONDAY + timedelta(days=1)
HELD = Reservation(MONDAY, Decimal("0.5"), Decimal("0.5"))


def test_what_is_reserved_is_gone_until_it_is_settled():
    """A reservation counts in full; its charge takes its place."""
    budget = Budget(Decimal(1))
    held = budget.reserve(MONDAY, Decimal("0.75"))
    assert held == Reservation(MONDAY, Decimal("0.75"), Decimal("0.75"))
    assert budget.reserve(MONDAY, Decimal("0.5")) is None
    budget.settle(held, Decimal("0.25"))
    assert budget.remaining(MONDAY) == Decimal("0.75")


def test_the_last_cent_may_be_spent():
    """The limit itself is within the budget, and a nano-dollar more is not."""
    assert Budget(Decimal(1)).reserve(MONDAY, Decimal(1)) is not None
    assert Budget(Decimal(1)).reserve(MONDAY, Decimal("1.000000001")) is None


def test_a_budget_of_zero_admits_nothing_that_costs():
    """It is how an operator stops spending."""
    assert Budget(Decimal(0)).reserve(MONDAY, Decimal("0.000000001")) is None


def test_fractions_of_a_nano_dollar_count_as_whole_ones():
    """Rounded up on both sides: the sum of what is kept is never less than what was spent."""
    budget = Budget(Decimal(1))
    assert budget.reserve(MONDAY, Decimal("1e-12")).usd == Decimal("1e-9")
    seen = Observation(cost=Cost(Decimal("1e-12"), CostSource.REPORTED))
    assert charged(HELD, Replay("x", "ferry", ReplayOutcome.COMPLETED, None, exchange=chat(), observation=seen)) == (
        Decimal("1e-9")
    )


def test_every_day_has_its_own():
    """At midnight (UTC) the budget is whole again; what is settled later is charged to the day of its reservation."""
    budget = Budget(Decimal(1))
    late = budget.reserve(MONDAY, Decimal(1))
    assert budget.remaining(TUESDAY) == 1
    budget.settle(late, Decimal("0.1"))
    assert (budget.remaining(MONDAY), budget.remaining(TUESDAY)) == (Decimal("0.9"), 1)


def test_it_goes_on_where_an_earlier_run_ended():
    """What the store knows of the day is off the limit."""
    assert Budget(Decimal(1), {MONDAY: Decimal("0.9")}).reserve(MONDAY, Decimal("0.2")) is None


def test_a_clock_that_is_put_back_gets_no_second_budget():
    """Days are remembered, and what they have room for is bounded; a day that is reserved on is never forgotten."""
    budget = Budget(Decimal(1))
    for number in range(3 * KEPT_DAYS):
        budget.reserve(MONDAY + timedelta(days=number), Decimal(1))
    assert len(budget._days) == KEPT_DAYS
    last = MONDAY + timedelta(days=3 * KEPT_DAYS - 1)
    assert budget.remaining(last - timedelta(days=1)) == 0
    long_ago = MONDAY - timedelta(days=400)
    budget.reserve(long_ago, Decimal(1))
    assert budget.remaining(long_ago) == 0


def test_who_costs_more_than_could_be_foreseen_ends_the_day():
    """A charge beyond its reservation is counted in full, and nothing more is admitted."""
    budget = Budget(Decimal(1))
    budget.settle(budget.reserve(MONDAY, Decimal("0.5")), Decimal("1.5"))
    assert budget.remaining(MONDAY) == Decimal("-0.5")
    assert not budget.admits(MONDAY, Decimal(0))


MONEY = st.decimals(0, 2, places=9)


@given(MONEY, st.lists(st.tuples(MONEY, MONEY, st.booleans())))
def test_costs_within_their_reservations_never_exceed_the_limit(limit, wishes):
    """Whatever is asked for in whatever order, ended or not: costs and reservations are within the limit."""
    budget, spent, held = Budget(limit), Decimal(0), []
    for most, cost, end_one in wishes:
        reservation = budget.reserve(MONDAY, most)
        if reservation is not None:
            held.append(reservation)
        if held and end_one:
            ended = held.pop(0)
            charge = min(cost, ended.usd)
            budget.settle(ended, charge)
            spent += charge
        assert spent + sum(one.usd for one in held) == limit - budget.remaining(MONDAY) <= limit


def ended(outcome, reason=None, *, cost=None, status=200, whole=True):
    """A replay that ended so; a cost of None is unknown."""
    wire = Outcome.COMPLETE if whole else Outcome.UPSTREAM_TRUNCATED
    seen = Observation(cost=Cost(None if cost is None else Decimal(cost)))
    return Replay("x", "ferry", outcome, reason, exchange=chat(status=status, outcome=wire), observation=seen)


COMPLETED, FAILED = ReplayOutcome.COMPLETED, ReplayOutcome.FAILED


@pytest.mark.parametrize(
    ("replay", "expected"),
    [
        (ended(COMPLETED, cost="0.2"), "0.2"),
        (ended(COMPLETED), "0.5"),  # unknown: all of it
        (ended(FAILED, Failed.ANSWER_EMPTY, cost="0.1"), "0.1"),  # failures keep what they spent
        (ended(FAILED, Failed.ANSWER_TRUNCATED, cost="0.1", whole=False), "0.5"),  # usage of a part is no end of it
        (ended(FAILED, Failed.DEADLINE, whole=False), "0.5"),
        (ended(FAILED, Failed.SERVER_ERROR, status=500), "0.5"),
        (ended(FAILED, Failed.CONTENT_POLICY, status=400), "0.5"),  # Azure bills the prompt
        (ended(FAILED, Failed.PARAM_REJECTED, status=400), "0"),  # refused before a model ran
        (ended(FAILED, Failed.RATE_LIMITED, status=429), "0"),
        (ended(FAILED, Failed.RATE_LIMITED, status=200), "0.5"),  # said in the middle of an answer
        (ended(FAILED, Failed.CONNECT, status=None, whole=False), "0"),
        (ended(FAILED, Failed.CONNECTION_LOST, status=None, whole=False), "0.5"),
        (Replay("x", "ferry", FAILED, Failed.INTERRUPTED), "0.5"),
        (Replay("x", "ferry", FAILED, Failed.INTERNAL), "0.5"),
        (Replay("x", "ferry", ReplayOutcome.DROPPED, Dropped.EXPIRED), "0"),  # it was not sent
        (Replay("x", "ferry", ReplayOutcome.WITHHELD, Withheld.PAUSED), "0"),
    ],
)
def test_what_a_replay_is_charged_with(replay, expected):
    """Its cost where that is certain, nothing where nobody bills it, else all that was reserved."""
    assert charged(HELD, replay) == Decimal(expected)
