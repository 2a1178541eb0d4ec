"""How often intervals of 95 % hold the truth: seeded samples of traffic with unequal weights and heavy tails."""

from collections.abc import Iterator

import pytest

from shadow.report.estimates import Estimate, Unknown, change, difference, quantile, share
from shadow.report.totals import SIDES, Replays
from tests.report.simulated import Truth, sample, truth

CASES = {"calls": (250, 1, 2000), "conversations": (150, 4, 1500)}  # samples, turns, conversations to draw from
SHARES = (0.5, 0.9, 0.95)


@pytest.fixture(scope="module", params=CASES.values(), ids=CASES.keys())
def covered(request: pytest.FixtureRequest) -> dict[str, float]:
    """For every figure, the share of the samples whose interval holds the truth; few have none."""
    runs, turns, conversations = request.param
    found: dict[str, list[bool]] = {}
    for seed in range(runs):
        for name, estimate, value in figures(sample(seed, turns, conversations), truth(turns)):
            if isinstance(estimate, Estimate):
                found.setdefault(name, []).append(estimate.low <= value <= estimate.high)
    assert min(map(len, found.values())) > 0.9 * runs
    return {name: sum(holds) / len(holds) for name, holds in found.items()}


def figures(one: Replays, true: Truth) -> Iterator[tuple[str, Estimate | Unknown, float]]:
    """Every kind of estimate beside what it estimates."""
    yield "difference", difference(one.cost.moments), true.difference_nano
    yield "change", change(one.cost.moments), true.change
    yield "share", share(one.agreement["finish_reason"]), true.disagree
    for side in SIDES:
        for at in SHARES:
            values = one.ttft.primary if side == "primary" else one.ttft.candidate
            known = true.primary_s if side == "primary" else true.candidate_s
            yield (
                f"{side} p{at * 100:.0f}",
                quantile(values, one.ttft.moments.pairs, at, one.ttft.below[side, at]),
                known[at],
            )


def test_intervals_cover_the_truth(covered: dict[str, float]) -> None:
    """Between 93 and 97 % of them, over all figures; each figure as near as so few samples can tell."""
    assert 0.93 <= sum(covered.values()) / len(covered) <= 0.97
    assert {name: rate for name, rate in covered.items() if not 0.89 <= rate < 1} == {}
