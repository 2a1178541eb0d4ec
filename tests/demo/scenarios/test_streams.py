"""Streams, chunk by chunk."""

from typing import Any

import orjson
import pytest

from shadow.demo.openrouter import OpenRouter
from shadow.demo.provider import StandIn
from shadow.demo.request import BodyCopy, Request, RequestReader
from shadow.demo.scenarios import SCENARIOS, Ask
from shadow.demo.scenarios.scenario import GREETING, TEXT
from shadow.demo.script import Hold, Pause
from tests.demo.wire import Heard, hear

COMMENT = b": OPENROUTER PROCESSING\n\n"


async def hear_named(stand_in: StandIn, name: str) -> Heard:
    return await hear(stand_in, SCENARIOS[name].ask)


def deltas(data: list[Any], field: str) -> list[Any]:
    """What each chunk's delta has in a field, where that is something."""
    changes = [choice["delta"] for chunk in data if chunk != "[DONE]" for choice in chunk["choices"]]
    return [change[field] for change in changes if change.get(field)]


def finishes(data: list[Any]) -> list[str]:
    """The finish reasons given."""
    chunks = [chunk for chunk in data if chunk != "[DONE]"]
    return [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"] if choice["finish_reason"]]


@pytest.mark.parametrize(
    ("name", "last", "given"),
    [("stream-usage-c", ["stop"], 2), ("stream-usage-b", [], 1), ("stream-usage-a", [None], 1)],
)
async def test_the_three_shapes(stand_in: StandIn, name: str, last: list[str | None], given: int) -> None:
    """Rows 3 to 5: a comment, three chunks of content, then the usage in its shape, then [DONE]."""
    heard = await hear_named(stand_in, name)
    *_, usage, done = heard.data
    assert heard.chunks[0] == COMMENT
    assert heard.header("content-type") == "text/event-stream"
    assert deltas(heard.data, "content") == list(GREETING)
    assert [choice["finish_reason"] for choice in usage["choices"]] == last
    assert (usage["usage"]["total_tokens"], done) == (32, "[DONE]")
    assert finishes(heard.data) == ["stop"] * given
    assert sum(1 for chunk in heard.data[:-1] if chunk.get("usage")) == 1


async def test_usage_twice(stand_in: StandIn) -> None:
    """Row 5: the second of two usages is the right one."""
    found = [
        chunk["usage"]["completion_tokens"]
        for chunk in (await hear_named(stand_in, "stream-usage-twice")).data[:-1]
        if chunk.get("usage")
    ]
    assert found == [3, 12]


async def test_comments(stand_in: StandIn) -> None:
    """Row 6: comments before the first chunk and between chunks, and five seconds in which nothing is said."""
    heard = await hear_named(stand_in, "stream-comments")
    comments = [number for number, chunk in enumerate(heard.chunks) if chunk == COMMENT]
    assert comments == [0, 1, 3, 4]
    steps = OpenRouter()(stand_in.received[0].request())
    assert max(step.seconds for step in steps if isinstance(step, Pause)) == 5
    assert "".join(deltas(heard.data, "content")) == TEXT


async def test_reasoning(stand_in: StandIn) -> None:
    """Row 7: reasoning with empty content, its details in the clear and encrypted, then content, and its tokens."""
    heard = await hear_named(stand_in, "stream-reasoning")
    first = heard.data[0]["choices"][0]["delta"]
    assert (first["content"], first["reasoning"]) == ("", "The ledger ")
    types = [detail["type"] for details in deltas(heard.data, "reasoning_details") for detail in details]
    assert types == ["reasoning.summary", "reasoning.summary", "reasoning.encrypted"]
    assert "".join(deltas(heard.data, "content")) == TEXT
    assert heard.data[-2]["usage"]["completion_tokens_details"]["reasoning_tokens"] == 64


async def test_tools(stand_in: StandIn) -> None:
    """Row 8: two calls whose fragments alternate and are cut inside words and escapes, both whole in the end."""
    heard = await hear_named(stand_in, "stream-tools")
    fragments = [one for many in deltas(heard.data, "tool_calls") for one in many]
    assert [one["index"] for one in fragments] == [0, 1] * 6
    texts = ["".join(one["function"]["arguments"] for one in fragments if one["index"] == at) for at in (0, 1)]
    assert [orjson.loads(text) for text in texts] == [
        {"city": "Zürich", "note": 'say "hello"'},
        {"city": "Oslo", "note": ""},
    ]
    assert any(one["function"]["arguments"].endswith("\\") for one in fragments)
    assert finishes(heard.data) == ["tool_calls", "tool_calls"]


async def test_metadata_comes_when_asked_for(stand_in: StandIn) -> None:
    """Row 26: on the last chunk with the header, nowhere without it."""
    ask = SCENARIOS["metadata"].ask
    with_header = (await hear(stand_in, ask)).data
    without = (await hear(stand_in, Ask(ask.method, ask.path, ask.headers[:1], ask.body))).data
    assert [("openrouter_metadata" in chunk) for chunk in with_header[:-1]] == [False] * 4 + [True]
    assert not any("openrouter_metadata" in chunk for chunk in without[:-1])


async def test_echo_upstream_body(stand_in: StandIn) -> None:
    """Row 27: the first chunk has no choices and holds the prompt."""
    first = (await hear_named(stand_in, "echo-upstream-body")).data[0]
    assert first["choices"] == []
    assert first["debug"]["echo_upstream_body"]["messages"] == stand_in.received[0].request().json["messages"]


@pytest.mark.parametrize(
    ("name", "where"), [("leaves-before-headers", [0]), ("leaves-mid-stream", [2, 4, 6]), ("leaves-before-done", [6])]
)
def test_holds_are_where_clients_leave(name: str, where: list[int]) -> None:
    """Row 34: before the head, after each of three chunks, between the last chunk and [DONE]."""
    steps = OpenRouter()(request_of(name))
    assert [number for number, step in enumerate(steps) if isinstance(step, Hold)] == where


def request_of(name: str) -> Request:
    """The scenario's request, as a stand-in would read it."""
    reader, copy = RequestReader(), BodyCopy()
    reader.feed(SCENARIOS[name].ask.wire("x"))
    head = reader.take_head()
    assert head is not None
    assert reader.take_body(copy)
    return Request(head, bytes(copy.kept), copy.size, copy.sha256)
