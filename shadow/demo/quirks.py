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
GOOGLE_FIELDS: Final = _words("""
    extra_body max_completion_tokens max_tokens messages model n reasoning_effort response_format stop stream
    stream_options temperature tool_choice tools top_p
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
    delta: Json | None = None  # members of every delta
    headers: Headers = ()  # of a good answer
    obfuscates: bool = False  # every chunk of content is padded with noise, against guessing from lengths
    null_usage: bool = False  # `usage: null` on chunks before the one that has it
    null_first: bool = False  # the first delta has nothing but a role and `content: null`
    reasoning: str = "reasoning_content"
    thinks_in_parts: bool = False  # reasoning is a part of the content, which then is a list
    key_header: str = "authorization"  # where the key is looked for: there as a bearer token, elsewhere bare


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


def _google_refuses(body: Json) -> Script | None:
    """An array around the error, and no OpenAI in it."""
    unknown = sorted(body.keys() - GOOGLE_FIELDS)
    if not unknown:
        return None
    said = f'Invalid JSON payload received. Unknown name "{unknown[0]}": Cannot find field.'
    return whole(400, JSON, dumps([{"error": {"code": 400, "message": said, "status": "INVALID_ARGUMENT"}}]))


def _anthropic_refuses(body: Json) -> Script | None:
    if body.get("n") not in (None, 1):
        return refusal(400, "n: only 1 is supported", "invalid_request_error", "n")
    return None


def _ollama_refuses(body: Json) -> Script | None:
    """Pictures must be sent along, not named."""
    contents = (message.get("content") for message in body["messages"])
    parts = [part for content in contents if isinstance(content, list) for part in content]
    named = [part for part in parts if not str((part.get("image_url") or {}).get("url", "data:")).startswith("data:")]
    return refusal(400, "invalid image input", "invalid_request_error") if named else None


def _three_counts(said: Generation) -> Json:
    counts = plain_usage(said)
    return {name: counts[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}


def _xai_usage(said: Generation) -> Json:
    """Reasoning comes on top of `completion_tokens`, and the charge is stated in ticks of 1e-10 dollars."""
    thought = len(said.thoughts)
    counts = plain_usage(said)
    return {**counts, "completion_tokens": counts["completion_tokens"] - thought, "cost_in_usd_ticks": _ticks(said)}


def _ticks(said: Generation) -> int:
    return int(said.cost_usd.scaleb(10))


def _sglang_usage(said: Generation) -> Json:
    return {**_three_counts(said), "prompt_tokens_details": None, "reasoning_tokens": len(said.thoughts)}


def _mistral_usage(said: Generation) -> Json:
    return {**_three_counts(said), "num_cached_tokens": said.prompt_tokens // 4}


def _fireworks_usage(said: Generation) -> Json:
    return {**_three_counts(said), "prompt_tokens_details": {"cached_tokens": said.prompt_tokens // 2}}


def _deepinfra_usage(said: Generation) -> Json:
    return {**_three_counts(said), "prompt_tokens_details": None, "estimated_cost": float(said.cost_usd)}


def _llama_timings(said: Generation) -> Json:
    """What the server measured, on whatever ends an answer."""
    computing_ms = said.token_s * said.completion_tokens * 1000
    counted = {"cache_n": 0, "prompt_n": said.prompt_tokens, "predicted_n": said.completion_tokens}
    return {"timings": {**counted, "prompt_ms": said.first_token_s * 1000, "predicted_ms": computing_ms}}


def _cerebras_times(said: Generation) -> Json:
    computing = said.token_s * said.completion_tokens
    times = {"queue_time": 0.001, "prompt_time": said.first_token_s, "completion_time": computing}
    return {"time_info": {**times, "total_time": said.first_token_s + computing}}


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
    return {**_three_counts(said), "cached_tokens": said.prompt_tokens // 3}


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
MISTRAL: Final = Quirks(placing=Placing.LAST, refuses=_mistral_refuses, usage=_mistral_usage, thinks_in_parts=True)
GROQ: Final = Quirks(
    placing=Placing.LAST,
    usage=_groq_usage,
    first=lambda said: {"x_groq": {"id": f"req_{said.digest[:26]}"}},
    last=lambda said: {"x_groq": {"id": f"req_{said.digest[:26]}", "usage": _groq_usage(said)}},
    reasoning="reasoning",
)
GOOGLE: Final = Quirks(placing=Placing.EVERY_IF_ASKED, refuses=_google_refuses)
DEEPSEEK: Final = Quirks(
    placing=Placing.LAST,
    usage=_deepseek_usage,
    opening=(b": keep-alive\n\n",),
    padding=(b"\n", Pause(0.05), b"\n", Pause(0.05), b"\n"),
    null_usage=True,
)
TOGETHER: Final = Quirks(
    placing=Placing.LAST,
    usage=_together_usage,
    choice={"text": "", "seed": 2**63 + 11},
    delta={"role": "assistant", "token_id": 791},
)
AZURE: Final = replace(OPENAI, opening=(_azure_opening(),), key_header="api-key")
ANTHROPIC: Final = Quirks(refuses=_anthropic_refuses, usage=_three_counts)
FIREWORKS: Final = Quirks(
    placing=Placing.LAST,
    usage=_fireworks_usage,
    null_first=True,
    headers=(("fireworks-prompt-tokens", "9"), ("fireworks-server-time-to-first-token", "0.111")),
)
XAI: Final = Quirks(placing=Placing.LAST, usage=_xai_usage)
SGLANG: Final = Quirks(usage=_sglang_usage, choice={"matched_stop": None})
LLAMA_CPP: Final = Quirks(null_first=True, chunk={"system_fingerprint": "b6500-0123abcd"}, last=_llama_timings)
OLLAMA: Final = Quirks(
    refuses=_ollama_refuses,
    usage=_three_counts,
    null_usage=True,
    chunk={"system_fingerprint": "fp_ollama"},
    reasoning="reasoning",
)
DEEPINFRA: Final = Quirks(placing=Placing.LAST, usage=_deepinfra_usage, null_usage=True)
CEREBRAS: Final = Quirks(placing=Placing.LAST, last=_cerebras_times, reasoning="reasoning")
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
    "anthropic": ANTHROPIC,
    "fireworks": FIREWORKS,
    "xai": XAI,
    "sglang": SGLANG,
    "llama.cpp": LLAMA_CPP,
    "ollama": OLLAMA,
    "deepinfra": DEEPINFRA,
    "cerebras": CEREBRAS,
}
