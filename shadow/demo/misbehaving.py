"""Candidates that misbehave, as behaviours for `StandIn`: what a replay must survive without anyone noticing."""

import hashlib
from typing import Final

from shadow.demo.candidates import EVENTS, Candidate
from shadow.demo.openrouter_wire import DONE, dumps, event
from shadow.demo.provider import Behaviour
from shadow.demo.quirks import JSON, VLLM, refusal
from shadow.demo.request import Request
from shadow.demo.script import LAST_CHUNK, Close, Hold, Pause, Reset, Script, Send, chunk, head, unfinished, whole

MEGABYTE: Final = bytes(1 << 20)
HUGE: Final = 100 << 20


def breaks_inside(request: Request) -> Script:
    """A vLLM whose engine dies: two chunks, then an error event, then the end of the stream. Plainly: a 500."""
    if not request.json.get("stream"):
        return refusal(500, "EngineCore died", "internal_error")
    begun = Candidate(VLLM)(request)[:6]  # the head, the wait for the first token, two chunks and a pause after each
    broken = event({"error": {"message": "EngineCore died", "type": "InternalServerError", "code": 500}})
    return (*begun, Send(chunk(broken)), Send(chunk(DONE)), Send(LAST_CHUNK))


def hangs(_: Request) -> Script:
    """Takes the request and never answers."""
    return (Hold(),)


def drips(_: Request) -> Script:
    """Answers one byte a second, for an hour."""
    return unfinished(200, EVENTS, (part for _ in range(3600) for part in (b":", Pause(1))))


def answers_html(_: Request) -> Script:
    """An edge's page instead of an answer."""
    page = b"<!DOCTYPE html><html><head><title>Bad gateway</title></head><body><h1>502</h1></body></html>"
    return whole(502, (("content-type", "text/html; charset=UTF-8"),), page)


def limits_all(_: Request) -> Script:
    """Too many requests, whatever comes."""
    inner = {"message": "Rate limit reached", "type": "requests", "param": None, "code": "rate_limit_exceeded"}
    return whole(429, (*JSON, ("retry-after", "20")), dumps({"error": inner}))


def closes_after_headers(_: Request) -> Script:
    """A head that promises a body, then the end of the connection."""
    return (Send(head(200, (*JSON, ("content-length", "512")))), Close())


def resets(request: Request) -> Script:
    """The beginning of a good answer, then a TCP reset."""
    return (*Candidate(VLLM)(request)[:1], Reset())


def answers_garbage(_: Request) -> Script:
    """What is not HTTP at all."""
    return (Send(bytes(range(256)) * 4), Close())


def answers_no_json(_: Request) -> Script:
    """A good head, and a body that is no answer."""
    return whole(200, JSON, b"\x00\xff not an answer \xfe" * 64)


def floods(request: Request) -> Script:
    """100 MB: plainly in one body, streamed in events that nothing ends."""
    if not request.json.get("stream"):
        return (Send(head(200, (*JSON, ("content-length", str(HUGE))))), *[Send(MEGABYTE)] * (HUGE >> 20))
    words = event({"choices": [{"index": 0, "delta": {"content": "on and on "}, "finish_reason": None}]})
    return unfinished(200, EVENTS, [words * (len(MEGABYTE) // len(words))] * (HUGE >> 20))


def fails_at_times(behaviour: Behaviour, one_in: int) -> Behaviour:
    """A behaviour that answers one in so many requests with a 503: always the same ones, by their messages."""

    def answer(request: Request) -> Script:
        draw = hashlib.sha256(dumps(request.json.get("messages"))).digest()[0]
        return behaviour(request) if draw % one_in else refusal(503, "The server is overloaded", "overloaded")

    return answer


MISBEHAVING: Final = {
    "resets": resets,
    "garbage": answers_garbage,
    "no-json": answers_no_json,
    "floods": floods,
    "breaks-inside": breaks_inside,
    "hangs": hangs,
    "drips": drips,
    "html": answers_html,
    "limits-all": limits_all,
    "closes-after-headers": closes_after_headers,
}
