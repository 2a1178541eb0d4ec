"""The wire of OpenRouter, as a provider writes it: headers, ids, comments, chunks, usage, errors.

Pure: everything is decided by arguments. Shapes follow OpenRouter's API reference (openrouter.ai/docs/api_reference)
and recorded exchanges.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import orjson

from shadow.demo.script import Headers

Json = dict[str, Any]

CREATED: Final = 1_785_000_000  # one fixed moment of 2026: answers depend on nothing but the request
COMMENT: Final = b": OPENROUTER PROCESSING\n\n"
PADDING: Final = b"\n         \n"  # keep-alive before a JSON body: a line break, nine spaces, a line break
DONE: Final = b"data: [DONE]\n\n"
EXPOSED: Final = "X-Generation-Id, X-Provider-Name, cf-ray"


def generation_id(*of: object) -> str:
    """An id in OpenRouter's form: `gen-`, Unix seconds, twenty letters and digits."""
    return f"gen-{CREATED}-{_digest(*of)[:20]}"


def headers(identity: str | None = None, content_type: str = "application/json") -> Headers:
    """What OpenRouter's edge sends with an answer; `identity` is the generation's id, where there is a generation."""
    sent: list[tuple[str, str]] = [
        ("Date", "Sat, 25 Jul 2026 17:20:00 GMT"),
        ("Content-Type", content_type),
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Expose-Headers", EXPOSED),
        ("Permissions-Policy", 'payment=(self "https://checkout.stripe.com")'),
        ("Referrer-Policy", "no-referrer, strict-origin-when-cross-origin"),
        ("X-Content-Type-Options", "nosniff"),
        ("Server", "cloudflare"),
        ("CF-RAY", f"{_digest('ray', identity)[:16]}-AMS"),
    ]
    if content_type.startswith("text/event-stream"):
        sent.append(("Cache-Control", "no-cache"))
    if identity is not None:
        sent.append(("X-Generation-Id", identity))
    return tuple(sent)


def usage(prompt: int, completion: int, cost: Decimal | None, **more: Any) -> Json:
    """Usage in full. `more` replaces or adds members of any level by their own names."""
    asked = (cost or Decimal(0)) / 4  # an answer's tokens cost more than a question's
    found: Json = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "cost": cost,
        "is_byok": False,
        "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0, "audio_tokens": 0, "video_tokens": 0},
        "cost_details": {
            "upstream_inference_cost": cost,
            "upstream_inference_prompt_cost": asked,
            "upstream_inference_completions_cost": (cost or Decimal(0)) - asked,
        },
        "completion_tokens_details": {"reasoning_tokens": 0, "image_tokens": 0, "audio_tokens": 0},
    }
    for name, value in more.items():
        places = [part for part in found.values() if isinstance(part, dict) and name in part]
        (places[0] if places else found)[name] = value
    return found


def completion(identity: str, choices: Sequence[Json], spent: Json | None, **more: Any) -> Json:
    """A whole chat completion."""
    return {
        "id": identity,
        "object": "chat.completion",
        "created": CREATED,
        "model": "openai/gpt-4o-mini-2024-07-18",
        "provider": "OpenAI",
        "system_fingerprint": None,
        "choices": list(choices),
        "usage": spent,
        **more,
    }


def chunk(identity: str, choices: Sequence[Json], **more: Any) -> Json:
    """One chunk of a streamed chat completion."""
    return {
        "id": identity,
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": "openai/gpt-4o-mini-2024-07-18",
        "provider": "OpenAI",
        "choices": list(choices),
        **more,
    }


def choice(message: Json, finish: str | None = "stop", native: str | None = None, index: int = 0, **more: Any) -> Json:
    """A choice of a whole completion. `native` is the provider's own word for why it ended; None: the same word."""
    return {
        "index": index,
        "logprobs": None,
        "finish_reason": finish,
        "native_finish_reason": native or finish,
        "message": {"role": "assistant", "content": None, "refusal": None, "reasoning": None, **message},
        **more,
    }


def delta(change: Json, finish: str | None = None, native: str | None = None, index: int = 0, **more: Any) -> Json:
    """A choice of a chunk."""
    return {
        "index": index,
        "delta": {"role": "assistant", "content": "", **change},
        "finish_reason": finish,
        "native_finish_reason": native or finish,
        "logprobs": None,
        **more,
    }


def usage_chunks(identity: str, shape: str, spent: Json, finish: str = "stop", **more: Any) -> Iterator[Json]:
    """How a stream ends, by the three shapes that recordings show.

    A: one choice without a finish reason carries the usage, after a chunk that gave the reason (late 2025).
    B: no choices at all, as OpenAI does it (early 2026).
    C: one choice that gives the finish reason again (since July 2026).
    """
    yield chunk(identity, [delta({}, finish)], **more)
    again = {"A": [delta({})], "B": [], "C": [delta({}, finish)]}[shape]
    yield chunk(identity, again, usage=spent, **({"service_tier": None} if shape == "C" else {}), **more)


def error(code: int | str | None, message: str, metadata: Json | None = None, **more: Any) -> Json:
    """An error's envelope."""
    inner: Json = {"message": message}
    if code is not None:
        inner["code"] = code
    if metadata is not None:
        inner["metadata"] = metadata
    return {"error": inner, **more}


def event(data: Mapping[str, Any], name: str | None = None) -> bytes:
    """One event of a stream; only /responses and /messages name theirs."""
    return (b"event: %s\n" % name.encode() if name else b"") + b"data: " + dumps(data) + b"\n\n"


def dumps(value: Any) -> bytes:
    """Compact JSON in which a Decimal is a number with exactly its value."""
    return orjson.dumps(value, default=_number)


def _number(value: object) -> int | float:
    if not isinstance(value, Decimal):
        raise TypeError
    if value == value.to_integral_value():
        return int(value)
    written = float(value)  # JSON numbers of up to 15 digits survive this; the check is for the sixteenth
    if Decimal(repr(written)) != value:
        raise ValueError("the amount has more digits than a JSON number carries")
    return written


def _digest(*of: object) -> str:
    return hashlib.sha256(repr(of).encode()).hexdigest()
