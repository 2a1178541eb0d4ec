"""Errors, in the shapes in which they are said, as one word from a closed set."""

import json
from typing import Any

import pytest

from shadow.exchange import Observation
from shadow.wire.errors import ERROR_KINDS, ErrorKind, by_status, error_kind, rejected_parameter
from tests.wire.exchanges import chunk, seen, stream


def answered(document: Any, status: int = 200) -> Observation:
    """What is read out of a JSON answer to a chat request."""
    return seen(json.dumps(document).encode(), status=status)


def openrouter(code: object, message: str = "", **more: Any) -> dict[str, Any]:
    """An error in OpenRouter's envelope."""
    return {"error": {"code": code, "message": message, **more}, "user_id": "user_1"}


SHAPES = [
    # OpenRouter's envelope, by status
    pytest.param(401, openrouter(401, "User not found."), "authentication", id="bad key"),
    pytest.param(
        402, openrouter(402, metadata={"limit_source": "openrouter_credits"}), "payment_required", id="credits"
    ),
    pytest.param(403, openrouter(403, "Only management keys"), "permission", id="wrong kind of key"),
    pytest.param(404, openrouter(404, "No endpoints found"), "not_found", id="no endpoints"),
    pytest.param(408, openrouter(408), "timeout", id="408"),
    pytest.param(413, openrouter(413), "too_large", id="413"),
    pytest.param(429, openrouter(429, "Provider returned error"), "rate_limited", id="429"),
    pytest.param(500, openrouter(500), "server_error", id="500"),
    pytest.param(502, openrouter(502), "unavailable", id="502"),
    pytest.param(503, openrouter(503), "overloaded", id="503"),
    pytest.param(524, openrouter(524), "timeout", id="524"),
    pytest.param(529, openrouter(529), "overloaded", id="529"),
    pytest.param(418, openrouter(418), "unknown", id="unheard of"),
    pytest.param(599, {}, "server_error", id="unheard of, of the server"),
    # OpenRouter's words
    pytest.param(
        403, openrouter(403, metadata={"reasons": ["x"], "flagged_input": "y"}), "content_policy", id="moderation"
    ),
    pytest.param(403, openrouter(403, metadata={"patterns": ["x"]}), "content_policy", id="guardrail"),
    pytest.param(400, openrouter(400, metadata={"error_type": "refusal"}), "content_policy", id="refusal"),
    pytest.param(400, openrouter(400, metadata={"error_type": "context_length_exceeded"}), "context_length", id="long"),
    pytest.param(
        400,
        {"error": {"http_status": 400, "error_type": "invalid_request", "availability": {"code": "model_not_found"}}},
        "not_found",
        id="availability without a code",
    ),
    pytest.param(
        429, {"error": {"availability": {"code": "capacity_exhausted"}}}, "rate_limited", id="capacity exhausted"
    ),
    pytest.param(
        400,
        openrouter(400, "Provider returned error", metadata={"raw": '{"error":{"code":"unsupported_parameter"}}'}),
        "param_rejected",
        id="the upstream's own words",
    ),
    pytest.param(
        400, openrouter(400, "Provider returned error", metadata={"raw": "{no json"}), "invalid_request", id="raw"
    ),
    pytest.param(
        400, openrouter(400, "This endpoint's maximum context length is 8192 tokens"), "context_length", id="message"
    ),
    pytest.param(
        400,
        {"error": {"message": "No connected db.", "type": "no_db_connection", "param": None, "code": "400"}},
        "authentication",
        id="LiteLLM: a key that it cannot look up",
    ),
    pytest.param(
        400,
        {"error": {"message": "/chat/completions: Invalid model name passed in model=x. Call `/v1/models`"}},
        "not_found",
        id="LiteLLM: no such model",
    ),
    pytest.param(400, openrouter(400, "made/up is not a valid model ID"), "not_found", id="OpenRouter: no such model"),
    pytest.param(
        400,
        {"error": {"code": 400, "message": "request (6019 tokens) exceeds the available context size (2048 tokens)"}},
        "context_length",
        id="llama.cpp: long",
    ),
    # parameters
    pytest.param(
        400,
        {"error": {"message": "litellm.UnsupportedParamsError: openai does not support parameters: ['thinking'], for"}},
        "param_rejected",
        id="LiteLLM: unsupported parameter",
    ),
    pytest.param(
        400,
        {"error": {"code": 400, "message": "Field 'temperature': type must be number, but is string"}},
        "param_rejected",
        id="llama.cpp: of the wrong type",
    ),
    pytest.param(
        400,
        {"error": {"code": 400, "message": "Field 'messages': type must be array, but is string"}},
        "invalid_request",
        id="llama.cpp: what is no parameter",
    ),
    pytest.param(
        400,
        {"error": {"code": "unsupported_parameter", "param": "max_tokens", "type": "invalid_request_error"}},
        "param_rejected",
        id="OpenAI: unsupported parameter",
    ),
    pytest.param(
        400, {"error": {"code": None, "param": "temperature", "message": "bad"}}, "param_rejected", id="OpenAI: param"
    ),
    pytest.param(
        400, {"error": {"code": None, "param": "messages[0].content"}}, "invalid_request", id="OpenAI: not a parameter"
    ),
    pytest.param(
        400,
        {"error": {"code": "context_length_exceeded", "param": "messages", "type": "invalid_request_error"}},
        "context_length",
        id="OpenAI: too long",
    ),
    pytest.param(
        400, {"error": {"message": "Unrecognized request argument supplied: foo"}}, "param_rejected", id="Azure"
    ),
    pytest.param(
        422,
        {"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"]}]}},
        "param_rejected",
        id="Mistral: extra field",
    ),
    pytest.param(422, {"detail": [{"type": "extra_forbidden"}]}, "param_rejected", id="FastAPI: extra field"),
    pytest.param(422, {"detail": [{"type": "missing"}]}, "invalid_request", id="FastAPI: missing field"),
    pytest.param(400, {"error": {"message": "property 'seed' is unsupported"}}, "param_rejected", id="Groq"),
    pytest.param(
        404,
        openrouter(404, "No endpoints found that support the provided 'tool_choice' value."),
        "param_rejected",
        id="OpenRouter: parameter",
    ),
    pytest.param(
        400, {"error": {"message": "Model x is not supported"}}, "invalid_request", id="not about a parameter"
    ),
    # other shapes
    pytest.param(404, {"error": {"code": "model_not_found", "type": "invalid_request_error"}}, "not_found", id="words"),
    pytest.param(429, {"error": {"code": "insufficient_quota"}}, "payment_required", id="OpenAI: quota"),
    pytest.param(400, {"error": {"code": "content_filter", "innererror": {}}}, "content_policy", id="Azure: filtered"),
    pytest.param(429, [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}], "rate_limited", id="Google: array"),
    pytest.param(400, {"object": "error", "message": "no", "code": 400}, "invalid_request", id="old vLLM"),
    pytest.param(401, {"error": "Unauthorized"}, "authentication", id="a string"),
    pytest.param(529, {"type": "error", "error": {"type": "overloaded_error"}}, "overloaded", id="Anthropic"),
    pytest.param(400, {"error": {"code": "tool_use_failed"}}, "tool_call_invalid", id="Groq: tool use failed"),
    pytest.param(500, [], "server_error", id="an empty array"),
    pytest.param(503, {}, "overloaded", id="an empty object"),
]


@pytest.mark.parametrize(("status", "document", "kind"), SHAPES)
def test_an_error_is_one_word(status: int, document: Any, kind: str) -> None:
    """Every documented shape of error is understood, the specific word before the parameter before the status."""
    assert answered(document, status).error_kind == kind


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        pytest.param(openrouter(524, "Provider returned error"), "timeout", id="error alone"),
        pytest.param(openrouter("server_error", "masked"), "server_error", id="word for a code"),
        pytest.param(openrouter("429"), "rate_limited", id="digits for a code"),
        pytest.param(openrouter(None), "unknown", id="no code"),
        pytest.param(
            {"choices": [{"message": {"content": "par"}, "error": {"code": 502}}]}, "unavailable", id="choice"
        ),
        pytest.param(
            {"choices": [{"message": {"content": "p"}, "finish_reason": "error"}]}, "server_error", id="finish"
        ),
        pytest.param({"choices": [], "error": None}, "empty", id="error is null"),
        pytest.param([{"error": {"code": 500}}], "server_error", id="array"),
        pytest.param([1, 2], "malformed", id="not an answer"),
    ],
)
def test_a_success_status_may_hold_an_error(document: Any, kind: str) -> None:
    """200 says only that the provider had begun: the body is believed."""
    assert answered(document).error_kind == kind


FAULT = {"error": {"code": 502, "message": "Provider disconnected", "metadata": {"error_type": "provider_unavailable"}}}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (stream(chunk("Hel"), chunk("", finish="error") | FAULT, end=b""), "unavailable"),
        (stream(chunk("Hel"), chunk("", finish="error") | FAULT), "unavailable"),
        (stream(FAULT, end=b""), "unavailable"),
        (stream(chunk("Hel"), openrouter("server_error"), end=b""), "server_error"),
        (stream(chunk("Hel"), {"choices": [], "x_groq": {"error": {"code": "x"}}}), "unknown"),
        (stream(chunk("Hel"), {"object": "error", "message": "out of memory", "code": 500}), "server_error"),
        (stream(chunk("Hel"), chunk("", finish="error")), "server_error"),
        (stream(chunk("Hel"), [{"error": {"code": 429}}], end=b""), "rate_limited"),
    ],
)
def test_a_stream_may_hold_an_error(body: bytes, kind: str) -> None:
    """An error chunk counts wherever it stands: first, last, or before `[DONE]`."""
    assert seen(body).error_kind == kind


def test_an_error_keeps_what_was_said_before_it() -> None:
    """The partial answer and the usage beside an error are still read: failures cost money too."""
    usage = {"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8, "cost": 0.25}
    observation = seen(stream(chunk("Hel"), FAULT | {"usage": usage}, end=b""))
    assert (observation.answer.text, observation.usage.input_tokens, observation.usage.anomalies) == ("Hel", 7, ())


@pytest.mark.parametrize(("status", "kind"), [(502, "unavailable"), (524, "timeout"), (200, "malformed")])
def test_a_page_is_told_from_an_answer(status: int, kind: str) -> None:
    """A proxy's HTML page is judged by its status, and noted as a page."""
    page = b"<!DOCTYPE html>\n<title>openrouter.ai | 502: Bad gateway</title>" + b" " * 4000
    observation = seen(page, status=status, response_headers=(("content-type", "text/html; charset=UTF-8"),))
    assert (observation.error_kind, observation.anomalies) == (kind, ("html_page",))


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"", 200, "empty"),
        (b"   \n", 200, "empty"),
        (b"", 502, "unavailable"),
        (b"upstream connect error", 503, "overloaded"),
        (b"upstream connect error", 200, "malformed"),
        (b'{"choices": [', 200, "malformed"),
    ],
)
def test_what_is_no_answer_at_all(body: bytes, status: int, kind: str) -> None:
    """Nothing, plain text and half a body are judged by the status, and where that is good by themselves."""
    assert seen(body, status=status).error_kind == kind


def test_an_error_owes_no_usage() -> None:
    """Missing usage is odd for an answer, not for a refusal of one."""
    assert answered(openrouter(429), 429).usage.anomalies == ()
    assert seen(stream(chunk("Hi", finish="stop"))).usage.anomalies == ("usage_missing",)


def test_the_kinds_are_closed() -> None:
    """Every kind is listed, and a status has always one."""
    assert frozenset(ErrorKind) == ERROR_KINDS
    assert all(by_status(status) in ERROR_KINDS for status in (None, *range(100, 600)))


def test_a_good_answer_is_no_error() -> None:
    """Neither an answer nor its null error is a fault."""
    assert error_kind(200, {"choices": [{"message": {"content": "error"}}], "error": None}) is None


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (
            b'{"error":{"message":"Unsupported parameter","param":"logit_bias","code":"unsupported_parameter"}}',
            "logit_bias",
        ),
        (b'{"error":{"message":"bad","param":"tools[0].function"}}', "tools"),
        (b'{"error":{"message":"no such model","param":"model"}}', None),
        (b'{"detail":[{"type":"extra_forbidden","loc":["body","top_k"],"msg":"Extra inputs"}]}', "top_k"),
        (b'{"error":{"message":"This endpoint does not support parallel_tool_calls."}}', "parallel_tool_calls"),
        (b'{"error":{"message":"Bad request"}}', None),
        (b"<html>", None),
        (b'{"error":{"param":"%s"}}' % (b"x" * 500), "x" * 64),
    ],
)
def test_the_parameter_that_was_refused_is_named(body: bytes, named: str | None) -> None:
    """In the field for it, in FastAPI's list, or in the sentence; what every request has is no parameter."""
    assert rejected_parameter(body) == named
