"""One run, by itself: what is ordered, in which turn, and why it ends."""

from decimal import Decimal
from typing import Any

import orjson
import pytest

from shadow.exchange import Cost, CostSource, Observation, Replay, ReplayOutcome
from shadow.record.run import Order, Run, State, ordered


@pytest.mark.parametrize(
    "said",
    [
        "ferry",
        {},
        {"candidate": 1},
        {"candidate": "ferry", "limit": 0},
        {"candidate": "ferry", "limit": 1.5},
        {"candidate": "ferry", "rate": 0},
        {"candidate": "ferry", "rate": "fast"},
        {"candidate": "ferry", "rate": 1e-320},
        {"candidate": "ferry", "since": 1e308},
        {"candidate": "ferry", "since": -1},
        {"candidate": "ferry", "since": "yesterday"},
        {"candidate": "ferry", "until": 1},
    ],
)
def test_what_is_no_order_is_refused(said: Any) -> None:
    """A misspelt bound must not be taken for none."""
    with pytest.raises(ValueError):  # noqa: PT011 (it says nothing: the page does)
        ordered(orjson.dumps(said))


def test_an_order_may_be_without_bounds() -> None:
    """Then it is for all that is kept, as fast as the candidate takes it."""
    assert ordered(b'{"candidate": "ferry", "limit": null}') == Order("ferry")


def test_turns_are_spaced_by_the_rate_from_whenever_they_are_asked_for() -> None:
    """Two a second: half a second apart, and what was not used is not made up for."""
    run = Run(Order("ferry", rate=2), 0.0)
    assert [run.turn_s(10.0), run.turn_s(10.0), run.turn_s(10.2), run.turn_s(20.0)] == pytest.approx(
        [0.0, 0.5, 0.8, 0.0]
    )


def test_no_more_is_taken_than_the_limit() -> None:
    """The one after the last ends the run."""
    run = Run(Order("ferry", limit=2), 0.0)
    assert [run.take(), run.take(), run.stopping, run.take(), run.take()] == [True, True, False, False, False]
    run.over(State.DONE)
    assert (run.state, run.begun) == (State.DONE, 2)


def test_the_first_reason_to_end_is_the_one_that_is_told() -> None:
    """However many come after it."""
    run = Run(Order("ferry"), 0.0)
    run.stop(State.OVER_BUDGET)
    run.stop()
    run.over(State.DONE)
    run.over(State.FAILED)
    assert run.state is State.OVER_BUDGET


def test_unknown_costs_are_counted_apart() -> None:
    """An answer without a price is not free; what was never answered is no unknown cost."""
    run = Run(Order("ferry"), 0.0)
    for cost in (Cost(Decimal("0.1"), CostSource.CONFIGURED), Cost()):
        run.count(Replay("1", "ferry", ReplayOutcome.COMPLETED, None, observation=Observation(cost=cost)))
    run.count(Replay("2", "ferry", ReplayOutcome.INELIGIBLE, "preset"))
    told = run.as_json()
    assert told["ended"] == {"completed": 2, "ineligible: preset": 1}
    assert (told["cost_usd"], told["cost_unknown"]) == ("0.1", 1)
