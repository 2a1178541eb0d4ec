"""The stand-in for OpenRouter where no scenario is named: models that answer, plainly and streamed."""

from decimal import Decimal
from typing import Any

import openai
import orjson
import pytest

from shadow.demo.catalogue import OPENROUTER
from shadow.demo.model import generate
from shadow.demo.provider import StandIn
from shadow.demo.scenarios import Ask
from shadow.demo.scenarios.streams import TOOL
from tests.demo.wire import Heard, hear

MESSAGES = [{"role": "user", "content": "Hello"}]
NAMES = [model.name for model in OPENROUTER]


async def ask(stand_in: StandIn, path: str = "/api/v1/chat/completions", **body: Any) -> Heard:
    return await hear(stand_in, Ask("POST", path, (), orjson.dumps(body)))


@pytest.mark.parametrize("model", OPENROUTER, ids=NAMES)
async def test_plain_and_streamed_say_the_same(stand_in: StandIn, model: Any) -> None:
    """The official client reads the model's words and its usage from both, at the model's cost."""
    said = generate(model, {"messages": MESSAGES})
    async with openai.AsyncOpenAI(base_url=f"{stand_in.url}/api/v1", api_key="sk-x", max_retries=0) as client:
        whole = await client.chat.completions.create(model=model.name, messages=MESSAGES)
        stream = await client.chat.completions.create(model=model.name, messages=MESSAGES, stream=True)
        chunks = [chunk async for chunk in stream]
    assert whole.choices[0].message.content == said.text
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == said.text
    assert whole.usage == chunks[-1].usage
    assert whole.usage is not None
    assert Decimal(repr(whole.usage.cost)) == said.cost_usd
    assert (whole.model, chunks[0].model) == (model.permaslug, model.permaslug)


async def test_a_tool_call_is_streamed_in_fragments(stand_in: StandIn) -> None:
    """Name first, then arguments in pieces, whole in the end, and the finish reason says so."""
    data = (await ask(stand_in, model=NAMES[0], messages=MESSAGES, tools=[TOOL], stream=True)).data[:-1]
    calls = [call for chunk in data for call in chunk["choices"][0]["delta"].get("tool_calls", [])]
    assert calls[0]["function"]["name"] == "invoice_status"
    assert set(orjson.loads("".join(call["function"]["arguments"] for call in calls))) == {"city", "note"}
    assert data[-1]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        (
            "/api/v1/chat/completions",
            {"model": "none/such", "messages": MESSAGES},
            400,
            "none/such is not a valid model ID",
        ),
        ("/api/v1/chat/completions", {"model": NAMES[0]}, 400, "Input required: specify 'messages'"),
        (
            "/api/v1/chat/completions",
            {"model": NAMES[0], "messages": ["hi"]},
            400,
            "Input required: specify 'messages'",
        ),
        ("/api/v1/chat/completions", {}, 400, "Invalid JSON body"),
        ("/api/v1/nothing", {"model": NAMES[0]}, 404, "Not Found"),
    ],
)
async def test_mistakes_are_told(stand_in: StandIn, path: str, body: dict[str, Any], status: int, message: str) -> None:
    """Unknown models and paths, bodies without messages: an error in the usual envelope."""
    heard = await ask(stand_in, path, **body)
    assert (heard.status, heard.json["error"]["message"]) == (status, message)


async def test_equal_requests_get_ids_of_their_own(stand_in: StandIn) -> None:
    """And the same words."""
    first, second = [(await ask(stand_in, model=NAMES[0], messages=MESSAGES)).json for _ in range(2)]
    assert first["id"] != second["id"]
    assert first["choices"] == second["choices"]
