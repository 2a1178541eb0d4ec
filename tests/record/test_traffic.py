"""Series by segment: what is remembered of one changes nothing of what is counted where."""

from decimal import Decimal
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from shadow.exchange import PRIMARY, Cost, CostSource, Observation, Timings, Usage
from shadow.record.traffic import Traffic
from tests.record.samples import exchange, sample

MODEL = "openai/gpt-4o-mini"
CALLER = ("acme", "summaries")
BARE = Observation(inference=True)
WHOLE = Observation(
    inference=True,
    usage=Usage(100, 20, 10, 5, 3),
    cost=Cost(Decimal("0.002"), CostSource.REPORTED),
    timings=Timings(ttft_s=0.3),
)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def page(registry: CollectorRegistry) -> str:
    return generate_latest(registry).decode()


def count(traffic: Traffic, seen: Observation, tenant: str = "acme") -> None:
    segment = traffic.of(PRIMARY, (tenant, "summaries"), MODEL, None)
    segment.exchanges.inc()
    segment.observed(exchange(), seen)


def test_a_series_is_there_from_its_first_count_on(registry: CollectorRegistry) -> None:
    """A segment that was counted in before has no zeros of what it never had: no tokens, no cost, no first token."""
    count(Traffic(registry, 10), BARE)
    names = ("shadow_tokens_total{", "shadow_cost_usd_total{", "shadow_ttft_seconds_count{")
    assert [name for name in names if name in page(registry)] == []
    assert sample(page(registry), "shadow_response_seconds_count", arm=PRIMARY, model=MODEL) == 1


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("shadow_exchanges_total", {"tenant": "acme", "feature": "summaries", "model": MODEL}, 3),
        ("shadow_tokens_total", {"arm": PRIMARY, "kind": "input", "model": MODEL}, 200),
        ("shadow_tokens_total", {"arm": PRIMARY, "kind": "output", "model": MODEL}, 40),
        ("shadow_tokens_total", {"arm": PRIMARY, "kind": "cache_read_input", "model": MODEL}, 20),
        ("shadow_tokens_total", {"arm": PRIMARY, "kind": "cache_write_input", "model": MODEL}, 10),
        ("shadow_tokens_total", {"arm": PRIMARY, "kind": "reasoning_output", "model": MODEL}, 6),
        ("shadow_cost_usd_total", {"arm": PRIMARY, "tenant": "acme", "feature": "summaries"}, 0.004),
        ("shadow_cost_unknown_total", {"arm": PRIMARY}, 1),
        ("shadow_ttft_seconds_count", {"arm": PRIMARY, "model": MODEL}, 2),
        ("shadow_response_seconds_count", {"arm": PRIMARY, "model": MODEL}, 3),
    ],
)
def test_a_segment_counts_each_thing_on_its_own(
    registry: CollectorRegistry, name: str, labels: dict[str, Any], value: float
) -> None:
    """What one exchange lacked, later ones of the same segment add, each to the series of its name."""
    traffic = Traffic(registry, 10)
    for seen in (BARE, WHOLE, WHOLE):
        count(traffic, seen)
    assert sample(page(registry), name, **labels) == pytest.approx(value)


def test_segments_that_are_forgotten_go_on_where_they_were(registry: CollectorRegistry) -> None:
    """More segments than are remembered: whoever had a series keeps it, and the others stay one."""
    traffic = Traffic(registry, 1)
    for tenant in ("acme", "umbrella", "initech") * 3:
        count(traffic, WHOLE, tenant)
    counted = [
        sample(page(registry), "shadow_cost_usd_total", arm=PRIMARY, tenant=tenant, feature=feature)
        for tenant, feature in (CALLER, ("umbrella", "summaries"), ("other", "other"))
    ]
    assert counted == [pytest.approx(0.006), None, pytest.approx(0.012)]


@pytest.mark.parametrize(
    ("answered", "requested", "model"), [("a/b", "a/c", "a/b"), (None, "a/c", "a/c"), (None, None, "unknown")]
)
def test_a_segment_has_the_model_that_answered(
    registry: CollectorRegistry, answered: str | None, requested: str | None, model: str
) -> None:
    """Else the one that was asked for, else none that is known."""
    Traffic(registry, 10).of(PRIMARY, CALLER, answered, requested).exchanges.inc()
    assert sample(page(registry), "shadow_exchanges_total", tenant="acme", feature="summaries", model=model) == 1
