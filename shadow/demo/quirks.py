"""What sets real OpenAI-compatible providers apart, as data: what they refuse, where they put usage, what they add.

From the providers' own references and their client libraries; the newest of several behaviours where they changed.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

from shadow.demo.model import Generation
from shadow.demo.openrouter_wire import Json, dumps, event
from shadow.demo.script import Headers, Part, Pause, Script, whole

JSON: Final[Headers] = (("content-type", "application/json"),)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


OPENAI_FIELDS: Final = _words("""
    audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens messages
    metadata modalities model n parallel_tool_calls prediction presence_penalty prompt_cache_key reasoning_effort
    response_format safety_identifier seed service_tier stop store stream stream_options temperature tool_choice
    tools top_logprobs top_p user verbosity web_search_options
""")
MISTRAL_FIELDS: Final = _words("""
    frequency_penalty max_tokens messages metadata model n parallel_tool_calls prediction presence_penalty
    prompt_mode random_seed response_format safe_prompt stop stream temperature tool_choice tools top_p
""")
REASONING_MODEL: Final = re.compile(r"(o\d|gpt-5)")
NOT_FOR_REASONING_MODELS: Final = _words("""
    max_tokens temperature top_p frequency_penalty presence_penalty logprobs top_logprobs logit_bias
""")


def refusal(status: int, message: str, code: str, param: str | None = None) -> Script:
    """An error as OpenAI writes it."""
    inner = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return whole(status, JSON, dumps({"error": inner}))


def plain_usage(said: Generation) -> Json:
    """Usage as OpenAI writes it, with nothing cached."""
    return {
        "prompt_tokens": said.prompt_tokens,
        "completion_tokens": said.completion_tokens,
        "total_tokens": said.prompt_tokens + said.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": len(said.thoughts), "audio_tokens": 0},
    }


class Placing(Enum):
    """Where a stream carries its usage."""

    EXTRA_IF_ASKED = auto()  # a last chunk without choices, only with `stream_options.include_usage`
    EVERY_IF_ASKED = auto()  # on every chunk, counting up, only with the flag
    LAST = auto()  # on the chunk with the finish reason, always


@dataclass(frozen=True, slots=True)
class Quirks:
    """What sets a provider apart: what it refuses, and what it adds to its answers."""

    placing: Placing = Placing.EXTRA_IF_ASKED
    refuses: Callable[[Json], Script | None] = lambda _: None
    usage: Callable[[Generation], Json] = plain_usage
    opening: tuple[bytes, ...] = ()  # before the first chunk of a stream
    padding: tuple[Part, ...] = ()  # before a JSON body
    first: Callable[[Generation], Json] = lambda _: {}  # members of the first chunk
    last: Callable[[Generation], Json] = lambda _: {}  # members of the last one
    chunk: Json | None = None  # members of every chunk
    choice: Json | None = None  # members of every choice
    obfuscates: bool = False  # every chunk of content is padded with noise, against guessing from lengths
    null_usage: bool = False  # `usage: null` on chunks before the one that has it
    reasoning: str = "reasoning_content"


def _openai_refuses(body: Json) -> Script | None:
    unknown = sorted(body.keys() - OPENAI_FIELDS)
    if unknown:
        return refusal(400, f"Unrecognized request argument supplied: {unknown[0]}", "unknown_parameter", unknown[0])
    unsupported = sorted(body.keys() & NOT_FOR_REASONING_MODELS)
    if unsupported and REASONING_MODEL.match(str(body.get("model"))):
        text = f"Unsupported parameter: '{unsupported[0]}' is not supported with this model."
        return refusal(400, text, "unsupported_parameter", unsupported[0])
    return None


def _mistral_refuses(body: Json) -> Script | None:
    unknown = sorted(body.keys() - MISTRAL_FIELDS)
    if not unknown:
        return None
    detail = [{"type": "extra_forbidden", "loc": ["body", name], "input": body[name]} for name in unknown]
    return whole(422, JSON, dumps({"object": "error", "message": {"detail": detail}, "type": "invalid_request_error"}))


def _groq_usage(said: Generation) -> Json:
    computing = said.token_s * said.completion_tokens
    times = {"queue_time": 0.01, "prompt_time": said.first_token_s, "completion_time": computing}
    return {**plain_usage(said), **times, "total_time": said.first_token_s + computing}


def _deepseek_usage(said: Generation) -> Json:
    hit = said.prompt_tokens // 2
    cached = {"prompt_tokens_details": {"cached_tokens": hit}}
    hits = {"prompt_cache_hit_tokens": hit, "prompt_cache_miss_tokens": said.prompt_tokens - hit}
    return {**plain_usage(said), **cached, **hits}


def _together_usage(said: Generation) -> Json:
    counts = plain_usage(said)
    three = {name: counts[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    return {**three, "cached_tokens": said.prompt_tokens // 3}


def _azure_opening() -> bytes:
    safe = {"hate": {"filtered": False, "severity": "safe"}}
    filters = [{"prompt_index": 0, "content_filter_results": safe}]
    return event({"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": filters})


OPENAI: Final = Quirks(
    refuses=_openai_refuses,
    obfuscates=True,
    null_usage=True,
    chunk={"system_fingerprint": "fp_44709d6fcb", "service_tier": "default"},
    choice={"logprobs": None},
)
MISTRAL: Final = Quirks(placing=Placing.LAST, refuses=_mistral_refuses)
GROQ: Final = Quirks(
    placing=Placing.LAST,
    usage=_groq_usage,
    first=lambda said: {"x_groq": {"id": f"req_{said.digest[:26]}"}},
    last=lambda said: {"x_groq": {"id": f"req_{said.digest[:26]}", "usage": _groq_usage(said)}},
    reasoning="reasoning",
)
GOOGLE: Final = Quirks(placing=Placing.EVERY_IF_ASKED)
DEEPSEEK: Final = Quirks(
    placing=Placing.LAST,
    usage=_deepseek_usage,
    opening=(b": keep-alive\n\n",),
    padding=(b"\n", Pause(0.05), b"\n", Pause(0.05), b"\n"),
    null_usage=True,
)
TOGETHER: Final = Quirks(placing=Placing.LAST, usage=_together_usage, choice={"text": "", "seed": 2**63 + 11})
AZURE: Final = replace(OPENAI, opening=(_azure_opening(),))
VLLM: Final = Quirks(choice={"stop_reason": None})
QUIRKS: Final = {
    "openai": OPENAI,
    "mistral": MISTRAL,
    "groq": GROQ,
    "google": GOOGLE,
    "deepseek": DEEPSEEK,
    "together": TOGETHER,
    "azure": AZURE,
    "vllm": VLLM,
}
