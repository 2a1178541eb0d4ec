"""Endpoints beside chat completions: the other skins of inference, presets, and the reads."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from shadow.demo import openrouter_wire as wire
from shadow.demo.catalogue import OPENROUTER
from shadow.demo.openrouter_wire import Json, dumps, event
from shadow.demo.request import Request
from shadow.demo.scenarios.scenario import GREETING, STREAM, TEXT, Answer, Scenario, identity
from shadow.demo.script import Headers, Script, Send, chunked, head, whole

MILLION: Final = 1_000_000
LISTED: Final = 900  # enough models for more than a mebibyte
ETAG: Final = '"demo-models-1"'
LATE: Final = 2  # how often a generation is not there yet

GENERATION: Final[Json] = {
    "id": "gen-1785000000-late",
    "upstream_id": None,
    "model": "openai/gpt-4o-mini-2024-07-18",
    "provider_name": "OpenAI",
    "streamed": True,
    "cancelled": False,
    "is_byok": False,
    "finish_reason": "stop",
    "native_finish_reason": "stop",
    "latency": 412,
    "generation_time": 905,
    "moderation_latency": None,
    "total_cost": Decimal("0.0000102"),
    "usage": Decimal("0.0000102"),
    "upstream_inference_cost": None,
    "cache_discount": None,
    "tokens_prompt": 19,
    "tokens_completion": 11,
    "native_tokens_prompt": 20,
    "native_tokens_completion": 12,
    "native_tokens_reasoning": None,
    "native_tokens_cached": 0,
    "num_search_results": None,
}


def generation(cancelled: bool = False, **more: Any) -> Answer:
    """What `GET /generation` says: not found, twice, then the facts."""

    def answer(request: Request, nth: int) -> Script:
        if nth < LATE:
            problem = wire.error(404, f"Generation {request.head.query.get('id')} not found")
            return whole(404, wire.headers(), dumps(problem))
        ended = {"cancelled": True, "finish_reason": None, "native_finish_reason": None} if cancelled else {}
        found = {**GENERATION, "id": request.head.query.get("id"), **ended, **more}
        return whole(200, wire.headers(), dumps({"data": found}))

    return answer


def _models() -> bytes:
    """More than a mebibyte: the stand-in's own models, and many that only fill the list."""
    names = [model.name for model in OPENROUTER] + [f"filler/model-{number}" for number in range(LISTED)]
    prices = {model.name: (model.input_usd / MILLION, model.output_usd / MILLION) for model in OPENROUTER}
    listed = []
    for name in names:
        prompt, output = prices.get(name, (Decimal("0.000001"), Decimal("0.000002")))
        pricing = {"prompt": f"{prompt:f}", "completion": f"{output:f}"}
        listed.append({"id": name, "canonical_slug": name, "pricing": pricing, "description": "A model. " * 120})
    return dumps({"data": listed})


def _list_models(request: Request, _: int) -> Script:
    if request.head.header("if-none-match") == ETAG:
        return (Send(head(304, (("ETag", ETAG),))),)
    return whole(200, (*wire.headers(), ("ETag", ETAG)), _models())


def _page_of_models(request: Request, _: int) -> Script:
    limit = int(request.head.query.get("limit", "2"))
    listed = [{"id": model.name, "canonical_slug": model.permaslug} for model in OPENROUTER[:limit]]
    links = {"next": f"/api/v1/models?limit={limit}&offset={limit}"}
    return whole(200, wire.headers(), dumps({"data": listed, "total_count": len(OPENROUTER), "links": links}))


def _constant(body: Json, status: int = 200) -> Answer:
    return lambda _request, _nth: whole(status, wire.headers(), dumps(body))


KEY: Final[Json] = {
    "data": {"label": "sk-or-v1-dem...o00", "limit": 100, "limit_remaining": Decimal("74.5"), "usage": Decimal("25.5")}
}
PRESET: Final[Json] = {"data": {"id": "preset_1", "slug": "x", "name": "x", "status": "active", "version": 1}}
MANAGEMENT_ONLY: Final = wire.error(403, "Only management keys can perform this operation")


def _named(items: Sequence[Json], request: Request, nth: int, headers: Headers = ()) -> Script:
    """A stream whose events carry their type as their name too; no `[DONE]`."""
    sent = (*wire.headers(identity(request, nth), "text/event-stream"), *headers)
    return chunked(200, sent, [event(item, item["type"]) for item in items])


RESPONSE_USAGE: Final[Json] = {
    "input_tokens": 20,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 12,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 32,
    "cost": Decimal("0.0000102"),
    "is_byok": False,
    "cost_details": {"upstream_inference_cost": Decimal("0.0000102")},
}


def _response(one: str, status: str, **more: Any) -> Json:
    return {
        "id": one,
        "object": "response",
        "created_at": wire.CREATED,
        "model": "openai/gpt-4o-mini-2024-07-18",
        "status": status,
        "output": [],
        "error": None,
        "usage": None,
        **more,
    }


def _output(status: str = "completed") -> Json:
    content = [{"type": "output_text", "text": TEXT, "annotations": []}] if status == "completed" else []
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": status, "content": content}


def _responses(request: Request, nth: int) -> Script:
    one = identity(request, nth)
    body = _response(one, "completed", output=[_output()], usage=RESPONSE_USAGE)
    return chunked(200, wire.headers(one), (dumps(body),))


def _responses_stream(request: Request, nth: int) -> Script:
    one = identity(request, nth)
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    items: list[Json] = [
        {"type": "response.created", "response": _response(one, "in_progress")},
        {"type": "response.in_progress", "response": _response(one, "in_progress")},
        {"type": "response.output_item.added", "output_index": 0, "item": _output("in_progress")},
        {"type": "response.content_part.added", **place, "part": {"type": "output_text", "text": ""}},
        *({"type": "response.output_text.delta", **place, "delta": piece} for piece in GREETING),
        {"type": "response.output_text.done", **place, "text": TEXT},
        {"type": "response.content_part.done", **place, "part": {"type": "output_text", "text": TEXT}},
        {"type": "response.output_item.done", "output_index": 0, "item": _output()},
        {
            "type": "response.completed",
            "response": _response(one, "completed", output=[_output()], usage=RESPONSE_USAGE),
        },
    ]
    return _named([{**item, "sequence_number": number} for number, item in enumerate(items)], request, nth)


def _responses_failed(request: Request, nth: int) -> Script:
    one = identity(request, nth)
    problem = {"code": "server_error", "message": "Provider disconnected"}
    failed = _response(one, "failed", error=problem, error_type="provider_unavailable")
    begun = {"type": "response.created", "response": _response(one, "in_progress"), "sequence_number": 0}
    return _named([begun, {"type": "response.failed", "response": failed, "sequence_number": 1}], request, nth)


def _message(one: str, content: Sequence[Json], stop: str | None, spent: Json) -> Json:
    return {
        "id": one,
        "type": "message",
        "role": "assistant",
        "model": "anthropic/claude-4.5-sonnet-20250929",
        "content": list(content),
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": spent,
    }


MESSAGE_COST: Final = {"cost": Decimal("0.00024"), "is_byok": False}
INPUT_USAGE: Final[Json] = {"input_tokens": 20, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}


def _messages(request: Request, nth: int) -> Script:
    one = identity(request, nth)
    spent = {**INPUT_USAGE, "output_tokens": 12, **MESSAGE_COST}
    body = _message(one, [{"type": "text", "text": TEXT}], "end_turn", spent)
    return chunked(200, wire.headers(one), (dumps(body),))


def _message_start(one: str) -> list[Json]:
    return [
        {"type": "message_start", "message": _message(one, [], None, {**INPUT_USAGE, "output_tokens": 1})},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
    ]


def _message_delta(piece: str) -> Json:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}


def _messages_stream(request: Request, nth: int) -> Script:
    """Input tokens come with the start, output tokens and cost with the last delta."""
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    items: list[Json] = [
        *_message_start(identity(request, nth)),
        *map(_message_delta, GREETING),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": end, "usage": {"output_tokens": 12, **MESSAGE_COST}},
        {"type": "message_stop"},
    ]
    return _named(items, request, nth)


def _messages_error(request: Request, nth: int) -> Script:
    inner = {"type": "overloaded_error", "message": "Overloaded", "error_type": "provider_overloaded"}
    begun = [*_message_start(identity(request, nth)), _message_delta(GREETING[0])]
    return _named([*begun, {"type": "error", "error": inner, "request_id": "req_demo"}], request, nth)


API: Final = "/api/v1"
INPUT: Final = {"input": "Has the invoice of May been paid?"}
BUDGET: Final = {"max_tokens": 100}

SCENARIOS: Final = (
    Scenario(28, "generation-late", "404 twice, then the facts of a generation", generation(), method="GET",
             path=f"{API}/generation?id=gen-1785000000-late"),
    Scenario(28, "generation-cancelled", "404 twice, then the facts of a cancelled one", generation(cancelled=True),
             method="GET", path=f"{API}/generation?id=gen-1785000000-cancelled"),
    Scenario(29, "responses", "a whole response", _responses, INPUT, path=f"{API}/responses"),
    Scenario(29, "responses-stream", "named events, usage in response.completed", _responses_stream,
             {**INPUT, **STREAM}, path=f"{API}/responses"),
    Scenario(29, "responses-failed", "a stream that ends in response.failed", _responses_failed,
             {**INPUT, **STREAM}, path=f"{API}/responses"),
    Scenario(30, "messages", "a whole message", _messages, BUDGET, path=f"{API}/messages"),
    Scenario(30, "messages-stream", "named events, pings, usage in two of them", _messages_stream,
             {**BUDGET, **STREAM}, path=f"{API}/messages"),
    Scenario(30, "messages-error", "a stream that ends in an error event", _messages_error,
             {**BUDGET, **STREAM}, path=f"{API}/messages"),
    Scenario(31, "preset", "a preset is stored; nothing is inferred", _constant(PRESET),
             path=f"{API}/presets/x/chat/completions"),
    Scenario(32, "models", "the list of models: more than a mebibyte, with an ETag", _list_models, method="GET",
             path=f"{API}/models"),
    Scenario(32, "models-page", "a page of it", _page_of_models, method="GET", path=f"{API}/models?limit=2"),
    Scenario(32, "key", "what the key may spend", _constant(KEY), method="GET", path=f"{API}/key"),
    Scenario(32, "credits", "403: not with a key for inference", _constant(MANAGEMENT_ONLY, 403), method="GET",
             path=f"{API}/credits"),
)  # fmt: skip
