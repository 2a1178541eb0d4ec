"""Dialects against stand-ins for the providers that speak them, which refuse what the real ones refuse."""

from decimal import Decimal

import pytest

from shadow.demo import quirks
from shadow.demo.candidates import Candidate
from shadow.demo.catalogue import THRIFTY
from shadow.demo.model import Model, generate
from shadow.demo.provider import StandIn
from shadow.exchange import CostSource, ReplayOutcome
from shadow.mirror.dialects import RULES
from shadow.wire.request import read_request
from tests import recorded
from tests.mirror.making import HELLO, KEY, chat, config, observed

PRICES = {"small": {"input": 1, "output": 2}}  # as THINKER's
# Everything a client may set at once without asking for what no replay can do.
EVERYTHING = {
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 40,
    "top_a": 0.1,
    "min_p": 0.1,
    "repetition_penalty": 1.1,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.1,
    "seed": 7,
    "stop": ["END"],
    "logit_bias": {"1": 1},
    "max_tokens": 50,
    "max_completion_tokens": 60,
    "n": 1,
    "user": "u",
    "metadata": {"a": "b"},
    "session_id": "s",
    "trace": {"id": "t"},
    "models": ["openai/gpt-4o-mini"],
    "route": "fallback",
    "provider": {"order": ["x"]},
    "transforms": ["middle-out"],
    "plugins": [{"id": "response-healing"}],
    "usage": {"include": True},
    "include_reasoning": True,
    "cache_control": {"type": "ephemeral"},
    "verbosity": "low",
    "prediction": {"type": "content", "content": "x"},
    "service_tier": "auto",
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [
        {
            "type": "function",
            "cache_control": {"type": "ephemeral"},
            "function": {"name": "f", "parameters": {"type": "object"}, "strict": True},
        }
    ],
    "messages": [
        {"role": "developer", "content": [{"type": "text", "text": "Be brief", "cache_control": {"type": "x"}}]},
        {"role": "user", "content": "Hello", "name": "ann"},
        {"role": "assistant", "content": "Hi", "reasoning": "so", "refusal": None},
        {"role": "user", "content": "And then?"},
    ],
}
SPEAKERS = sorted(set(quirks.QUIRKS) & set(RULES))
THINKER = Model("small", "small", "x", Decimal(1), Decimal(2), 0.1, 100, reasons=True)


@pytest.fixture
async def replayed(mirrors):
    """Replays requests to the stand-in of a dialect, one after another; how each ended."""

    async def run(dialect, *requests, model="small", models=THRIFTY, **settings):
        async with StandIn(Candidate(quirks.QUIRKS[dialect], models, key=KEY), pace=0) as stand_in:
            mirror, ledger = await mirrors(config(stand_in.url, dialect=dialect, models={"*": model}, **settings))
            for count, request in enumerate(requests, 1):
                exchange = chat(request)
                ended, plans = mirror.decide(exchange, observed(exchange), read_request(exchange))
                assert ended == (), ended
                mirror.submit(plans[0])
                await ledger.ends(count)
            await mirror.close()
            return ledger.settled

    return run


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", SPEAKERS)
async def test_a_request_with_everything_in_it_is_taken(replayed, dialect, stream):
    """No field that the rewriting lets through is refused, and usage comes back, streamed or not."""
    (replay,) = await replayed(dialect, {**HELLO, **EVERYTHING, "stream": stream})
    assert (replay.outcome, replay.reason) == (ReplayOutcome.COMPLETED, None)
    assert replay.observation.stream is stream
    assert replay.observation.usage.output_tokens


def test_there_is_a_stand_in_for_every_dialect():
    """But for two: LiteLLM itself is a candidate elsewhere, and what is generic has no peculiarity."""
    assert set(RULES) - set(SPEAKERS) == {"litellm", "generic"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", SPEAKERS)
async def test_what_was_counted_is_read(replayed, dialect, stream):
    """Wherever a dialect puts its counts and however it counts: reasoning is part of the output, and all is priced."""
    (replay,) = await replayed(dialect, {**HELLO, "stream": stream}, models=(THINKER,), prices=PRICES)
    said = generate(THINKER, HELLO)
    usage = replay.observation.usage
    assert (usage.input_tokens, usage.output_tokens) == (said.prompt_tokens, said.completion_tokens)
    assert usage.anomalies == ()
    assert replay.observation.cost.usd == said.cost_usd
    assert replay.observation.answer.text == said.text
    assert replay.observation.answer.reasoning == "".join(said.thoughts)


async def test_a_stated_cost_counts_where_no_price_is_configured(replayed):
    """To the digit in which xAI states it."""
    (replay,) = await replayed("xai", HELLO, models=(THINKER,), prices={})
    assert replay.observation.cost.source is CostSource.REPORTED
    assert replay.observation.cost.usd == generate(THINKER, HELLO).cost_usd


async def test_reasoning_models_of_openai_take_it_too(replayed):
    """What they refuse is left out by their names."""
    (replay,) = await replayed("openai", {**HELLO, **EVERYTHING, "stream": True}, model="gpt-5-mini")
    assert (replay.outcome, replay.reason) == (ReplayOutcome.COMPLETED, None)


@recorded.requires_recorded
@pytest.mark.parametrize("dialect", SPEAKERS)
async def test_recorded_requests_are_taken(replayed, dialect):
    """The recorded requests that are eligible everywhere end in pairs at a stand-in of each dialect."""
    rows = [row["request_body"] for row in recorded.load("openrouter.ai") if row["status"] == 200]
    plain = [
        body for body in rows if not set(body) & {"reasoning", "models", "preset"} and ":free" not in body["model"]
    ]
    plain = [body for body in plain if all(tool["type"] == "function" for tool in body.get("tools", ()))]
    plain = [body for body in plain if "video_url" not in str(body["messages"])]
    replays = await replayed(dialect, *plain)
    assert len(replays) == 24
    assert {(replay.outcome, replay.reason) for replay in replays} == {(ReplayOutcome.COMPLETED, None)}
