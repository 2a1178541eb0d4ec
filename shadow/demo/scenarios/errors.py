"""Failures: inside an answer of 200, in the middle of a stream, and by status, in JSON and as an edge's page."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from shadow.demo import openrouter_wire as wire
from shadow.demo.openrouter_wire import Json
from shadow.demo.request import Request
from shadow.demo.scenarios.scenario import GREETING, STREAM, Answer, Scenario, message, reply, said, stream, usage
from shadow.demo.script import Headers, Script, chunked

RESET_MS: Final = "1785000060000"  # X-RateLimit-Reset is Unix time in milliseconds
LIMITED: Final = (("X-RateLimit-Limit", "20"), ("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", RESET_MS))


def _failed(status: int, body: Json, headers: Headers = ()) -> Answer:
    """An error before any generation: without a generation's id."""
    return lambda _request, _nth: chunked(status, (*wire.headers(), *headers), (wire.dumps(body),))


def _error_in_200(_: str) -> Json:
    raw = {"raw": "upstream connect error: timed out", "provider_name": "Chutes"}
    return wire.error(524, "Provider returned error", raw, user_id="user_2demo")


def _error_in_choice(one: str) -> Json:
    problem = {"code": 502, "message": "Upstream idle timeout exceeded", "metadata": {"provider_name": "OpenAI"}}
    choice = wire.choice({"content": GREETING[0]}, "error", error=problem)
    return wire.completion(one, [choice], usage(20, 4))


def _broken(one: str, code: int | str) -> Json:
    """The chunk that tells of a failure in the middle of a stream."""
    inner = wire.error(code, "Provider disconnected", {"error_type": "provider_unavailable"})
    end = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
    return wire.chunk(one, [end], **inner)


def _stream_error(code: int | str, before: int, done: bool = False) -> Answer:
    return stream(lambda one: [*said(one)[:before], _broken(one, code)], done=done)


def _stream_error_usage(one: str) -> Sequence[Json]:
    """As recorded in 2025: no finish reason, cost 0, and `[DONE]`."""
    inner = wire.error(400, "Token limit reached")
    last = wire.chunk(one, [wire.delta({})], usage=wire.usage(20, 0, Decimal(0)), **inner)
    return [*said(one)[:2], last]


def _availability(code: str, **more: Any) -> Json:
    return {"code": code, "retryable": False, "requested_models": ["openai/gpt-none"], **more}


BAD_MODEL: Final[Json] = {
    "error": {
        "message": "openai/gpt-none is not a valid model ID",
        "http_status": 400,
        "error_type": "invalid_request",
        "availability": _availability("model_not_found"),
    }
}
NO_ROUTE: Final = wire.error(
    404,
    "No endpoints found that can handle the requested parameters.",
    {
        "routing_funnel": [{"step": "all", "endpoint_count": 4}, {"step": "parameters", "endpoint_count": 0}],
        "failed_routing_step": "parameters",
    },
    user_id="user_2demo",
)
NO_CREDITS: Final = wire.error(
    402,
    "Insufficient credits",
    {"limit_source": "openrouter_credits", "remedy_hint": "add_credits", "error_type": "payment_required"},
)
IN_FLIGHT: Final = wire.error(
    402,
    "Too much spend is in flight",
    {"limit_source": "openrouter_in_flight_budget", "reason": "in_flight_budget_exhausted"},
)
LIMIT: Final = wire.error(
    429,
    "Rate limit exceeded: free-models-per-min",
    {"headers": dict(LIMITED), "limit_source": "openrouter_free_tier_daily", "error_type": "rate_limit_exceeded"},
)
UPSTREAM_LIMIT: Final = wire.error(
    429,
    "Provider returned error",
    {"raw": "the model is rate-limited upstream", "provider_name": "Google", "error_type": "rate_limit_exceeded"},
)
UPSTREAM_LIMIT["error"]["availability"] = _availability("capacity_exhausted", retryable=True, retry_after=40)
GUARDRAIL: Final = wire.error(403, "Blocked by a guardrail", {"patterns": ["credit card"]})
MODERATION: Final = wire.error(
    403,
    "Input was flagged",
    {
        "reasons": ["violence"],
        "flagged_input": "FLAGGED-CANARY has the invoice",
        "provider_name": "OpenAI",
        "model_slug": "openai/gpt-4o-mini",
    },
)


def _limited_once(request: Request, nth: int) -> Script:
    """Too many requests at first; the client's own retry is answered."""
    retries = request.head.header("x-stainless-retry-count")
    if nth % 2 == 0 if retries is None else retries == "0":
        return _failed(429, LIMIT, LIMITED)(request, nth)
    return reply(message)(request, nth)


def page(status: int, title: str) -> bytes:
    """An edge's page of several kilobytes."""
    filler = "".join(f"  .box-{number} {{ margin: {number}px auto; padding: 0 }}\n" for number in range(80))
    return (
        f"<!DOCTYPE html>\n<html lang='en-US'>\n<head>\n<title>openrouter.ai | {status}: {title}</title>\n"
        f"<style>\n{filler}</style>\n</head>\n<body>\n<h1>{title} <span>Error code {status}</span></h1>\n"
        f"<p>The web server reported an error.</p>\n<p>Cloudflare Ray ID: 0123456789abcdef</p>\n</body>\n</html>\n"
    ).encode()


def _html(status: int, title: str) -> Answer:
    headers = wire.headers(content_type="text/html; charset=UTF-8")
    return lambda _request, _nth: chunked(status, headers, (page(status, title),))


def _overload(status: int, message: str, kind: str, headers: Headers = ()) -> Answer:
    return _failed(status, wire.error(status, message, {"error_type": kind}), headers)


SCENARIOS: Final = (
    Scenario(15, "error-in-200", "200 and nothing but an error", reply(_error_in_200)),
    Scenario(16, "error-in-choice", "200, some content, and an error in the choice", reply(_error_in_choice)),
    Scenario(17, "stream-error", "two chunks, an error with a number, no [DONE]", _stream_error(502, 2), STREAM),
    Scenario(17, "stream-error-string-code", "the same with a word for a code", _stream_error("server_error", 2),
             STREAM),
    Scenario(17, "stream-error-done", "the same with [DONE]", _stream_error(502, 2, done=True), STREAM),
    Scenario(17, "stream-error-first", "the error is the first and only event", _stream_error(502, 0), STREAM),
    Scenario(17, "stream-error-usage", "the error comes with usage and cost 0", stream(_stream_error_usage), STREAM),
    Scenario(18, "bad-key", "401", _failed(401, wire.error(401, "User not found."))),
    Scenario(18, "bad-model", "400 whose error has no code of its own", _failed(400, BAD_MODEL)),
    Scenario(18, "no-route", "404: no endpoint is left", _failed(404, NO_ROUTE)),
    Scenario(19, "no-credits", "402: the credits are used up", _failed(402, NO_CREDITS)),
    Scenario(19, "in-flight-budget", "402: too much is in flight", _failed(402, IN_FLIGHT, (("Retry-After", "2"),))),
    Scenario(20, "rate-limited", "429 of OpenRouter's own", _failed(429, LIMIT, LIMITED)),
    Scenario(20, "rate-limited-upstream", "429 of the provider",
             _failed(429, UPSTREAM_LIMIT, (("Retry-After", "40"),))),
    Scenario(20, "rate-limited-once", "429, and an answer to the retry", _limited_once),
    Scenario(21, "guardrail", "403: a guardrail matched", _failed(403, GUARDRAIL)),
    Scenario(21, "moderation", "403: the input was flagged, and is repeated", _failed(403, MODERATION)),
    Scenario(22, "overload-502", "502 in JSON", _overload(502, "Provider unavailable", "provider_unavailable")),
    Scenario(22, "overload-503", "503 in JSON",
             _overload(503, "Provider overloaded", "provider_overloaded", (("Retry-After", "5"),))),
    Scenario(22, "overload-524", "524 in JSON", _overload(524, "Timed out", "timeout")),
    Scenario(22, "overload-529", "529 in JSON", _overload(529, "Provider overloaded", "provider_overloaded")),
    Scenario(22, "html-502", "502 as the edge's page", _html(502, "Bad gateway")),
    Scenario(22, "html-524", "524 as the edge's page", _html(524, "A timeout occurred")),
)  # fmt: skip
