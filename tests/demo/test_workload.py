"""The workload is the product's traffic in small: seeded, mixed, and adding up."""

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import orjson

from shadow.demo.demo import CALLS
from shadow.demo.provider import StandIn
from shadow.demo.scenarios import SCENARIOS
from shadow.demo.traffic import Heard, send_all
from shadow.demo.workload import FEATURES, SPECIALS, TENANTS, calls

MADE = calls(CALLS)
PRICES = {  # US dollars per million tokens, written down once more: the sums below come from no other place
    "openai/gpt-4o-mini-2024-07-18": ("0.15", "0.60"),
    "openai/gpt-5-mini-2025-08-07": ("0.25", "2.00"),
    "anthropic/claude-4.5-sonnet-20250929": ("3.00", "15.00"),
    "google/gemini-2.5-flash": ("0.30", "2.50"),
    "meta-llama/llama-3.3-70b-instruct": ("0.23", "0.40"),
}


def test_a_seed_gives_the_same_calls() -> None:
    """And another one others."""
    assert calls(50, 1) == calls(50, 1)
    assert calls(50, 1) != calls(50, 2)


def test_every_tenant_and_feature_is_there_often_enough() -> None:
    """Three tenants, four features, and enough of each for a comparison."""
    tenants = Counter(call.tenant.name if call.tenant else None for call in MADE)
    features = Counter(call.feature.name for call in MADE)
    assert set(tenants) == {"acme", "globex", "initech", None}
    assert set(features) == {"chat", "summaries", "agents", "enrichment"}
    assert min(tenants[tenant.name] for tenant in TENANTS) > 50
    assert min(features.values()) > 40


def test_it_is_mixed() -> None:
    """Streams and plain calls, all models, tools, JSON, several turns, clients that leave."""
    bodies = [call.body for call in MADE]
    assert 0.3 < sum(1 for body in bodies if body.get("stream")) / len(bodies) < 0.7
    assert {model for feature in FEATURES for model in feature.models} <= {body["model"] for body in bodies}
    assert any("tools" in body for body in bodies)
    assert any("response_format" in body for body in bodies)
    assert any(len(body["messages"]) == 4 for body in bodies)
    assert all(call.body["stream"] for call in MADE if call.leaves_after)
    assert sum(1 for call in MADE if call.leaves_after) > 3


def test_every_special_occurs() -> None:
    """Failures and calls that cannot be replayed are in any run of the demo, and their scenarios exist."""
    for special in SPECIALS:
        assert any(special.items() <= call.body.items() for call in MADE), special
        model = special.get("model")
        assert model is None or str(model).removeprefix("fake/") in SCENARIOS


def test_who_asks_is_told_by_header_or_by_key() -> None:
    """One tenant tags its calls; the others are known by their keys; some calls belong to nobody."""
    tagged = {(call.tenant.name if call.tenant else None, "X-Tenant-Id" in call.headers) for call in MADE}
    assert tagged == {("acme", True), ("globex", False), ("initech", False), (None, False)}
    keys = {call.headers["Authorization"] for call in MADE}
    assert len(keys) == len(TENANTS) + 1
    assert {call.headers["X-Feature"] for call in MADE} == {feature.name for feature in FEATURES}


async def test_what_it_costs_adds_up(stand_in: StandIn) -> None:
    """The sum of the reported costs is that of tokens times prices, by hand, for every answer of a model."""
    whole = [heard for heard in await send_all(stand_in.url, calls(120), 12) if heard.whole and heard.status == 200]
    answers = [last_with_usage(heard) for heard in whole if not str(heard.call.body["model"]).startswith("fake/")]
    reported = sum((answer["usage"]["cost"] for answer in answers), Decimal(0))
    by_hand = sum((price(answer["model"], answer["usage"]) for answer in answers), Decimal(0))
    assert len(answers) > 90
    assert reported == by_hand


def last_with_usage(heard: Heard) -> Any:
    """The JSON that has the usage, its numbers exact."""
    if not heard.call.body.get("stream"):
        return json.loads(heard.body, parse_float=Decimal)
    lines = [line for line in heard.body.decode().split("\n") if '"usage"' in line]
    return json.loads(lines[-1].removeprefix("data: "), parse_float=Decimal)


def price(model: str, usage: Any) -> Decimal:
    prompt, completion = map(Decimal, PRICES[model])
    return (usage["prompt_tokens"] * prompt + usage["completion_tokens"] * completion) / 1_000_000


async def test_traffic_keeps_the_order_and_tells_its_progress(stand_in: StandIn) -> None:
    """Answers come in the order of the calls, each is told once, and the stand-in got the very bodies."""
    made = calls(30)
    told: list[Heard] = []
    heard = await send_all(stand_in.url, made, 4, told.append)
    assert [one.call for one in heard] == list(made)
    assert len(told) == len({id(one) for one in told}) == 30
    sent = sorted(orjson.dumps(call.body) for call in made)
    assert sorted(received.body for received in stand_in.received) == sent


async def test_clients_that_leave_have_left(stand_in: StandIn) -> None:
    """A call with `leaves_after` is not whole and says nothing of an end."""
    leaving = [call for call in MADE if call.leaves_after and not str(call.body["model"]).startswith("fake/")]
    heard = await send_all(stand_in.url, leaving, 4)
    assert leaving
    assert not any(one.whole or b"[DONE]" in one.body for one in heard)


async def test_nobody_there(unused_tcp_port: int) -> None:
    """Where nothing listens, every call ends without a status and nothing is raised."""
    heard = await send_all(f"http://127.0.0.1:{unused_tcp_port}", calls(3), 3)
    assert [(one.status, one.whole) for one in heard] == [(None, False)] * 3
