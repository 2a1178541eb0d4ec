"""Failures as they are written."""

import pytest

from shadow.demo.provider import StandIn
from shadow.demo.scenarios import SCENARIOS, Ask
from tests.demo.wire import Heard, hear


async def hear_named(stand_in: StandIn, name: str) -> Heard:
    return await hear(stand_in, SCENARIOS[name].ask)


async def test_error_in_200(stand_in: StandIn) -> None:
    """Row 15: a status of 200 and a body that is only an error, with the provider's own words and the user."""
    heard = await hear_named(stand_in, "error-in-200")
    error = heard.json["error"]
    assert (heard.status, set(heard.json)) == (200, {"error", "user_id"})
    assert (error["message"], error["code"], set(error["metadata"])) == (
        "Provider returned error",
        524,
        {"raw", "provider_name"},
    )


async def test_error_in_choice(stand_in: StandIn) -> None:
    """Row 16: a status of 200, some content, and a choice that says it failed."""
    heard = await hear_named(stand_in, "error-in-choice")
    [choice] = heard.json["choices"]
    assert (heard.status, choice["finish_reason"], choice["error"]["code"]) == (200, "error", 502)
    assert choice["message"]["content"]


@pytest.mark.parametrize(
    ("name", "before", "code", "done"),
    [
        ("stream-error", 2, 502, False),
        ("stream-error-string-code", 2, "server_error", False),
        ("stream-error-done", 2, 502, True),
        ("stream-error-first", 0, 502, False),
    ],
)
async def test_stream_error(stand_in: StandIn, name: str, before: int, code: int | str, done: bool) -> None:
    """Row 17: so many chunks, then one with an error and that finish reason, then the end, with [DONE] or not."""
    data = (await hear_named(stand_in, name)).data
    assert len(data) == before + 1 + done
    assert (data[before]["error"]["code"], data[before]["choices"][0]["finish_reason"]) == (code, "error")
    assert (data[-1] == "[DONE]") is done


async def test_stream_error_usage(stand_in: StandIn) -> None:
    """Row 17: an error with usage and cost 0 and no finish reason, then [DONE]."""
    last = (await hear_named(stand_in, "stream-error-usage")).data[-2]
    assert (last["error"]["code"], last["usage"]["cost"], last["choices"][0]["finish_reason"]) == (400, 0, None)


@pytest.mark.parametrize(
    ("name", "status", "limit_source"),
    [("no-credits", 402, "openrouter_credits"), ("in-flight-budget", 402, "openrouter_in_flight_budget")],
)
async def test_no_money(stand_in: StandIn, name: str, status: int, limit_source: str) -> None:
    """Row 19: 402, and which limit it was."""
    heard = await hear_named(stand_in, name)
    assert (heard.status, heard.json["error"]["metadata"]["limit_source"]) == (status, limit_source)
    assert heard.header("retry-after") == ("2" if name == "in-flight-budget" else None)


async def test_bad_key(stand_in: StandIn) -> None:
    """Row 18: 401."""
    heard = await hear_named(stand_in, "bad-key")
    assert (heard.status, heard.json["error"]["message"]) == (401, "User not found.")


async def test_bad_model(stand_in: StandIn) -> None:
    """Row 18: 400, with a code of availability and none of the error."""
    error = (await hear_named(stand_in, "bad-model")).json["error"]
    assert "code" not in error
    assert error["availability"]["code"] == "model_not_found"


async def test_no_route(stand_in: StandIn) -> None:
    """Row 18: 404, with the steps that left no endpoint."""
    heard = await hear_named(stand_in, "no-route")
    assert heard.status == 404
    assert heard.json["error"]["message"].startswith("No endpoints found")
    assert heard.json["error"]["metadata"]["routing_funnel"][-1]["endpoint_count"] == 0


async def test_rate_limited(stand_in: StandIn) -> None:
    """Row 20: 429 with the three headers, whose values the body repeats; the reset is in milliseconds."""
    heard = await hear_named(stand_in, "rate-limited")
    names = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
    assert heard.status == 429
    assert heard.json["error"]["metadata"]["headers"] == {name: heard.header(name) for name in names}
    assert len(heard.header("X-RateLimit-Reset") or "") == 13


async def test_rate_limited_upstream(stand_in: StandIn) -> None:
    """Row 20: 429 of the provider, to be tried again after 40 seconds."""
    heard = await hear_named(stand_in, "rate-limited-upstream")
    assert (heard.status, heard.header("retry-after")) == (429, "40")
    assert heard.json["error"]["availability"]["code"] == "capacity_exhausted"


async def test_rate_limited_once(stand_in: StandIn) -> None:
    """Row 20: the client's retry, recognised by its header, is answered; so is a second try without one."""
    ask = SCENARIOS["rate-limited-once"].ask
    retry = Ask(ask.method, ask.path, (*ask.headers, ("x-stainless-retry-count", "1")), ask.body)
    first = Ask(ask.method, ask.path, (*ask.headers, ("x-stainless-retry-count", "0")), ask.body)
    heard = [(await hear(stand_in, one)).status for one in (first, retry, ask, ask)]
    assert heard[:2] == [429, 200]
    assert sorted(status for status in heard[2:] if status) == [200, 429]


async def test_flagged(stand_in: StandIn) -> None:
    """Row 21: 403 of a guardrail, and of moderation, which repeats what was flagged."""
    guardrail, moderation = [await hear_named(stand_in, name) for name in ("guardrail", "moderation")]
    assert (guardrail.status, moderation.status) == (403, 403)
    assert guardrail.json["error"]["metadata"]["patterns"]
    assert {"flagged_input", "reasons"} <= set(moderation.json["error"]["metadata"])


@pytest.mark.parametrize("status", [502, 503, 524, 529])
async def test_overload(stand_in: StandIn, status: int) -> None:
    """Row 22: the status, and the same code in JSON."""
    heard = await hear_named(stand_in, f"overload-{status}")
    assert (heard.status, heard.json["error"]["code"]) == (status, status)


@pytest.mark.parametrize("status", [502, 524])
async def test_html(stand_in: StandIn, status: int) -> None:
    """Row 22: the edge's page, of several kilobytes, under its own headers and without a generation."""
    heard = await hear_named(stand_in, f"html-{status}")
    assert (heard.status, heard.header("content-type")) == (status, "text/html; charset=UTF-8")
    assert (heard.header("server"), heard.header("x-generation-id")) == ("cloudflare", None)
    assert heard.body.startswith(b"<!DOCTYPE html>")
    assert b"openrouter.ai | " in heard.body
    assert len(heard.body) > 3000
