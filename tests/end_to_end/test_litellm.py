"""LiteLLM's proxy as a candidate, with prepared answers: what a real gateway makes of the sidecar's replays."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from shadow.demo.openrouter import OpenRouter
from shadow.demo.provider import StandIn
from tests.end_to_end.gateways import Gateway, arm, litellm, replayed, requires_litellm
from tests.end_to_end.sidecar import Sidecar, metric, running

pytestmark = [requires_litellm, pytest.mark.asyncio(loop_scope="module")]

TOOL = {"type": "function", "function": {"name": "ship", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "ship", "arguments": "{}"}}
OPENAI = "openai/gpt-4o-mini"
MODELS = {
    "small": {"model": OPENAI, "mock_response": "It ships today."},
    "caller": {"model": OPENAI, "mock_response": "", "mock_tool_calls": [CALL]},
    "structured": {"model": OPENAI, "mock_response": '{"summary": "It ships today."}'},
    "claude": {"model": "anthropic/claude-3-5-haiku-20241022", "mock_response": "It ships today."},
    "limited": {"model": OPENAI, "mock_response": "litellm.RateLimitError"},
    "short": {"model": OPENAI, "mock_response": "litellm.ContextWindowExceededError"},
    "broken": {"model": OPENAI, "mock_response": "litellm.InternalServerError"},
}
FAILING = "google/gemini-2.5-flash"  # the model whose calls alone go to what always fails: circuits stay closed
PRICES = {"small": {"input": 10, "output": 100}}  # US dollars per million tokens


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with litellm(tmp_path_factory.mktemp("litellm"), MODELS) as gateway:
        yield gateway


def candidates(gateway: Gateway) -> list[dict[str, Any]]:
    """One for each prepared answer, and some that differ in how the same one is asked."""
    failing = {name: {"models": {FAILING: name}} for name in ("limited", "short", "broken")}
    return [
        *(arm(name, gateway, name, dialect="litellm", **failing.get(name, {})) for name in MODELS),
        arm("priced", gateway, "small", dialect="litellm", prices=PRICES),
        arm("unasked", gateway, "small", dialect="fireworks"),  # takes usage to come by itself
        arm("nowhere", gateway, "no-such-model", dialect="litellm", models={FAILING: "no-such-model"}),
        arm("stranger", gateway, "small", dialect="litellm", api_key_env="WRONG", models={FAILING: "small"}),
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sidecar(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sidecar]:
    """A sidecar in front of OpenRouter's stand-in, replaying everything to LiteLLM."""
    directory, keys = tmp_path_factory.mktemp("sidecar"), {"KEY": gateway.key, "WRONG": "sk-of-another"}
    async with (
        StandIn(OpenRouter(), pace=0) as openrouter,
        running(directory, openrouter.url, keys, consent_default="allow", candidates=candidates(gateway)) as sidecar,
    ):
        yield sidecar


def ended(rows: dict[str, dict[str, Any]], arm: str) -> tuple[Any, ...]:
    row = rows[arm]
    return row["outcome"], row["reason"], row["status"]


ANSWERED = ("completed", None, 200)


async def test_plain_answers(http: aiohttp.ClientSession, sidecar: Sidecar) -> None:
    """The gateway's counts and model are stored; cost comes from the configured price, else it is unknown."""
    rows = await replayed(http, sidecar, "plain")
    small, priced = rows["small"], rows["priced"]
    assert ended(rows, "small") == ended(rows, "priced") == ANSWERED
    assert (small["request_model"], small["response_model"], small["finish_reason"]) == ("small", "small", "stop")
    assert small["finish_reason_same"] == 1
    assert small["input_tokens"] > 0
    assert (small["cost_source"], small["cost_nano_usd"]) == ("unknown", None)
    counted = priced["input_tokens"] * 10_000 + priced["output_tokens"] * 100_000
    assert (priced["cost_source"], priced["cost_nano_usd"]) == ("configured", counted)
    assert small["probability"] == 1.0


async def test_streams(http: aiohttp.ClientSession, sidecar: Sidecar) -> None:
    """Asked for usage, the gateway counts and states a cost in the last chunk; unasked it does neither: unknown."""
    rows = await replayed(http, sidecar, "stream", stream=True)
    small, priced, unasked = rows["small"], rows["priced"], rows["unasked"]
    assert ended(rows, "small") == ended(rows, "priced") == ended(rows, "unasked") == ANSWERED
    assert small["stream"] == unasked["stream"] == 1
    assert 0 < small["ttft_s"] <= small["total_s"]
    assert small["output_tokens"] > 0
    assert small["cost_source"] == "reported"
    assert small["cost_nano_usd"] > 0
    assert priced["cost_source"] == "configured"  # what the operator says of a price comes before the gateway's word
    assert (unasked["output_tokens"], unasked["cost_nano_usd"], unasked["cost_source"]) == (None, None, "unknown")


async def test_tools(http: aiohttp.ClientSession, sidecar: Sidecar) -> None:
    """A call of the same function with the same arguments is the same; an answer in words is no call."""
    rows = await replayed(http, sidecar, "tools", tools=[TOOL], tool_choice="auto")
    assert ended(rows, "caller") == ended(rows, "small") == ANSWERED
    assert (rows["caller"]["tool_calls_same"], rows["small"]["tool_calls_same"]) == (1, 0)
    assert rows["small"]["finish_reason_same"] == 0
    assert "tools" in rows["caller"]["features"]


async def test_json(http: aiohttp.ClientSession, sidecar: Sidecar) -> None:
    """Where JSON was asked for, what is none is told from what is."""
    rows = await replayed(http, sidecar, "json", response_format={"type": "json_object"})
    assert ended(rows, "structured") == ended(rows, "small") == ANSWERED
    assert (rows["structured"]["json_valid"], rows["small"]["json_valid"]) == (1, 0)


async def test_refusals(http: aiohttp.ClientSession, sidecar: Sidecar) -> None:
    """Every kind of error of the gateway has its reason; none of them costs the client anything, or is a cost of 0."""
    rows = await replayed(http, sidecar, "refusals", model=FAILING)
    assert {arm: ended(rows, arm) for arm in ("stranger", "nowhere", "limited", "short", "broken")} == {
        "stranger": ("failed", "key_rejected", 400),  # without a database it says 400 to a key that is not its own
        "nowhere": ("failed", "not_found", 400),
        "limited": ("failed", "rate_limited", 429),
        "short": ("failed", "context_length", 400),
        "broken": ("failed", "server_error", 500),
    }
    assert {rows[arm]["cost_nano_usd"] for arm in ("stranger", "nowhere", "limited", "short", "broken")} == {None}


async def test_errors_before_a_stream(http: aiohttp.ClientSession, sidecar: Sidecar) -> None:
    """Asked to stream, it fails with a status all the same."""
    rows = await replayed(http, sidecar, "refused-stream", model=FAILING, stream=True)
    assert ended(rows, "limited") == ("failed", "rate_limited", 429)
    assert ended(rows, "broken") == ("failed", "server_error", 500)


async def test_a_parameter_that_one_of_its_providers_lacks(http: aiohttp.ClientSession, sidecar: Sidecar) -> None:
    """400 with the parameter's name is a fact about compatibility; the same gateway takes it for another provider."""
    rows = await replayed(http, sidecar, "parameter", seed=7, reasoning={"max_tokens": 2000})
    assert ended(rows, "claude") == ("failed", "param_rejected", 400)  # seed
    assert ended(rows, "small") == ("failed", "param_rejected", 400)  # thinking
    rows = await replayed(http, sidecar, "seed", seed=7)
    assert ended(rows, "small") == ANSWERED


async def test_totals(http: aiohttp.ClientSession, sidecar: Sidecar) -> None:
    """However they ended, every arm has one row for every exchange so far, and the metrics count the same."""
    await replayed(http, sidecar, "last")
    [exchanges] = sidecar.rows("SELECT count(*) AS many FROM exchanges")
    by_arm = sidecar.rows("SELECT arm, outcome, count(*) AS many FROM replays GROUP BY arm, outcome")
    async with http.get(f"{sidecar.admin}/metrics") as answer:
        metrics = await answer.text()
    totals = Counter[str]()
    for row in by_arm:
        totals[row["arm"]] += row["many"]
        assert metric(metrics, "shadow_replays_total", arm=row["arm"], outcome=row["outcome"]) == row["many"]
    assert totals == {one["name"]: exchanges["many"] for one in candidates(Gateway("", ""))}
