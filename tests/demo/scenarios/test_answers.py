"""Good answers and their oddities, to the field."""

import json
from decimal import Decimal
from typing import Any

import orjson
import pytest

from shadow.demo.openrouter import OpenRouter
from shadow.demo.provider import StandIn
from shadow.demo.scenarios import SCENARIOS
from shadow.demo.scenarios.scenario import GREETING, TEXT
from shadow.demo.script import Pause, Send
from tests.demo.wire import Heard, hear


async def hear_named(stand_in: StandIn, name: str) -> Heard:
    return await hear(stand_in, SCENARIOS[name].ask)


def exact(heard: Heard) -> Any:
    """The usage with its numbers exactly as sent."""
    return json.loads(heard.body, parse_float=Decimal)["usage"]


async def test_plain(stand_in: StandIn) -> None:
    """Row 1: chunked JSON with the edge's headers, provider, both finish reasons, and usage with cost and details."""
    heard = await hear_named(stand_in, "plain")
    assert (heard.status, heard.header("transfer-encoding"), heard.header("content-length")) == (200, "chunked", None)
    assert heard.header(
        "x-generation-id",
    ).startswith("gen-")
    assert heard.header("cf-ray").endswith("-AMS")
    [choice] = heard.json["choices"]
    assert (choice["finish_reason"], choice["native_finish_reason"]) == ("stop", "stop")
    assert (choice["message"]["content"], heard.json["provider"]) == (TEXT, "OpenAI")
    assert exact(heard)["cost"] == exact(heard)["cost_details"]["upstream_inference_cost"] == Decimal("0.0000102")


async def test_padded_slow(stand_in: StandIn) -> None:
    """Row 2: ten paddings of a line break, nine spaces, a line break, 200 ms apart, then the JSON two seconds in."""
    heard = await hear_named(stand_in, "padded-slow")
    assert heard.chunks[:10] == [b"\n         \n"] * 10
    assert orjson.loads(heard.chunks[10])["choices"][0]["message"]["content"] == TEXT
    steps = OpenRouter()(stand_in.received[0].request())
    assert sum(step.seconds for step in steps if isinstance(step, Pause)) == pytest.approx(2)
    assert isinstance(steps[0], Send)


@pytest.mark.parametrize("name", ["web-search", "web-search-online", "web-search-stream"])
async def test_web_search(stand_in: StandIn, name: str) -> None:
    """Row 9: a cited answer whose cost is the token parts and one search."""
    heard = await hear_named(stand_in, name)
    spent = heard.data[-2]["usage"] if name.endswith("stream") else heard.json["usage"]
    parts = spent["cost_details"]
    tokens = parts["upstream_inference_prompt_cost"] + parts["upstream_inference_completions_cost"]
    assert spent["cost"] == pytest.approx(tokens + 0.01)
    assert spent["server_tool_use_details"]["web_search_requests"] == 1
    assert b'"url_citation"' in heard.body


@pytest.mark.parametrize("name", ["cache-hit", "cache-hit-stream"])
async def test_cache_hit(stand_in: StandIn, name: str) -> None:
    """Row 10: OpenRouter's own cache says so in its headers, and every count is zero under a fresh id."""
    heard = await hear_named(stand_in, name)
    spent = heard.data[-2]["usage"] if name.endswith("stream") else heard.json["usage"]
    assert (heard.header("x-openrouter-cache-status"), heard.header("x-openrouter-cache-age")) == ("HIT", "17")
    assert (spent["prompt_tokens"], spent["completion_tokens"], spent["cost"]) == (0, 0, 0)
    assert heard.header("x-generation-id") != heard.header("x-openrouter-cache-source-id")


async def test_prompt_cache(stand_in: StandIn) -> None:
    """Row 11: first written at 1.25 × the price of $3, then read at a tenth: the costs are these to the digit."""
    written, read = [exact(await hear_named(stand_in, "prompt-cache")) for _ in range(2)]
    assert (
        written["prompt_tokens_details"]["cache_write_tokens"] == read["prompt_tokens_details"]["cached_tokens"] == 1800
    )
    price, output = Decimal(3), 50 * Decimal(15)
    assert written["cost"] * 1_000_000 == 200 * price + 1800 * price * Decimal("1.25") + output
    assert read["cost"] * 1_000_000 == 200 * price + 1800 * price / 10 + output


async def test_byok(stand_in: StandIn) -> None:
    """Row 12: the customer's own key: OpenRouter charges nothing, the provider will."""
    for spent in (
        exact(await hear_named(stand_in, "byok")),
        (await hear_named(stand_in, "byok-stream")).data[-2]["usage"],
    ):
        assert (spent["is_byok"], spent["cost"]) == (True, 0)
        assert float(spent["cost_details"]["upstream_inference_cost"]) == 0.0123


async def test_two_choices(stand_in: StandIn) -> None:
    """Row 13: n: 2, both indexes; streamed, their chunks alternate."""
    heard = await hear_named(stand_in, "two-choices")
    assert [choice["index"] for choice in heard.json["choices"]] == [0, 1]
    streamed = (await hear_named(stand_in, "two-choices-stream")).data
    indexes = [chunk["choices"][0]["index"] for chunk in streamed[:-2]]
    assert indexes == [1, 0, 1, 0, 1, 0, 0, 1]


async def test_logprobs(stand_in: StandIn) -> None:
    """Row 13: a log probability for every token, whole and streamed."""
    [choice] = (await hear_named(stand_in, "logprobs")).json["choices"]
    assert [entry["token"] for entry in choice["logprobs"]["content"]] == list(GREETING)
    streamed = (await hear_named(stand_in, "logprobs-stream")).data[:3]
    assert [chunk["choices"][0]["logprobs"]["content"][0]["token"] for chunk in streamed] == list(GREETING)


async def test_refusal(stand_in: StandIn) -> None:
    """Row 13: the refusal in its own field and no content."""
    message = (await hear_named(stand_in, "refusal")).json["choices"][0]["message"]
    delta = (await hear_named(stand_in, "refusal-stream")).data[0]["choices"][0]["delta"]
    assert message["content"] is delta["content"] is None
    assert message["refusal"] == delta["refusal"]


@pytest.mark.parametrize(
    ("name", "finish", "native", "content"),
    [("length", "length", "length", GREETING[0]), ("content-filter", "content_filter", "SAFETY", "")],
)
async def test_cut_short(stand_in: StandIn, name: str, finish: str, native: str, content: str) -> None:
    """Row 14: ended by the limit or by the provider's filter, whose own word is kept."""
    [choice] = (await hear_named(stand_in, name)).json["choices"]
    assert (choice["finish_reason"], choice["native_finish_reason"]) == (finish, native)
    assert choice["message"]["content"] == content


async def test_length_stream(stand_in: StandIn) -> None:
    """Row 14, streamed: the last two chunks give `length`."""
    data = (await hear_named(stand_in, "length-stream")).data
    assert [chunk["choices"][0]["finish_reason"] for chunk in data[:-1]] == [None, "length", "length"]


async def test_empty_completion(stand_in: StandIn) -> None:
    """Row 36: a success without content, finish reason, completion tokens or cost."""
    heard = await hear_named(stand_in, "empty-completion")
    [choice] = heard.json["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == (None, None)
    assert (heard.json["usage"]["completion_tokens"], heard.json["usage"]["cost"]) == (0, 0)
    streamed = (await hear_named(stand_in, "empty-completion-stream")).data
    assert {chunk["choices"][0]["finish_reason"] for chunk in streamed[:-1]} == {None}


async def test_fallback(stand_in: StandIn) -> None:
    """Row 37: two models were allowed; the answer names the second by its dated slug."""
    heard = await hear_named(stand_in, "fallback")
    assert stand_in.received[0].request().json["models"] == ["fake/fallback", "anthropic/claude-sonnet-4.5"]
    assert heard.json["model"] == "anthropic/claude-4.5-sonnet-20250929"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("float-cost", b'"cost":0.00012104999999999999,'),
        ("float-cost-stream", b'"cost":0.00012104999999999999,'),
        ("cost-zero", b'"cost":0,'),
        ("cost-null", b'"cost":null,'),
        ("details-null", b'"prompt_tokens_details":null'),
        ("no-usage", b'"usage":null'),
    ],
)
async def test_odd_numbers_as_written(stand_in: StandIn, name: str, written: bytes) -> None:
    """Row 38: the numbers and nulls as the bytes have them."""
    assert written in (await hear_named(stand_in, name)).body


async def test_byok_absent(stand_in: StandIn) -> None:
    """Row 38: the member is not there at all."""
    assert b"is_byok" not in (await hear_named(stand_in, "byok-absent")).body
