from dataclasses import replace
from decimal import Decimal

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from shadow.exchange import Agreement, Cost, CostSource, Observation, Replay, ReplayOutcome
from shadow.record.pairs import Pairs, Primary
from tests.record.samples import exchange, exchange_id, sample

CALLER = {"tenant": "acme", "feature": "summaries"}
PRIMARY = Primary(("acme", "summaries"), Decimal("0.002"), 0.5)
KNOWN = Cost(Decimal("0.001"), CostSource.CONFIGURED)
REPLAY = Replay(
    exchange_id(0), "ferry", ReplayOutcome.COMPLETED, None, 0.05, None,
    exchange(arm="ferry", total_s=0.75), Observation(cost=KNOWN),
    Agreement(True, False, text_similarity=0.8, schema_valid=True, primary_schema_valid=False, refused=False),
)  # fmt: skip


class Seen:
    """What a registry shows of pairs of one caller."""

    def __init__(self, *ended: tuple[Replay, Primary], series: int = 10) -> None:
        registry = CollectorRegistry()
        pairs = Pairs(registry, series)
        for replay, primary in ended:
            pairs.ended(replay, primary)
        self.text = generate_latest(registry).decode()

    def value(self, name: str, **labels: str) -> float | None:
        return sample(self.text, f"shadow_{name}", arm="ferry", **{**CALLER, **labels})

    def sides(self, name: str) -> list[float | None]:
        return [self.value(name, side=side) for side in ("primary", "replay")]


def test_a_pair_sums_both_sides() -> None:
    """Cost and time of the primary and of the replay are summed over the same exchanges."""
    seen = Seen((REPLAY, PRIMARY), (REPLAY, PRIMARY))
    assert seen.value("pairs_total") == 2
    assert seen.sides("pair_cost_usd_total") == [0.004, 0.002]
    assert seen.sides("pair_response_seconds_total") == [1.0, 1.5]


@pytest.mark.parametrize(
    "pair",
    [
        (REPLAY, replace(PRIMARY, usd=None)),
        (replace(REPLAY, observation=Observation()), PRIMARY),
        (replace(REPLAY, observation=Observation(cost=replace(KNOWN, usd=Decimal(-1)))), PRIMARY),
    ],
)
def test_a_cost_that_is_not_known_leaves_both_sides_out(pair: tuple[Replay, Primary]) -> None:
    """One side alone would tilt the comparison; the pair's time still counts."""
    seen = Seen(pair)
    assert seen.sides("pair_cost_usd_total") == [None, None]
    assert seen.sides("pair_response_seconds_total") == [0.5, 0.75]


def test_a_time_that_is_not_known_is_not_zero() -> None:
    """A primary of an earlier run, of which nothing is remembered, adds no seconds on either side."""
    assert Seen((REPLAY, replace(PRIMARY, total_s=None))).sides("pair_response_seconds_total") == [None, None]


def test_agreement_is_counted_by_question() -> None:
    """Each question that arises has its yes or no; one that does not arise, or not on both sides, has neither."""
    seen = Seen((REPLAY, PRIMARY))
    assert seen.value("pair_agreement_total", question="finish_reason", agrees="yes") == 1
    assert seen.value("pair_agreement_total", question="tool_calls", agrees="no") == 1
    assert seen.value("pair_agreement_total", question="schema", agrees="no") == 1
    assert 'question="json"' not in seen.text
    assert 'question="refusal"' not in seen.text


def test_texts_are_alike_to_some_degree() -> None:
    """Similarity is a histogram by candidate, with 1 for the same text."""
    text = Seen((REPLAY, PRIMARY)).text
    assert sample(text, "shadow_pair_text_similarity_bucket", arm="ferry", le="0.75") == 0
    assert sample(text, "shadow_pair_text_similarity_bucket", arm="ferry", le="0.9") == 1


@pytest.mark.parametrize("outcome", [ReplayOutcome.FAILED, ReplayOutcome.WITHHELD])
def test_only_a_completed_replay_makes_a_pair(outcome: ReplayOutcome) -> None:
    """A candidate that fails fast is not fast."""
    assert Seen((replace(REPLAY, outcome=outcome, reason="x"), PRIMARY)).value("pairs_total") is None


def test_callers_are_bounded() -> None:
    """Beyond the bound, tenants and features are `other`."""
    many = [(REPLAY, replace(PRIMARY, caller=(f"tenant-{number}", "chat"))) for number in range(20)]
    seen = Seen(*many, series=5)
    assert seen.value("pairs_total", tenant="other", feature="other") == 15
    assert seen.text.count("shadow_pairs_total{") == 6
