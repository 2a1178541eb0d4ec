"""Streams: the three shapes of the last chunk, comments, reasoning, tool calls, OpenRouter's own members."""

from decimal import Decimal
from typing import Final

from shadow.demo import openrouter_wire as wire
from shadow.demo.openrouter_wire import Json
from shadow.demo.request import Request
from shadow.demo.scenarios.scenario import STREAM, Answer, Scenario, ended, said, stream, usage
from shadow.demo.script import Hold, Part, Pause, Script

TOOL: Final = {
    "type": "function",
    "function": {
        "name": "invoice_status",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "note": {"type": "string"}}},
    },
}
# Two calls' arguments, cut in the middle of a word, of `\"` and of `\u00fc`.
ZURICH: Final = ('{"city": "Z', "\\u0", '0fcrich", "note": "say \\', '"hello\\""', "}")
OSLO: Final = ('{"ci', 'ty": "Os', 'lo", "note"', ': ""', "}")


def _shaped(shape: str) -> Answer:
    return stream(lambda one: [wire.COMMENT, *said(one), *wire.usage_chunks(one, shape, usage())])


def _usage_twice(one: str) -> list[Json]:
    early = wire.chunk(one, [wire.delta({})], usage=usage(20, 3))
    return [*said(one), early, *ended(one)]


def _comments(one: str) -> list[Json | Part]:
    first, *rest = said(one)
    waits: list[Json | Part] = [wire.COMMENT, Pause(0.5)] * 2
    return [*waits, first, wire.COMMENT, Pause(5), wire.COMMENT, *rest, *ended(one)]


def _reasoning(one: str) -> list[Json]:
    details = (
        {"type": "reasoning.summary", "summary": "The ledger says paid.", "format": "openai-responses-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "c2VjcmV0", "id": "rs_1", "format": "openai-responses-v1", "index": 0},
    )
    thoughts = [
        wire.delta({"reasoning": "The ledger ", "reasoning_details": [{**details[0], "summary": "The ledger "}]}),
        wire.delta({"reasoning": "says paid.", "reasoning_details": [{**details[0], "summary": "says paid."}]}),
        wire.delta({"reasoning": None, "reasoning_details": [details[1]]}),
    ]
    served = {"model": "openai/gpt-5-mini-2025-08-07"}
    spent = wire.usage(40, 96, Decimal("0.000202"), reasoning_tokens=64)
    return [
        *(wire.chunk(one, [thought], **served) for thought in thoughts),
        *said(one, **served),
        *ended(one, spent, **served),
    ]


def _call(index: int, function: Json, **more: str) -> Json:
    return wire.delta({"content": None, "tool_calls": [{"index": index, **more, "function": function}]})


def _tools(one: str) -> list[Json]:
    changes = [
        _call(index, {"name": "invoice_status", "arguments": ""}, id=f"call_{city}", type="function")
        for index, city in enumerate(("zurich", "oslo"))
    ]
    for first, second in zip(ZURICH, OSLO, strict=True):
        changes += [_call(0, {"arguments": first}), _call(1, {"arguments": second})]
    chunks = [wire.chunk(one, [change]) for change in changes]
    return [*chunks, *ended(one, usage(120, 40), "tool_calls")]


def _metadata(request: Request, nth: int) -> Script:
    """The metadata comes only if it was asked for, under the header's name of today or the one before."""
    names = ("x-openrouter-metadata", "x-openrouter-experimental-metadata")
    wanted = any(request.head.header(name) == "enabled" for name in names)
    endpoints = {"total": 1, "available": [{"provider": "OpenAI", "model": "openai/gpt-4o-mini", "selected": True}]}
    found = {"strategy": "direct", "region": "eu", "attempt": 1, "is_byok": False, "endpoints": endpoints}
    more = {"openrouter_metadata": found} if wanted else {}

    def chunks(one: str) -> list[Json]:
        *before, last = ended(one)
        return [*said(one), *before, {**last, **more}]

    return stream(chunks)(request, nth)


def _echo_upstream_body(request: Request, nth: int) -> Script:
    """The first chunk has no choices and repeats the prompt."""
    echoed = {"echo_upstream_body": {"messages": request.json.get("messages")}}
    return stream(lambda one: [wire.chunk(one, [], debug=echoed), *said(one), *ended(one)])(request, nth)


def _held(one: str) -> list[Json | Part]:
    parts: list[Json | Part] = []
    for piece in said(one):
        parts += [piece, Hold()]
    return [*parts, *ended(one)]


SCENARIOS: Final = (
    Scenario(3, "stream-usage-c", "usage on a chunk that repeats the finish reason", _shaped("C"), STREAM),
    Scenario(4, "stream-usage-b", "usage on a chunk without choices", _shaped("B"), STREAM),
    Scenario(5, "stream-usage-a", "usage on a chunk whose finish reason is null", _shaped("A"), STREAM),
    Scenario(5, "stream-usage-twice", "usage on two chunks, the second is right", stream(_usage_twice), STREAM),
    Scenario(6, "stream-comments", "comments before and between chunks, and five seconds of silence", stream(_comments),
             STREAM),
    Scenario(7, "stream-reasoning", "reasoning, clear and encrypted, before content", stream(_reasoning), STREAM),
    Scenario(8, "stream-tools", "two tool calls whose fragments interleave", stream(_tools),
             {"tools": [TOOL], **STREAM}),
    Scenario(26, "metadata", "OpenRouter's own account of its routing, on the last chunk", _metadata, STREAM,
             headers=(("X-OpenRouter-Metadata", "enabled"),)),
    Scenario(27, "echo-upstream-body", "a first chunk that repeats the prompt", _echo_upstream_body,
             {"debug": {"echo_upstream_body": True}, **STREAM}),
    Scenario(34, "leaves-before-headers", "no byte until released: for clients that leave",
             lambda request, nth: (Hold(), *stream(lambda one: [*said(one), *ended(one)])(request, nth)), STREAM),
    Scenario(34, "leaves-mid-stream", "a hold after every chunk: for clients that leave", stream(_held), STREAM),
    Scenario(34, "leaves-before-done", "a hold between the usage and [DONE]: for clients that leave",
             stream(lambda one: [*said(one), *ended(one), Hold()]), STREAM),
)  # fmt: skip
