"""Anthropic Messages, whole and streamed."""

import json
from typing import Any

import pytest

from shadow.exchange import Answer, Body, Observation, ToolCall, Usage
from tests.wire.exchanges import seen

START_USAGE = {"input_tokens": 10, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 90, "output_tokens": 1}


def said(answer: bytes | Body, **how: Any) -> Observation:
    """What is read out of an answer at this endpoint."""
    return seen(answer, {"model": "v/m", "max_tokens": 99, "messages": []}, path="/api/v1/messages", **how)


def message(*content: dict[str, Any], stop: str | None = "end_turn", **more: Any) -> dict[str, Any]:
    """A message object."""
    made = {"id": "gen-1", "type": "message", "role": "assistant", "model": "v/m-1", "content": [*content]}
    return made | {"stop_reason": stop, "usage": START_USAGE | {"output_tokens": 20}, **more}


def streamed(*events: dict[str, Any]) -> bytes:
    """A stream of named events."""
    return b"".join(b"event: %s\ndata: %s\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in events)


START = {"type": "message_start", "message": message(stop=None, usage=START_USAGE)}
STOP = {"type": "message_stop"}


def block(index: int, **block: Any) -> dict[str, Any]:
    """The event that begins a block."""
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, **delta: Any) -> dict[str, Any]:
    """The event that continues a block."""
    return {"type": "content_block_delta", "index": index, "delta": delta}


def end(stop: str, **usage: Any) -> dict[str, Any]:
    """The event that says why it ends."""
    return {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": usage}


def test_a_plain_message() -> None:
    """Text, thought, tool calls, usage and identity come out of a body."""
    observation = said(
        json.dumps(
            message(
                {"type": "thinking", "thinking": "Hm.", "signature": "Ev"},
                {"type": "text", "text": "Hello"},
                {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"x": 1}},
                stop="tool_use",
            )
        ).encode()
    )
    assert observation.answer == Answer("Hello", "Hm.", None, (ToolCall("f", '{"x":1}', "toolu_1"),))
    assert observation.usage == Usage(100, 20, 90, 0)
    assert (observation.finish_reason, observation.generation_id) == ("tool_calls", "gen-1")


@pytest.mark.parametrize(
    ("stop", "finish"),
    [("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("refusal", "content_filter")],
)
def test_stop_reasons_are_in_the_usual_words(stop: str, finish: str) -> None:
    """Anthropic's reasons are compared with others', so they are named like them."""
    assert said(json.dumps(message({"type": "text", "text": "x"}, stop=stop)).encode()).finish_reason == finish


def test_a_streamed_message() -> None:
    """Blocks are assembled by index, usage comes in two halves, pings mean nothing."""
    observation = said(
        streamed(
            START,
            {"type": "ping"},
            block(0, type="thinking", thinking=""),
            delta(0, type="thinking_delta", thinking="Hm."),
            delta(0, type="signature_delta", signature="Ev"),
            block(1, type="text", text=""),
            delta(1, type="text_delta", text="Hel"),
            delta(1, type="text_delta", text="lo"),
            block(2, type="tool_use", id="toolu_1", name="f", input={}),
            delta(2, type="input_json_delta", partial_json=""),
            delta(2, type="input_json_delta", partial_json='{"x"'),
            delta(2, type="input_json_delta", partial_json=":1}"),
            {"type": "content_block_stop", "index": 2},
            end("tool_use", output_tokens=20, cost=0.000125),
            STOP,
        )
    )
    assert observation.answer == Answer("Hello", "Hm.", None, (ToolCall("f", '{"x":1}', "toolu_1"),))
    assert (observation.usage, str(observation.cost.usd)) == (Usage(100, 20, 90, 0), "0.000125")
    assert (observation.finish_reason, observation.error_kind, observation.anomalies) == ("tool_calls", None, ())


def test_a_cost_in_the_second_half_is_taken_as_written() -> None:
    """Joining the halves of a usage loses no digit of its cost."""
    last = streamed(end("end_turn", output_tokens=20, cost=0.5)).replace(b"0.5", b"0.50000000000000000001")
    assert str(said(streamed(START, block(0, type="text", text="Hi")) + last).cost.usd) == "0.50000000000000000001"


def test_the_second_half_of_the_usage_may_repeat_the_first() -> None:
    """Newer servers send the whole usage at the end; nulls in it take nothing away."""
    last = end("end_turn", input_tokens=10, cache_read_input_tokens=None, output_tokens=20)
    usage = said(streamed(START, block(0, type="text", text="Hi"), last, STOP)).usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (100, 90, 20)


@pytest.mark.parametrize(
    ("error", "kind"),
    [("overloaded_error", "overloaded"), ("api_error", "server_error"), ("rate_limit_error", "rate_limited")],
)
def test_a_stream_that_fails(error: str, kind: str) -> None:
    """An error event ends the stream."""
    fault = {"type": "error", "error": {"type": error, "message": "…"}, "request_id": "req_1"}
    observation = said(streamed(START, block(0, type="text", text="Hi"), fault))
    assert (observation.error_kind, observation.answer.text) == (kind, "Hi")


def test_a_stream_that_breaks_off() -> None:
    """Without a stop the message is truncated; what the start counted is kept."""
    observation = said(streamed(START, block(0, type="text", text=""), delta(0, type="text_delta", text="Hel")))
    assert (observation.error_kind, observation.answer.text, observation.usage.input_tokens) == (
        "truncated",
        "Hel",
        100,
    )
