"""Responses, whole and streamed."""

import json
from typing import Any

import pytest

from shadow.exchange import Answer, Body, Observation, ToolCall, Usage
from tests.wire.exchanges import seen

USAGE = {
    "input_tokens": 25,
    "input_tokens_details": {"cached_tokens": 5},
    "output_tokens": 10,
    "output_tokens_details": {"reasoning_tokens": 4},
    "total_tokens": 35,
    "cost": 0.000125,
}
CALL = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": '{"x": 1}', "id": "fc_1"}
OUTPUT = [
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "gAAA"},
    {"type": "message", "content": [{"type": "output_text", "text": "Hello"}]},
]


def said(answer: bytes | Body, **how: Any) -> Observation:
    """What is read out of an answer at this endpoint."""
    return seen(answer, {"model": "v/m", "input": "Hi"}, path="/api/v1/responses", **how)


def response(*output: dict[str, Any], status: str = "completed", **more: Any) -> dict[str, Any]:
    """A response object."""
    made = {"id": "gen-1", "object": "response", "model": "v/m-1", "status": status, "error": None, "output": [*output]}
    return made | {"usage": USAGE, **more}


def streamed(*events: dict[str, Any]) -> bytes:
    """A stream of named events."""
    return b"".join(b"event: %s\ndata: %s\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in events)


CREATED = {"type": "response.created", "response": response(status="in_progress", usage=None)}
THOUGHT = {"type": "response.reasoning_summary_text.delta", "output_index": 0, "delta": "Hm."}
HEL = {"type": "response.output_text.delta", "output_index": 1, "delta": "Hel"}
LO = {"type": "response.output_text.delta", "output_index": 1, "delta": "lo"}


def test_a_plain_response() -> None:
    """Text, reasoning, usage, cost and identity come out of a body."""
    observation = said(json.dumps(response(*OUTPUT)).encode())
    assert observation.answer == Answer("Hello", "Hm.")
    assert observation.usage == Usage(25, 10, 5, None, 4)
    assert (observation.response_model, observation.generation_id) == ("v/m-1", "gen-1")
    assert (observation.finish_reason, observation.error_kind, str(observation.cost.usd)) == ("stop", None, "0.000125")


def test_a_function_call() -> None:
    """A call is a tool call, known by the id that its result must name."""
    observation = said(json.dumps(response(CALL)).encode())
    assert observation.answer.tool_calls == (ToolCall("f", '{"x": 1}', "call_1"),)
    assert observation.finish_reason == "tool_calls"


def test_a_refusal() -> None:
    """A refusal is a part of a message."""
    message = {"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}
    assert said(json.dumps(response(message)).encode()).answer == Answer(refusal="No.")


@pytest.mark.parametrize(("reason", "finish"), [("max_output_tokens", "length"), ("content_filter", "content_filter")])
def test_an_incomplete_response_says_why(reason: str, finish: str) -> None:
    """What was not completed ended for a reason in the usual words."""
    body = response(*OUTPUT, status="incomplete", incomplete_details={"reason": reason})
    assert said(json.dumps(body).encode()).finish_reason == finish


def test_a_streamed_response() -> None:
    """The last event holds the whole answer; the deltas before it are not read twice."""
    body = streamed(CREATED, THOUGHT, HEL, LO, {"type": "response.completed", "response": response(*OUTPUT)})
    observation = said(body)
    assert observation.answer == Answer("Hello", "Hm.")
    assert (observation.usage.output_tokens, str(observation.cost.usd)) == (10, "0.000125")
    assert (observation.finish_reason, observation.error_kind, observation.anomalies) == ("stop", None, ())


def test_the_last_event_is_not_when_it_was_said() -> None:
    """The first token is the first delta, not the repetition at the end."""
    parts = [streamed(CREATED), streamed(THOUGHT), streamed(HEL)]
    parts.append(streamed(LO, {"type": "response.completed", "response": response(*OUTPUT)}))
    ends = [sum(map(len, parts[: n + 1])) for n in range(4)]
    timings = said(b"".join(parts), arrivals=tuple(zip(ends, (0.1, 0.2, 0.3, 0.4), strict=True))).timings
    assert timings.ttft_s == 0.2


def test_what_only_the_last_event_says_did_not_stream() -> None:
    """Reasoning that was never streamed has no first token, although the whole answer holds it."""
    parts = [streamed(CREATED, HEL), streamed(LO, {"type": "response.completed", "response": response(*OUTPUT)})]
    arrivals = ((len(parts[0]), 0.1), (len(b"".join(parts)), 0.4))
    observation = said(b"".join(parts), arrivals=arrivals)
    assert observation.answer.reasoning == "Hm."
    assert observation.timings.ttft_s == 0.1


def test_a_stream_that_breaks_off_keeps_its_deltas() -> None:
    """Without the last event, what had been said until then is the answer, and it is truncated."""
    call = CALL | {"arguments": ""}
    body = streamed(
        CREATED,
        HEL,
        {"type": "response.output_item.added", "output_index": 2, "item": call},
        {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": '{"x"'},
        {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": ": 1}"},
    )
    observation = said(body)
    assert observation.answer == Answer("Hel", tool_calls=(ToolCall("f", '{"x": 1}', "call_1"),))
    assert (observation.response_model, observation.error_kind) == ("v/m-1", "truncated")


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (
            {"type": "response.failed", "response": response(status="failed", error={"code": "server_error"})},
            "server_error",
        ),
        ({"type": "response.failed", "response": response(status="failed", error=None)}, "server_error"),
        ({"type": "error", "code": "rate_limit_exceeded", "message": "slow down"}, "rate_limited"),
        ({"type": "error", "error": {"code": 502, "message": "gone"}}, "unavailable"),
    ],
)
def test_a_stream_that_fails(event: dict[str, Any], kind: str) -> None:
    """A failure is an event of its own, in one of several forms."""
    assert said(streamed(CREATED, HEL, event)).error_kind == kind


def test_a_failed_response() -> None:
    """A body of status 200 may say that it failed, and in a word of OpenRouter's beside the error."""
    body = response(status="failed", error={"code": "server_error", "message": "masked"}, usage=None)
    assert said(json.dumps(body).encode()).error_kind == "server_error"
    typed = response(status="failed", error={"message": "no"}, error_type="rate_limit_exceeded")
    assert said(json.dumps(typed).encode()).error_kind == "rate_limited"


def test_a_streamed_refusal() -> None:
    """A refusal comes in deltas like any text."""
    body = streamed(CREATED, *({"type": "response.refusal.delta", "delta": piece} for piece in ("I ", "won't.")))
    assert said(body).answer == Answer(refusal="I won't.")
