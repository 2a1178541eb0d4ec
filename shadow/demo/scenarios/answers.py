"""Good answers, and what is odd about them: costs, caches, choices, finish reasons, fallbacks."""

from decimal import Decimal
from typing import Any, Final

from shadow.demo import openrouter_wire as wire
from shadow.demo.openrouter_wire import Json
from shadow.demo.request import Request
from shadow.demo.scenarios.scenario import (
    GREETING,
    STREAM,
    TEXT,
    Scenario,
    ended,
    identity,
    message,
    reply,
    said,
    stream,
    usage,
)
from shadow.demo.script import Part, Pause, Script, chunked

CLAUDE: Final[Json] = {"model": "anthropic/claude-4.5-sonnet-20250929", "provider": "Anthropic"}
ZERO: Final = Decimal(0)
NOISY: Final = 0.00012104999999999999  # a float on purpose: OpenRouter sends such numbers


def _padded(request: Request, nth: int) -> Script:
    one = identity(request, nth)
    padding = [part for _ in range(10) for part in (wire.PADDING, Pause(0.2))]
    return chunked(200, wire.headers(one), (*padding, wire.dumps(message(one))))


def _searched() -> Json:
    """Token parts of 0.0033176 and a search of 0.01: the cost is more than its tokens."""
    return wire.usage(
        712, 209, Decimal("0.0133176"),
        cost_details={
            "upstream_inference_cost": Decimal("0.0133176"),
            "upstream_inference_prompt_cost": Decimal("0.0013996"),
            "upstream_inference_completions_cost": Decimal("0.001918"),
        },
        server_tool_use_details={"tool_calls_requested": 1, "tool_calls_executed": 1, "web_search_requests": 1},
    )  # fmt: skip


CITATION: Final = {
    "type": "url_citation",
    "url_citation": {"url": "https://example.com/may", "title": "May", "start_index": 0, "end_index": 5},
}


def _web_search(one: str) -> Json:
    choice = wire.choice({"content": TEXT, "annotations": [CITATION]})
    return wire.completion(one, [choice], _searched())


def _web_search_stream(one: str) -> list[Json | Part]:
    cited = wire.chunk(one, [wire.delta({"annotations": [CITATION]})])
    return [wire.COMMENT, *said(one), cited, *ended(one, _searched())]


CACHE_HIT: Final = (
    ("X-OpenRouter-Cache-Status", "HIT"),
    ("X-OpenRouter-Cache-TTL", "300"),
    ("X-OpenRouter-Cache-Age", "17"),
    ("X-OpenRouter-Cache-Source-Id", wire.generation_id("the answer that was kept")),
)


def _nothing() -> Json:
    return wire.usage(0, 0, ZERO)


def _prompt_cache(request: Request, nth: int) -> Script:
    """1,800 of 2,000 prompt tokens are written at 1.25 × the price, then read at a tenth of it."""
    if nth == 0:
        spent = wire.usage(2000, 50, Decimal("0.0081"), cache_write_tokens=1800)
    else:
        spent = wire.usage(2000, 50, Decimal("0.00189"), cached_tokens=1800)
    return reply(lambda one: message(one, spent, **CLAUDE))(request, nth)


def _byok() -> Json:
    return wire.usage(820, 164, ZERO, is_byok=True, upstream_inference_cost=Decimal("0.0123"))


LIKELY: Final = [
    {"token": word, "logprob": -0.12, "bytes": list(word.encode()), "top_logprobs": []} for word in GREETING
]


def _two_choices(one: str) -> Json:
    choices = [wire.choice({"content": f"{TEXT} ({index})"}, index=index) for index in (0, 1)]
    return wire.completion(one, choices, usage(20, 24))


def _two_choices_stream(one: str) -> list[Json]:
    pieces = [wire.chunk(one, [wire.delta({"content": piece}, index=index)]) for piece in GREETING for index in (1, 0)]
    ends = [wire.chunk(one, [wire.delta({}, "stop", index=index)]) for index in (0, 1)]
    return [*pieces, *ends, wire.chunk(one, [], usage=usage(20, 24))]


def _logprobs(one: str) -> Json:
    return wire.completion(
        one, [wire.choice({"content": TEXT}, logprobs={"content": LIKELY, "refusal": None})], usage()
    )


def _logprobs_stream(one: str) -> list[Json]:
    pieces = [
        wire.chunk(one, [wire.delta({"content": piece}, logprobs={"content": [entry], "refusal": None})])
        for piece, entry in zip(GREETING, LIKELY, strict=True)
    ]
    return [*pieces, *ended(one)]


REFUSAL: Final = "I can't help with that."


def _refusal(one: str) -> Json:
    return wire.completion(one, [wire.choice({"refusal": REFUSAL})], usage())


def _refusal_stream(one: str) -> list[Json]:
    return [wire.chunk(one, [wire.delta({"content": None, "refusal": REFUSAL})]), *ended(one)]


def _finish(content: str | None, finish: str | None, native: str | None, spent: Json) -> Any:
    choice = wire.choice({"content": content}, finish, native)
    return lambda one: wire.completion(one, [choice], spent)


def _empty() -> Json:
    return wire.usage(20, 0, ZERO)


def _empty_stream(one: str) -> list[Json]:
    return [
        wire.chunk(one, [wire.delta({})]),
        wire.chunk(one, [wire.delta({})], usage=_empty()),
    ]


def _usage_without(name: str) -> Json:
    spent = usage()
    del spent[name]
    return spent


def _costs(cost: Decimal | float | None) -> Json:
    return {**usage(), "cost": cost, "cost_details": {"upstream_inference_cost": cost}}


SCENARIOS: Final = (
    Scenario(1, "plain", "a whole answer with usage and cost", reply(message)),
    Scenario(
        2, "padded-slow", "headers at once, padding every 200 ms, JSON after 2 s",
        _padded,
    ),
    Scenario(9, "web-search", "a server tool searched: cost above its token parts", reply(_web_search),
             {"tools": [{"type": "openrouter:web_search"}]}),
    Scenario(9, "web-search-stream", "the same, streamed", stream(_web_search_stream),
             {"plugins": [{"id": "web"}], **STREAM}),
    Scenario(9, "web-search-online", "the same, asked for by a model variant", reply(_web_search),
             {"model": "fake/web-search-online:online"}),
    Scenario(10, "cache-hit", "served from OpenRouter's response cache: all usage zero",
             reply(lambda one: message(one, _nothing()), CACHE_HIT), headers=(("X-OpenRouter-Cache", "true"),)),
    Scenario(10, "cache-hit-stream", "the same, streamed",
             stream(lambda one: [*said(one), *ended(one, _nothing())], CACHE_HIT), STREAM,
             headers=(("X-OpenRouter-Cache", "true"),)),
    Scenario(11, "prompt-cache", "the first call writes the provider's prompt cache, others read it", _prompt_cache),
    Scenario(12, "byok", "the customer's own provider key: cost 0, upstream cost given",
             reply(lambda one: message(one, _byok()))),
    Scenario(12, "byok-stream", "the same, streamed", stream(lambda one: [*said(one), *ended(one, _byok())]), STREAM),
    Scenario(13, "two-choices", "n: 2", reply(_two_choices), {"n": 2}),
    Scenario(13, "two-choices-stream", "n: 2, the choices' chunks interleaved", stream(_two_choices_stream),
             {"n": 2, **STREAM}),
    Scenario(13, "logprobs", "log probabilities per token", reply(_logprobs), {"logprobs": True}),
    Scenario(13, "logprobs-stream", "the same, streamed", stream(_logprobs_stream), {"logprobs": True, **STREAM}),
    Scenario(13, "refusal", "a refusal instead of content", reply(_refusal)),
    Scenario(13, "refusal-stream", "the same, streamed", stream(_refusal_stream), STREAM),
    Scenario(14, "length", "cut short by max_tokens", reply(_finish(GREETING[0], "length", None, usage(20, 4))),
             {"max_tokens": 4}),
    Scenario(14, "length-stream", "the same, streamed",
             stream(lambda one: [*said(one, GREETING[:1]), *ended(one, usage(20, 4), "length")]),
             {"max_tokens": 4, **STREAM}),
    Scenario(14, "content-filter", "the provider filtered its output away",
             reply(_finish("", "content_filter", "SAFETY", usage(20, 0)))),
    Scenario(36, "empty-completion", "a success that says nothing: no content, no finish reason, cost 0",
             reply(_finish(None, None, None, _empty()))),
    Scenario(36, "empty-completion-stream", "the same, streamed", stream(_empty_stream), STREAM),
    Scenario(37, "fallback", "the first model failed, the second answered", reply(lambda one: message(one, **CLAUDE)),
             {"models": ["fake/fallback", "anthropic/claude-sonnet-4.5"]}),
    Scenario(38, "float-cost", "a cost with a float's noise", reply(lambda one: message(one, _costs(NOISY)))),
    Scenario(38, "float-cost-stream", "the same, streamed",
             stream(lambda one: [*said(one), *ended(one, _costs(NOISY))]), STREAM),
    Scenario(38, "cost-zero", "cost 0", reply(lambda one: message(one, _costs(ZERO)))),
    Scenario(38, "cost-null", "cost null", reply(lambda one: message(one, _costs(None)))),
    Scenario(38, "byok-absent", "is_byok left out", reply(lambda one: message(one, _usage_without("is_byok")))),
    Scenario(38, "details-null", "prompt_tokens_details null",
             reply(lambda one: message(one, {**usage(), "prompt_tokens_details": None}))),
    Scenario(38, "no-usage", "no usage at all", reply(lambda one: message(one) | {"usage": None})),
)  # fmt: skip
