"""Fake candidates: the same little models as OpenRouter's, behind the peculiarities of another provider.

`Candidate(quirks.OPENAI)` and its siblings are behaviours for `StandIn`. They serve every path that ends in
`/chat/completions` and any model name, so that a test chooses its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from shadow.demo import openrouter_wire as wire
from shadow.demo.catalogue import THRIFTY
from shadow.demo.model import Generation, Model, generate
from shadow.demo.openrouter import TOKENS_PER_CHUNK, changes, invalid, tool_call
from shadow.demo.openrouter_wire import Json, dumps, event
from shadow.demo.quirks import JSON, Placing, Quirks, refusal
from shadow.demo.request import Request
from shadow.demo.script import Headers, Part, Pause, Script, chunked, whole

EVENTS: Final[Headers] = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))


class Candidate:
    """A behaviour with a provider's quirks. With `key`, requests must carry it as their bearer token."""

    def __init__(
        self, quirks: Quirks, models: Sequence[Model] = THRIFTY, *, seed: int = 0, key: str | None = None
    ) -> None:
        self._quirks = quirks
        self._models = {model.name: model for model in models}
        self._any = models[0]
        self._seed = seed
        self._key = key

    def __call__(self, request: Request) -> Script:
        """The answer to a request."""
        if not self._knows(request):
            return refusal(401, "Incorrect API key provided", "invalid_api_key")
        if request.head.method == "GET" and request.head.path.endswith("/models"):
            listed = [{"id": name, "object": "model"} for name in self._models]
            return whole(200, JSON, dumps({"object": "list", "data": listed}))
        if request.head.method != "POST" or not request.head.path.endswith("/chat/completions"):
            return refusal(404, "Unknown request URL", "unknown_url")
        problem = invalid(request)
        if problem:
            return refusal(400, problem, "invalid_request_error")
        return self._quirks.refuses(request.json) or self._chat(request.json)

    def _knows(self, request: Request) -> bool:
        """Whether the request carries the key, where its provider looks for it."""
        name = self._quirks.key_header
        expected = f"Bearer {self._key}" if name == "authorization" else self._key
        return self._key is None or request.head.header(name) == expected

    def _chat(self, body: Json) -> Script:
        asked = str(body.get("model"))
        model = self._models.get(asked) or replace(self._any, name=asked, permaslug=asked)
        said = generate(model, body, self._seed)
        if body.get("stream"):
            asked_for_usage = bool((body.get("stream_options") or {}).get("include_usage"))
            return chunked(200, (*EVENTS, *self._quirks.headers), _stream(self._quirks, said, asked_for_usage))
        time = Pause(said.first_token_s + said.token_s * said.completion_tokens)
        return chunked(
            200, (*JSON, *self._quirks.headers), (*self._quirks.padding, time, dumps(_completion(self._quirks, said)))
        )


def _completion(quirks: Quirks, said: Generation) -> Json:
    message: Json = {"role": "assistant", "content": said.text or None}
    if said.thoughts and quirks.thinks_in_parts:
        message["content"] = [_thinking("".join(said.thoughts)), {"type": "text", "text": said.text}]
    elif said.thoughts:
        message[quirks.reasoning] = "".join(said.thoughts)
    if said.tool is not None:
        message["tool_calls"] = [tool_call(said)]
    choice = {"index": 0, "message": message, "finish_reason": said.finish_reason, **(quirks.choice or {})}
    return {
        **_envelope(said, "chat.completion"),
        "choices": [choice],
        "usage": quirks.usage(said),
        **(quirks.chunk or {}),
        **quirks.last(said),
    }


def _stream(quirks: Quirks, said: Generation, asked: bool) -> Iterator[Part]:
    yield from quirks.opening
    yield Pause(said.first_token_s)
    for number, data in enumerate(_chunks(quirks, said, asked)):
        if number:
            yield Pause(said.token_s * TOKENS_PER_CHUNK)
        yield event(data)
    yield wire.DONE


def _chunks(quirks: Quirks, said: Generation, asked: bool) -> Iterator[Json]:
    usage = quirks.usage(said)
    every = asked and quirks.placing is Placing.EVERY_IF_ASKED
    extra = asked and quirks.placing is Placing.EXTRA_IF_ASKED
    last = every or quirks.placing is Placing.LAST
    filler: Json = {"usage": None} if quirks.null_usage and (extra or last) else {}
    if quirks.null_first:
        yield _chunk(quirks, said, {"role": "assistant", "content": None}, None, filler)
    for number, change in enumerate(changes(said, quirks.reasoning)):
        change = _changed(quirks, change, first=not number)
        running = min((number + 1) * TOKENS_PER_CHUNK, said.completion_tokens)
        more = {"usage": _counting_up(usage, running)} if every else filler
        noise: Json = {"obfuscation": said.digest[: 4 + number % 8]} if quirks.obfuscates else {}
        yield _chunk(quirks, said, change, None, {**more, **noise, **(quirks.first(said) if not number else {})})
    end, closing = {"usage": usage} if last else filler, quirks.last(said)
    yield _chunk(quirks, said, {}, said.finish_reason, end if extra else {**end, **closing})
    if extra:
        more = {**(quirks.chunk or {}), **closing}
        yield {**_envelope(said, "chat.completion.chunk"), "choices": [], "usage": usage, **more}


def _changed(quirks: Quirks, change: Json, *, first: bool) -> Json:
    """A delta as the provider writes it."""
    thought = change.pop(quirks.reasoning, None) if quirks.thinks_in_parts else None
    if thought is not None:
        change["content"] = [_thinking(thought)]
    return {**(quirks.delta or {}), **({"role": "assistant"} if first else {}), **change}


def _thinking(text: str) -> Json:
    """Reasoning as a part of the content."""
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}


def _chunk(quirks: Quirks, said: Generation, change: Json, finish: str | None, more: Json) -> Json:
    choice = {"index": 0, "delta": change, "finish_reason": finish, **(quirks.choice or {})}
    return {**_envelope(said, "chat.completion.chunk"), "choices": [choice], **(quirks.chunk or {}), **more}


def _envelope(said: Generation, kind: str) -> Json:
    return {
        "id": f"chatcmpl-{said.digest[:29]}",
        "object": kind,
        "created": wire.CREATED,
        "model": said.model.permaslug,
    }


def _counting_up(usage: Json, completion_tokens: int) -> Json:
    total = usage["prompt_tokens"] + completion_tokens
    return {**usage, "completion_tokens": completion_tokens, "total_tokens": total}
