"""Endpoints beside chat completions."""

from typing import Any

import openai
import orjson
import pytest

from shadow.demo.catalogue import OPENROUTER
from shadow.demo.provider import StandIn
from shadow.demo.scenarios import SCENARIOS, Ask
from shadow.demo.scenarios.scenario import TEXT
from tests.demo.wire import Heard, hear


async def hear_named(stand_in: StandIn, name: str) -> Heard:
    return await hear(stand_in, SCENARIOS[name].ask)


def named(heard: Heard) -> list[tuple[str, Any]]:
    """Events with their names."""
    blocks = [block.split(b"\n") for block in heard.body.split(b"\n\n") if block]
    return [(lines[0].removeprefix(b"event: ").decode(), orjson.loads(lines[1][6:])) for lines in blocks]


@pytest.mark.parametrize(("name", "cancelled"), [("generation-late", False), ("generation-cancelled", True)])
async def test_generation(stand_in: StandIn, name: str, cancelled: bool) -> None:
    """Row 28: not found twice, then the facts, many of them null."""
    *early, late = [await hear_named(stand_in, name) for _ in range(3)]
    assert [heard.status for heard in early] == [404, 404]
    assert (late.json["data"]["cancelled"], late.json["data"]["total_cost"]) == (cancelled, 0.0000102)
    assert None in late.json["data"].values()


async def test_the_generation_of_an_answer_is_known_by_its_id(stand_in: StandIn) -> None:
    """Row 28: what a model of the stand-in said has the cost it was given."""
    body = orjson.dumps({"model": OPENROUTER[0].name, "messages": [{"role": "user", "content": "Hello"}]})
    said = await hear(stand_in, Ask("POST", "/api/v1/chat/completions", (), body))
    ask = Ask("GET", f"/api/v1/generation?id={said.json['id']}", (), b"")
    *_, late = [await hear(stand_in, ask) for _ in range(3)]
    assert late.json["data"]["total_cost"] == said.json["usage"]["cost"]


async def test_responses(stand_in: StandIn) -> None:
    """Row 29: the client of the Responses API reads text and usage, whole and streamed."""
    async with openai.AsyncOpenAI(base_url=f"{stand_in.url}/api/v1", api_key="sk-x", max_retries=0) as client:
        whole = await client.responses.create(model="fake/responses", input="?")
        events = [
            event
            async for event in await client.responses.create(model="fake/responses-stream", input="?", stream=True)
        ]
    assert whole.output_text == TEXT
    assert whole.usage is not None
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == TEXT
    assert events[-1].type == "response.completed"
    assert events[-1].response.usage == whole.usage


async def test_responses_failed(stand_in: StandIn) -> None:
    """Row 29: the last event is named after the failure and has no usage."""
    name, data = named(await hear_named(stand_in, "responses-failed"))[-1]
    assert (name, data["response"]["status"], data["response"]["usage"]) == ("response.failed", "failed", None)


async def test_messages_stream(stand_in: StandIn) -> None:
    """Row 30: events in order, a ping among them; input tokens at the start, output tokens and cost at the end."""
    events = named(await hear_named(stand_in, "messages-stream"))
    names = [name for name, _ in events]
    assert names[:3] == ["message_start", "content_block_start", "ping"]
    assert names[3:6] == ["content_block_delta"] * 3
    assert names[6:] == ["content_block_stop", "message_delta", "message_stop"]
    assert events[0][1]["message"]["usage"]["input_tokens"] == 20
    assert (events[-2][1]["usage"]["output_tokens"], events[-2][1]["usage"]["cost"]) == (12, 0.00024)


async def test_messages(stand_in: StandIn) -> None:
    """Row 30: the whole message with all of its usage."""
    body = (await hear_named(stand_in, "messages")).json
    assert (body["content"][0]["text"], body["stop_reason"]) == (TEXT, "end_turn")
    assert (body["usage"]["input_tokens"], body["usage"]["output_tokens"]) == (20, 12)


async def test_messages_error(stand_in: StandIn) -> None:
    """Row 30: begins well, ends in an error event."""
    name, data = named(await hear_named(stand_in, "messages-error"))[-1]
    assert (name, data["error"]["type"]) == ("error", "overloaded_error")


async def test_preset(stand_in: StandIn) -> None:
    """Row 31: an inference-like path that stores something and infers nothing."""
    heard = await hear_named(stand_in, "preset")
    assert stand_in.received[0].head.path.endswith("/presets/x/chat/completions")
    assert (heard.status, "choices" in heard.json, "usage" in heard.json) == (200, False, False)


async def test_models(stand_in: StandIn) -> None:
    """Row 32: more than a mebibyte with prices as decimal text, and 304 for who has it already."""
    heard = await hear_named(stand_in, "models")
    etag = heard.header("etag")
    assert len(heard.body) > 1 << 20
    assert heard.json["data"][0]["pricing"] == {"prompt": "0.00000015", "completion": "0.0000006"}
    again = await hear(stand_in, Ask("GET", "/api/v1/models", (("If-None-Match", etag or ""),), b""))
    assert (again.status, again.body) == (304, b"")


async def test_models_page(stand_in: StandIn) -> None:
    """Row 32: two of them, how many there are, and where the next are."""
    body = (await hear_named(stand_in, "models-page")).json
    assert (len(body["data"]), body["total_count"]) == (2, len(OPENROUTER))
    assert body["links"]["next"]


async def test_key_and_credits(stand_in: StandIn) -> None:
    """Row 32: the key may look at itself, and not at the account."""
    assert (await hear_named(stand_in, "key")).json["data"]["limit_remaining"] == 74.5
    assert (await hear_named(stand_in, "credits")).status == 403


async def test_reads_need_no_scenario(stand_in: StandIn) -> None:
    """Row 32: the list of models, the key and the credits are there for whoever asks."""
    for path, status in (("models", 200), ("key", 200), ("credits", 403), ("nothing", 404)):
        assert (await hear(stand_in, Ask("GET", f"/api/v1/{path}", (), b""))).status == status
