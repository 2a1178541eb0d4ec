"""What each dialect takes: a table to be read against the providers' public documentation of chat completions.

A field that no row keeps, renames or translates is dropped. Every dialect takes `model`, `messages`, `stream`
and `tools`; the rows say the rest. Sources: the API references named in each row, and
where a row cites nothing else, the OpenAI reference that the dialect declares itself compatible with.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from shadow.config import Dialect

Fragment = Mapping[str, Any]  # fields to set in the candidate's request

EVERYWHERE: Final = frozenset({"temperature", "top_p", "stop"})
PENALTIES: Final = frozenset({"frequency_penalty", "presence_penalty"})
LOGPROBS: Final = frozenset({"logprobs", "top_logprobs"})
OPEN_SAMPLERS: Final = frozenset({"top_k", "min_p", "repetition_penalty"})
JSON_OBJECT: Final = frozenset({"text", "json_object"})
JSON_ANY: Final = JSON_OBJECT | {"json_schema"}

# The router's efforts, weakest first (OpenRouter: reasoning tokens). `none` switches reasoning off.
EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def _clamped(*words: str) -> Mapping[str, Fragment]:
    """`reasoning_effort` with the nearest of the dialect's own words; no `none` among them: it cannot be off."""
    active = [word for word in words if word != "none"]
    nearest = {effort: min(active, key=lambda word: _distance(effort, word)) for effort in EFFORTS[1:]}
    if "none" in words:
        nearest["none"] = "none"
    return {effort: {"reasoning_effort": word} for effort, word in nearest.items()}


def _distance(one: str, other: str) -> int:
    return abs(EFFORTS.index(one) - EFFORTS.index(other))


def _switch(off: Fragment, on: Fragment) -> Mapping[str, Fragment]:
    """Reasoning is on or off, and its depth is the model's own."""
    return {effort: off if effort == "none" else on for effort in EFFORTS}


def _template(enabled: bool) -> Fragment:
    # Qwen's chat template reads the first name, DeepSeek's and Granite's the second; others ignore both.
    return {"chat_template_kwargs": {"enable_thinking": enabled, "thinking": enabled}}


# OpenAI's reasoning models refuse these outright, where the router silently leaves them out.
GPT_REASONING: Final = re.compile(r"o\d|gpt-5(?!-chat)")
GPT_REASONING_REFUSES: Final = frozenset({"temperature", "top_p", "stop"}) | PENALTIES | LOGPROBS


@dataclass(frozen=True, slots=True)
class Rules:
    """One dialect. A field is kept, renamed, translated, or dropped because no rule speaks of it."""

    keeps: frozenset[str] = frozenset()  # go on as they are
    renames: Mapping[str, str] | None = None
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"  # what bounds the answer's length
    asks_usage: bool = True  # a stream reports usage only where asked; False: it does unasked, or refuses to be asked
    efforts: Mapping[str, Fragment] | None = None  # reasoning efforts, translated; a missing one cannot be said
    budget: bool = False  # a number of reasoning tokens can be said; without `efforts`, an effort becomes one
    formats: frozenset[str] = JSON_ANY  # types of response_format
    ignores_format: bool = False  # takes any response_format and heeds none
    developer_role: bool = False
    names: bool = False  # `name` of a message's author
    refusals: bool = False  # `refusal` in the history
    strict_tools: bool = False
    text_parts: bool = True  # text content as a list of parts
    images: Literal["any", "inline", "none"] = "any"  # by address or as data; as data alone; not at all
    short_call_ids: bool = False
    tiers: Mapping[str, str] | None = None  # service tiers of the same meaning
    key_header: Literal["authorization", "api-key"] = "authorization"  # the former as a bearer token
    strict_models: re.Pattern[str] | None = None  # the dialect's own models that refuse some of what it takes
    strict_models_refuse: frozenset[str] = frozenset()

    def takes(self, name: str, model: str) -> bool:
        """Whether a field goes on as it is to this model."""
        strict = self.strict_models is not None and self.strict_models.match(model) is not None
        return name in self.keeps and not (strict and name in self.strict_models_refuse)


RULES: Final[Mapping[Dialect, Rules]] = {
    # platform.openai.com, API reference, "Create chat completion". Unknown fields are refused with a 400.
    "openai": Rules(
        keeps=EVERYWHERE | PENALTIES | LOGPROBS | {
            "seed", "tool_choice", "parallel_tool_calls", "prediction", "verbosity",
            "prompt_cache_key", "prompt_cache_options",
        },
        limit="max_completion_tokens",
        efforts=_clamped(*EFFORTS),
        developer_role=True,
        names=True,
        refusals=True,
        strict_tools=True,
        tiers={tier: tier for tier in ("auto", "default", "flex", "scale", "priority", "fast")},
        strict_models=GPT_REASONING,
        strict_models_refuse=GPT_REASONING_REFUSES,
    ),
    # learn.microsoft.com, Azure OpenAI v1 REST reference: OpenAI's, with the key in a header of its own.
    "azure": Rules(
        keeps=EVERYWHERE | PENALTIES | LOGPROBS | {
            "seed", "tool_choice", "parallel_tool_calls", "prediction", "verbosity",
        },
        limit="max_completion_tokens",
        efforts=_clamped("none", "minimal", "low", "medium", "high", "xhigh"),
        developer_role=True,
        names=True,
        refusals=True,
        strict_tools=True,
        tiers={"auto": "auto", "default": "default", "priority": "priority"},
        key_header="api-key",
        strict_models=GPT_REASONING,
        strict_models_refuse=GPT_REASONING_REFUSES,
    ),
    # docs.anthropic.com, "OpenAI SDK compatibility": the fields it ignores are left out, so that the pair shows it.
    "anthropic": Rules(
        keeps=EVERYWHERE | {"tool_choice", "parallel_tool_calls"},
        budget=True,
        ignores_format=True,
    ),
    # ai.google.dev, "OpenAI compatibility". Unknown fields (penalties and `seed` among them, though Vertex AI takes
    # those) are refused with a 400 that says `Unknown name`.
    "google": Rules(keeps=EVERYWHERE | {"tool_choice"}, efforts=_clamped("none", "low", "medium", "high")),
    # docs.mistral.ai, API, "Chat completion". Unknown fields, `stream_options` among them, are refused with a 422.
    "mistral": Rules(
        keeps=EVERYWHERE | PENALTIES | {"tool_choice", "parallel_tool_calls"},
        renames={"seed": "random_seed"},
        asks_usage=False,
        strict_tools=True,
        short_call_ids=True,
    ),
    # console.groq.com, API reference: logprobs and logit_bias are refused; usage comes in `x_groq` unasked.
    "groq": Rules(
        keeps=EVERYWHERE | PENALTIES | {"seed", "tool_choice", "parallel_tool_calls"},
        limit="max_completion_tokens",
        asks_usage=False,
        efforts=_clamped("none", "low", "medium", "high"),
        names=True,
        tiers={"auto": "auto", "default": "on_demand", "flex": "flex"},
    ),
    # api-docs.deepseek.com, "Create chat completion": content is text only, and there is no JSON schema.
    "deepseek": Rules(
        keeps=EVERYWHERE | PENALTIES | LOGPROBS | {"tool_choice"},
        efforts=_switch({"thinking": {"type": "disabled"}}, {"thinking": {"type": "enabled"}}),
        formats=JSON_OBJECT,
        text_parts=False,
        images="none",
    ),
    # docs.together.ai, API reference: `logprobs` is a number there, so OpenAI's flag is not passed on.
    "together": Rules(
        keeps=EVERYWHERE | PENALTIES | OPEN_SAMPLERS | {"seed", "tool_choice"},
        asks_usage=False,
        efforts={**_clamped("low", "medium", "high"), "none": {"reasoning": {"enabled": False}}},
    ),
    # docs.fireworks.ai, API reference.
    "fireworks": Rules(
        keeps=EVERYWHERE | PENALTIES | OPEN_SAMPLERS | LOGPROBS | {"seed", "tool_choice", "parallel_tool_calls"},
        asks_usage=False,
        efforts=_clamped("none", "low", "medium", "high"),
        names=True,
    ),
    # docs.x.ai, REST API reference and "Reasoning": penalties and `stop` are refused by models that reason.
    "xai": Rules(
        keeps=(EVERYWHERE - {"stop"}) | LOGPROBS | {"seed", "tool_choice", "parallel_tool_calls"},
        limit="max_completion_tokens",
        efforts=_clamped("none", "low", "medium", "high"),
    ),
    # docs.vllm.ai, "OpenAI-compatible server": unknown fields are ignored with a warning.
    "vllm": Rules(
        keeps=EVERYWHERE | PENALTIES | OPEN_SAMPLERS | LOGPROBS | {"seed", "tool_choice", "parallel_tool_calls"},
        efforts={**_clamped("low", "medium", "high"), "none": _template(enabled=False)},
        names=True,
        strict_tools=True,
    ),
    # docs.sglang.ai, "OpenAI APIs: completions".
    "sglang": Rules(
        keeps=EVERYWHERE | PENALTIES | OPEN_SAMPLERS | LOGPROBS | {"seed", "tool_choice", "parallel_tool_calls"},
        efforts={**_clamped("low", "medium", "high"), "none": _template(enabled=False)},
        names=True,
        strict_tools=True,
    ),
    # github.com/ggml-org/llama.cpp, tools/server/README: samplers by llama.cpp's names.
    "llama.cpp": Rules(
        keeps=EVERYWHERE | PENALTIES | LOGPROBS | {"top_k", "min_p", "seed", "tool_choice", "parallel_tool_calls"},
        renames={"repetition_penalty": "repeat_penalty"},
        efforts=_switch(_template(enabled=False), _template(enabled=True)),
    ),
    # docs.ollama.com, "OpenAI compatibility": no tool_choice; images only as data, not by address.
    "ollama": Rules(
        keeps=EVERYWHERE | PENALTIES | {"seed"},
        efforts=_clamped("none", "low", "medium", "high"),
        images="inline",
    ),
    # docs.litellm.ai, "Input params": OpenAI's, plus `thinking` with a budget.
    "litellm": Rules(
        keeps=EVERYWHERE | PENALTIES | LOGPROBS | {"seed", "tool_choice", "parallel_tool_calls"},
        efforts=_clamped("none", "minimal", "low", "medium", "high"),
        budget=True,
        names=True,
        strict_tools=True,
    ),
    # An unknown server: what nearly all take. Reasoning can be asked for by OpenAI's word, but not switched off.
    "generic": Rules(
        keeps=EVERYWHERE | PENALTIES | {"tool_choice"},
        efforts=_clamped("low", "medium", "high"),
    ),
}  # fmt: skip
