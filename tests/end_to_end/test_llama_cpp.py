"""llama.cpp's own server as a candidate: what a program that knows nothing of the sidecar makes of its replays."""

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from shadow.demo.openrouter import OpenRouter
from shadow.demo.provider import StandIn
from tests.end_to_end.gateways import Gateway, arm, llama_cpp, replayed, requires_llama_cpp
from tests.end_to_end.sidecar import Sidecar, running

pytestmark = [requires_llama_cpp, pytest.mark.asyncio(loop_scope="module")]

KEYLESS = "google/gemini-2.5-flash"  # the model whose calls are also replayed with a key that is none
PRICES = {"tiny": {"input": 10, "output": 100}}  # US dollars per million tokens


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with llama_cpp(tmp_path_factory.mktemp("llama")) as gateway:
        yield gateway


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sidecar(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sidecar]:
    """A sidecar in front of OpenRouter's stand-in that replays everything to llama.cpp, in three ways."""
    candidates = [
        arm("ours", gateway, "tiny", dialect="llama.cpp", prices=PRICES),
        arm("unasked", gateway, "tiny", dialect="fireworks", prices=PRICES),  # takes usage to come by itself
        arm("stranger", gateway, "tiny", dialect="llama.cpp", api_key_env="WRONG", models={KEYLESS: "tiny"}),
    ]
    keys = {"KEY": gateway.key, "WRONG": "sk-of-another"}
    async with (
        StandIn(OpenRouter(), pace=0) as openrouter,
        running(
            tmp_path_factory.mktemp("sidecar"), openrouter.url, keys, consent_default="allow", candidates=candidates
        ) as sidecar,
    ):
        yield sidecar


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def priced(row: dict[str, Any]) -> int:
    """What the configured prices make of a row's own counts, in nano-dollars."""
    return int(Decimal(row["input_tokens"]) * 10_000 + Decimal(row["output_tokens"]) * 100_000)


async def test_a_plain_answer(http: aiohttp.ClientSession, sidecar: Sidecar) -> None:
    """Completed, with the server's own counts and model, priced as configured, cut where the request said."""
    row = (await replayed(http, sidecar, "plain", max_tokens=7, temperature=0))["ours"]
    assert (row["outcome"], row["reason"], row["status"]) == ("completed", None, 200)
    assert (row["request_model"], row["response_model"]) == ("tiny", "tiny")
    assert row["input_tokens"] > row["output_tokens"] > 0
    assert row["output_tokens"] <= 7
    assert (row["cost_source"], row["cost_nano_usd"]) == ("configured", priced(row))
    assert row["finish_reason_same"] == (row["finish_reason"] == "length")


async def test_a_stream_reports_usage_where_it_was_asked(http: aiohttp.ClientSession, sidecar: Sidecar) -> None:
    """With the flag the counts come in a last chunk without choices; without it nothing does, and cost is unknown."""
    rows = await replayed(http, sidecar, "stream", stream=True, max_tokens=7, temperature=0)
    asked, unasked = rows["ours"], rows["unasked"]
    assert (asked["outcome"], asked["stream"], asked["cost_nano_usd"]) == ("completed", 1, priced(asked))
    assert 0 < asked["ttft_s"] <= asked["total_s"]
    assert unasked["outcome"] == "completed"
    assert (unasked["output_tokens"], unasked["cost_nano_usd"], unasked["cost_source"]) == (None, None, "unknown")


async def test_the_cache_of_prompts_is_told(http: aiohttp.ClientSession, sidecar: Sidecar) -> None:
    """The same prompt once more is read from the server's cache, which its counts say."""
    opening = [{"role": "user", "content": "The same words, whoever asks them."}]
    await replayed(http, sidecar, "cold", messages=opening, max_tokens=3)
    row = (await replayed(http, sidecar, "warm", messages=opening, max_tokens=3))["ours"]
    assert 0 < row["cache_read_input_tokens"] < row["input_tokens"]


async def test_json_that_was_asked_for(http: aiohttp.ClientSession, sidecar: Sidecar) -> None:
    """A schema reaches the server, which holds its model to it: noise, and valid."""
    schema = {"type": "object", "properties": {"when": {"enum": ["today", "later"]}}, "required": ["when"]}
    asked = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    row = (await replayed(http, sidecar, "json", response_format=asked, max_tokens=60))["ours"]
    assert (row["outcome"], row["json_valid"]) == ("completed", 1)


async def test_samplers_go_on_by_the_servers_names(http: aiohttp.ClientSession, sidecar: Sidecar) -> None:
    """What OpenRouter and llama.cpp name differently is renamed, what it lacks is dropped, and it takes the rest."""
    given = {"repetition_penalty": 1.1, "top_k": 5, "min_p": 0.1, "top_a": 0.2, "seed": 7, "logit_bias": {"1": 1}}
    row = (await replayed(http, sidecar, "samplers", max_tokens=3, reasoning={"effort": "low"}, **given))["ours"]
    assert row["outcome"] == "completed"
    assert "repetition_penalty → repeat_penalty" in row["rewrite"]
    assert '"dropped":["top_a","logit_bias"]' in row["rewrite"].replace(" ", "")


async def test_a_wrong_key(http: aiohttp.ClientSession, sidecar: Sidecar) -> None:
    """401 is the candidate's refusal of the key; nothing was answered, so nothing is known of cost."""
    row = (await replayed(http, sidecar, "key", model=KEYLESS, max_tokens=3))["stranger"]
    assert (row["outcome"], row["reason"], row["status"]) == ("failed", "key_rejected", 401)
    assert (row["cost_nano_usd"], row["cost_source"]) == (None, "unknown")


async def test_a_prompt_that_is_too_long(http: aiohttp.ClientSession, sidecar: Sidecar) -> None:
    """The server's own word for it is known as what it is."""
    long = [{"role": "user", "content": "word " * 2000}]
    row = (await replayed(http, sidecar, "long", messages=long, max_tokens=3))["ours"]
    assert (row["outcome"], row["reason"], row["status"]) == ("failed", "context_length", 400)


async def test_a_parameter_of_the_wrong_type(http: aiohttp.ClientSession, sidecar: Sidecar) -> None:
    """A 400 that names a parameter is a fact about compatibility, as the router takes what this server refuses."""
    row = (await replayed(http, sidecar, "parameter", temperature="warm", max_tokens=3))["ours"]
    assert (row["outcome"], row["reason"], row["status"]) == ("failed", "param_rejected", 400)
