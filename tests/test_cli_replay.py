"""What `shadow replay` prints of a run."""

import pytest

from shadow.cli.replay import ENDINGS, SLOWEST, progress, summary
from shadow.record import run
from shadow.record.run import Order, Run, State

RUN = {
    **Run(Order("ferry"), 0.0).as_json(),
    "state": "stopped",
    "found": 12,
    "ended": {"completed": 3, "failed: rate_limited": 1},
    "left": {"consent": 2},
    "cost_usd": "0.012",
    "cost_unknown": 1,
}


def test_a_summary_adds_up() -> None:
    """Everything that was found has its line: how it ended, why it was left, or that nobody got to it."""
    assert summary(RUN) == [
        "12 kept requests were not replayed to ferry yet",
        "       3 completed",
        "       1 failed: rate_limited",
        "       2 left: consent",
        "       6 not begun",
        "cost: $0.012, of 1 unknown",
        "stopped: what was left waits for another time",
    ]


def test_a_run_that_is_done_says_no_more() -> None:
    """What there was is in the counts."""
    assert summary({**RUN, "state": "done", "found": 6, "cost_unknown": 0})[-1] == "cost: $0.012"


def test_every_end_has_words() -> None:
    """Whatever a recorder may say of a run."""
    assert ENDINGS.keys() == set(State) - {State.RUNNING}


@pytest.mark.parametrize(
    ("changes", "stopping", "line"),
    [
        ({}, False, "ferry: 6 of 12, 3 completed"),
        ({"waits_for": "circuit_open"}, False, "ferry: 6 of 12, 3 completed, waiting: circuit_open"),
        ({"waits_for": "paused"}, True, "ferry: 6 of 12, 3 completed, finishing what was sent"),
    ],
)
def test_progress_is_one_line(changes: dict[str, str], stopping: bool, line: str) -> None:
    """How far, and what is in the way."""
    assert progress({**RUN, **changes}, stopping=stopping) == line


def test_the_slowest_rate_is_the_recorders() -> None:
    """What the command takes the recorder takes, and the other way round."""
    assert run.SLOWEST == SLOWEST
