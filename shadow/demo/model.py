"""A tiny seeded "language model": what it says, how fast, and at what price, all decided by the request and a seed.

The same messages get nearly the same words from every model, so that comparing two models' answers means something.
Counts are plausible, not those of a real tokenizer. Prices and speeds are made up, near what such models cost in 2026.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any, Final

import orjson

MILLION: Final = 1_000_000
CHARACTERS_PER_TOKEN: Final = 4
VOCABULARY: Final = """
    the order ships today and a refund follows once our team has checked every invoice against your plan we found
    two open tickets in this workspace please review them before Friday usage grew by half since spring mostly in
    summaries which run at night a cheaper tier covers that load without touching latency for agents next step
    rotate both keys then confirm with billing
"""
WORDS: Final = tuple(VOCABULARY.split())
DRIFT: Final = 0.04  # how often a model chooses another word than its peers would


@dataclass(frozen=True, slots=True)
class Model:
    """A model as one provider serves it. Prices are US dollars per million tokens."""

    name: str  # as requests name it
    permaslug: str  # as answers name it
    provider: str
    input_usd: Decimal
    output_usd: Decimal
    first_token_s: float
    tokens_per_s: float
    native_stop: str = "stop"
    reasons: bool = False

    def cost(self, prompt_tokens: int, completion_tokens: int) -> Decimal:
        """What a call costs, in US dollars, exactly."""
        return (self.input_usd * prompt_tokens + self.output_usd * completion_tokens) / MILLION


@dataclass(frozen=True, slots=True)
class Generation:
    """One answer of a model. Each of `pieces` is one token of text, each of `thoughts` one of reasoning.

    `arguments` is the JSON text of a call of `tool`, where the model calls one instead of speaking.
    """

    model: Model
    digest: str
    pieces: tuple[str, ...]
    thoughts: tuple[str, ...]
    tool: str | None
    arguments: str
    finish_reason: str
    prompt_tokens: int
    first_token_s: float
    token_s: float

    @property
    def text(self) -> str:
        """Everything it says."""
        return "".join(self.pieces)

    @property
    def completion_tokens(self) -> int:
        """Tokens of text, reasoning and tool call together."""
        return len(self.pieces) + len(self.thoughts) + -(-len(self.arguments) // CHARACTERS_PER_TOKEN)

    @property
    def cost_usd(self) -> Decimal:
        """What it costs, exactly."""
        return self.model.cost(self.prompt_tokens, self.completion_tokens)


def generate(model: Model, body: Mapping[str, Any], seed: int = 0) -> Generation:
    """What a model answers to the body of a chat completion whose `messages`, if any, are a list of objects."""
    said = orjson.dumps(body.get("messages") or body.get("prompt"), option=orjson.OPT_SORT_KEYS)
    prompt = hashlib.sha256(said + str(seed).encode()).hexdigest()
    digest = hashlib.sha256(f"{prompt} {model.permaslug} {model.provider}".encode()).hexdigest()
    shared, own = Random(prompt), Random(digest)  # noqa: S311 (repeatable, not secret)
    tool = _tool(body)
    pieces = () if tool else _pieces(body, shared, own)
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or len(pieces)
    return Generation(
        model=model,
        digest=digest,
        pieces=pieces[:limit],
        thoughts=tuple(_words(12, shared, own)) if model.reasons else (),
        tool=tool.get("name") if tool else None,
        arguments=_arguments(tool, shared) if tool else "",
        finish_reason="tool_calls" if tool else "length" if limit < len(pieces) else "stop",
        prompt_tokens=-(-len(said) // CHARACTERS_PER_TOKEN),
        first_token_s=model.first_token_s * own.uniform(0.7, 1.5),
        token_s=own.uniform(0.8, 1.3) / model.tokens_per_s,
    )


def _pieces(body: Mapping[str, Any], shared: Random, own: Random) -> tuple[str, ...]:
    count = shared.randrange(24, 72)
    words = tuple(_words(count, shared, own))
    asked = body.get("response_format")
    if isinstance(asked, Mapping) and asked.get("type") in ("json_object", "json_schema"):
        return ('{"summary": "', *words[:-1], words[-1].rstrip(), '"}')
    return words


def _words(count: int, shared: Random, own: Random) -> Iterator[str]:
    for position in range(count):
        word = shared.choice(WORDS)
        if own.random() < DRIFT:
            word = own.choice(WORDS)
        yield f"{word} " if position < count - 1 else f"{word}."


def _tool(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The function to call: the first one offered, unless its result is already the last message."""
    messages: Sequence[Mapping[str, Any]] = body.get("messages") or ({},)
    if messages[-1].get("role") == "tool" or body.get("tool_choice") == "none":
        return None
    offered = (tool.get("function") for tool in body.get("tools") or () if tool.get("type") == "function")
    return next(offered, None)


def _arguments(tool: Mapping[str, Any], shared: Random) -> str:
    properties = (tool.get("parameters") or {}).get("properties") or {}
    chosen = {
        name: shared.randrange(1, 99) if schema.get("type") in ("integer", "number") else shared.choice(WORDS)
        for name, schema in properties.items()
    }
    return orjson.dumps(chosen).decode()
