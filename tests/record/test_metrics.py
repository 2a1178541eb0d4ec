from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from shadow.exchange import (
    Agreement,
    Attribution,
    Cost,
    CostSource,
    Observation,
    Recorded,
    Replay,
    ReplayOutcome,
    Timings,
    Usage,
)
from shadow.exposition import OPEN
from shadow.mirror.arm import ArmState
from shadow.mirror.circuit import State
from shadow.mirror.reasons import REASONS
from shadow.record.metrics import NO_REASON, Metrics
from shadow.record.pairs import Primary
from shadow.store.sqlite import Ended
from tests.record.samples import exchange, exchange_id, sample

CALLER = ("acme", "summaries")


def seen(**changes: Any) -> Observation:
    plain = {
        "inference": True,
        "request_model": "openai/gpt-4o-mini",
        "usage": Usage(100, 20, 10, None, 0),
        "cost": Cost(Decimal("0.002"), CostSource.REPORTED),
        "timings": Timings(ttft_s=0.3, total_s=0.5),
    }
    return Observation(**{**plain, **changes})


def replayed(usd: str | None = "0.001", outcome: ReplayOutcome = ReplayOutcome.COMPLETED) -> Replay:
    cost = Cost(Decimal(usd), CostSource.CONFIGURED) if usd else Cost()
    return Replay(exchange_id(0), "ferry", outcome, None, 0.05, None, exchange(arm="ferry"), seen(cost=cost))


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return sample(metrics.expose().decode(), name, **labels)


def test_an_exchange_is_counted(metrics: Metrics) -> None:
    """A stored exchange shows in count, tokens by kind, cost and timings."""
    metrics.stored(Recorded(exchange(), seen()), now=1_780_000_001.0)
    model = "openai/gpt-4o-mini"
    assert value(metrics, "shadow_exchanges_total", tenant="acme", feature="summaries", model=model) == 1
    assert value(metrics, "shadow_tokens_total", arm="primary", model=model, kind="input") == 100
    assert value(metrics, "shadow_tokens_total", arm="primary", model=model, kind="cache_read_input") == 10
    assert value(metrics, "shadow_cost_usd_total", arm="primary", tenant="acme", feature="summaries") == 0.002
    assert value(metrics, "shadow_ttft_seconds_sum", arm="primary", model=model) == 0.3
    assert value(metrics, "shadow_response_seconds_sum", arm="primary", model=model) == 0.5
    assert value(metrics, "shadow_store_lag_seconds_sum") == 0.5


def test_unknown_is_not_zero(metrics: Metrics) -> None:
    """Tokens and costs that are not known add no series of zeros; an unknown cost is counted as such."""
    metrics.stored(Recorded(exchange(), seen(usage=Usage(), cost=Cost())), now=0.0)
    assert value(metrics, "shadow_cost_unknown_total", arm="primary") == 1
    text = metrics.expose().decode()
    assert "shadow_tokens_total{" not in text
    assert "shadow_cost_usd_total{" not in text


def test_an_error_has_no_unknown_cost(metrics: Metrics) -> None:
    """A call that failed owes no cost: only good answers without one are a gap."""
    metrics.stored(Recorded(exchange(), seen(cost=Cost(), error_kind="rate_limited")), now=0.0)
    assert value(metrics, "shadow_cost_unknown_total", arm="primary") == 0


def test_nobody_is_unattributed(metrics: Metrics) -> None:
    """An exchange of nobody knows whom is counted under that name."""
    metrics.stored(Recorded(exchange(attribution=Attribution()), Observation()), now=0.0)
    labels = {"tenant": "unattributed", "feature": "unattributed", "model": "unknown"}
    assert value(metrics, "shadow_exchanges_total", **labels) == 1


def test_replays_are_counted_by_outcome_and_reason(metrics: Metrics) -> None:
    """Those that ended at once, those that ended later and those of an earlier run are in one count."""
    out = Replay(exchange_id(0), "ferry", ReplayOutcome.SAMPLED_OUT, "not_drawn", 0.05)
    metrics.stored(Recorded(exchange(), seen(), (out,)), now=0.0)
    metrics.ended(replayed(), Primary(CALLER))
    metrics.recovered(Ended("ferry", ReplayOutcome.FAILED, "interrupted"))
    for outcome, reason in (("sampled_out", "not_drawn"), ("completed", "none"), ("failed", "interrupted")):
        assert value(metrics, "shadow_replays_total", arm="ferry", outcome=outcome, reason=reason) == 1


def test_a_replay_counts_for_its_arm(metrics: Metrics) -> None:
    """What a candidate cost is under the candidate's name and the tenant's."""
    metrics.ended(replayed(), Primary(CALLER))
    assert value(metrics, "shadow_cost_usd_total", arm="ferry", tenant="acme", feature="summaries") == 0.001


def test_a_pair_has_a_cost_ratio(metrics: Metrics) -> None:
    """The candidate's cost over the primary's is observed where both are known."""
    metrics.ended(replayed(), Primary(CALLER, Decimal("0.002")))
    assert value(metrics, "shadow_cost_ratio_sum", arm="ferry") == 0.5


@pytest.mark.parametrize(
    ("replay", "primary"),
    [
        (replayed(usd=None), Decimal("0.002")),
        (replayed(), None),
        (replayed(), Decimal(0)),
        (replayed(outcome=ReplayOutcome.FAILED), Decimal("0.002")),
    ],
)
def test_no_ratio_without_two_costs(metrics: Metrics, replay: Replay, primary: Decimal | None) -> None:
    """Unknown, zero and failed are no basis of a ratio."""
    metrics.ended(replay, Primary(CALLER, primary))
    assert value(metrics, "shadow_cost_ratio_sum", arm="ferry") is None


def test_arms_show_as_they_are(metrics: Metrics) -> None:
    """Gauges tell queue, work, circuit and rest at the time of the scrape."""
    metrics.show([ArmState("ferry", 3, 2, State.OPEN, 20.5, 7)], paused=False, unsettled=0)
    names = ("replays_waiting", "replays_in_flight", "circuit_open", "candidate_rest_seconds")
    assert [value(metrics, f"shadow_{name}", arm="ferry") for name in names] == [3, 2, 1, 20.5]


def test_what_is_left_of_budgets_shows(metrics: Metrics) -> None:
    """An arm without a budget has no series of it: nothing left would be another thing."""
    state = ArmState("ferry", 0, 0, State.CLOSED, 0.0, 0, Decimal("1.5"))
    metrics.show([state, ArmState("canal", 0, 0, State.CLOSED, 0.0, 0)], paused=False, unsettled=0)
    assert value(metrics, "shadow_budget_remaining_usd", arm="ferry") == 1.5
    assert value(metrics, "shadow_budget_remaining_usd", arm="canal") is None


def test_the_mirror_shows_as_it_is(metrics: Metrics) -> None:
    """An operator's pause, and ends of replays that the store did not take."""
    metrics.show([], paused=True, unsettled=4)
    assert value(metrics, "shadow_replays_paused") == 1
    assert value(metrics, "shadow_replays_unsettled") == 4


def test_what_is_ours_is_there_from_the_start() -> None:
    """Per arm, every outcome with every reason is a series of 0, as are the arm's gauges and its unknown costs."""
    metrics = Metrics(["ferry", "canal"])
    for arm in ("ferry", "canal"):
        for outcome, reasons in REASONS.items():
            for reason in reasons or {NO_REASON}:
                assert value(metrics, "shadow_replays_total", arm=arm, outcome=outcome, reason=reason) == 0
        names = ("cost_unknown_total", "cost_ratio_count", "replays_waiting", "replays_in_flight", "circuit_open")
        assert [value(metrics, f"shadow_{name}", arm=arm) for name in names] == [0, 0, 0, 0, 0]
    assert value(metrics, "shadow_cost_unknown_total", arm="primary") == 0


def test_histograms_lead_to_an_exchange(metrics: Metrics) -> None:
    """In OpenMetrics, a bucket names an exchange that is in it; Prometheus' own text has no place for that."""
    metrics.stored(Recorded(exchange(7), seen()), now=1_780_000_001.0)
    alike = replace(replayed(), agreement=Agreement(text_similarity=1.0))
    metrics.ended(alike, Primary(CALLER, Decimal("0.002")))
    named = {
        family.name: {sample.exemplar.labels["exchange_id"] for sample in family.samples if sample.exemplar}
        for family in openmetrics_families(metrics.expose(OPEN).decode())
        if family.type == "histogram"
    }
    assert named == {
        "shadow_store_lag_seconds": {exchange_id(7)},
        "shadow_ttft_seconds": {exchange_id(7), exchange_id(0)},
        "shadow_response_seconds": {exchange_id(7), exchange_id(0)},
        "shadow_cost_ratio": {exchange_id(0)},
        "shadow_pair_text_similarity": {exchange_id(0)},
    }
    assert "exchange_id" not in metrics.expose().decode()


def test_hostile_names_make_few_series() -> None:
    """Random tenants and models are as many series of a metric as the bound says, and `other`."""
    metrics = Metrics(series=20)
    for number in range(100):
        hostile = exchange(attribution=Attribution(f"tenant\n{number}", '"quoted"'))
        metrics.stored(Recorded(hostile, seen(request_model=f"model-{number}")), now=0.0)
    families = {family.name: family for family in text_string_to_metric_families(metrics.expose().decode())}
    assert len(families["shadow_exchanges"].samples) == 21
    assert value(metrics, "shadow_cost_usd_total", arm="primary", tenant="other", feature="other") == pytest.approx(
        0.16
    )
    assert value(metrics, "shadow_exchanges_total", tenant="other", feature="other", model="other") == 80
