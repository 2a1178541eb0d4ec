"""A request to OpenRouter, rewritten for a candidate: what is kept, mapped, dropped or refused, and a note of it.

Pure: the body as parsed in, the body to send and a `Rewrite` out, or the reason why the dialect cannot say it. What
each dialect takes is in `shadow.mirror.dialects`; what no replay may carry was refused by `shadow.mirror.eligibility`.
Fields and their meaning: OpenRouter's API reference (parameters, provider routing, reasoning tokens, prompt caching).
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from shadow.config import Dialect
from shadow.exchange import Rewrite
from shadow.mirror.dialects import EFFORTS, RULES, Rules
from shadow.mirror.messages import rewrite_messages, rewrite_tools
from shadow.mirror.models import Mapped, resolved_at_run_time
from shadow.mirror.notes import Notes
from shadow.mirror.reasons import Ineligible

# Tags of what a dropped field did to the answer or its price; fields that are not here only told who or where.
DROPPED_TAGS: Final[Mapping[str, str]] = {
    "top_k": "samplers",
    "top_a": "samplers",
    "min_p": "samplers",
    "repetition_penalty": "samplers",
    "frequency_penalty": "samplers",
    "presence_penalty": "samplers",
    "temperature": "samplers",
    "top_p": "samplers",
    "logit_bias": "samplers",
    "seed": "seed",
    "tool_choice": "tool-choice",
    "parallel_tool_calls": "tool-choice",
    "verbosity": "verbosity",
    "transforms": "context-compression",
    "cache_control": "prompt-cache",
    "prompt_cache_key": "prompt-cache",
    "prompt_cache_options": "prompt-cache",
}
PLUGIN_TAGS: Final[Mapping[str, str]] = {
    "response-healing": "response-healing",
    "context-compression": "context-compression",
    "moderation": "checks",
    "alignment": "checks",
    "armor": "checks",
}
ORDINARY_TIERS: Final = frozenset({"auto", "default"})
VERBOSITIES: Final = frozenset({"low", "medium", "high"})
TOOL_FIELDS: Final = ("tools", "tool_choice", "parallel_tool_calls")

# OpenAI's reasoning models refuse these outright, where the router silently leaves them out.
GPT_REASONING: Final = re.compile(r"(?:o\d|gpt-5(?!-chat))")
GPT_REASONING_REFUSES: Final = frozenset(
    {"temperature", "top_p", "frequency_penalty", "presence_penalty", "logprobs", "top_logprobs", "stop"}
)
LEAST_BUDGET: Final = 1024  # Anthropic's minimum for extended thinking
MOST_BUDGET: Final = 128_000
BUDGET_SHARES: Final = {
    "minimal": 10,
    "low": 20,
    "medium": 50,
    "high": 80,
    "xhigh": 95,
    "max": 95,
}  # OpenRouter's, in %


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The body to send and what was done to make it."""

    body: Mapping[str, Any]
    rewrite: Rewrite
    stream: bool

    def encode(self) -> bytes:
        """The body as JSON bytes. Raises ValueError where it cannot be written."""
        try:
            return orjson.dumps(self.body)
        except TypeError:  # integers beyond 64 bits, or half of a surrogate pair: rare, and JSON all the same
            return json.dumps(self.body, ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode()


def rewrite(
    body: Mapping[str, Any], model: Mapped, dialect: Dialect, *, stream_options: bool = True
) -> Rewritten | Ineligible:
    """The request for a candidate, or why its dialect cannot say it.

    `stream_options` is False for an endpoint that was seen to refuse that field.
    """
    draft = _Draft(body, model, RULES[dialect], dialect in ("openai", "azure"), stream_options)
    return draft.write()


@dataclass(slots=True)
class _Draft:
    """One request on its way: `out` is what will be sent."""

    body: Mapping[str, Any]
    model: Mapped
    rules: Rules
    gpt: bool
    stream_options: bool
    notes: Notes = field(default_factory=Notes)
    out: dict[str, Any] = field(default_factory=dict)

    def write(self) -> Rewritten | Ineligible:
        self._model()
        special: Mapping[str, Callable[[], Ineligible | None]] = {
            "messages": self._messages,
            "tools": self._tools,
            "max_tokens": self._limit,
            "max_completion_tokens": self._limit,
            "reasoning": self._reasoning,
            "reasoning_effort": self._reasoning,
            "response_format": self._response_format,
            "service_tier": self._service_tier,
            "plugins": self._plugins,
            "stream": self._stream,
            "model": self._done,
            "stream_options": self._done,  # set anew with `stream`
        }
        for name, value in self.body.items():
            if value is None:
                continue  # JSON's way to leave a field out; strict endpoints take it for a value
            refused = special[name]() if name in special else self._ordinary(name, value)
            if refused is not None:
                return refused
        return Rewritten(self.out, self.notes.rewrite(), self.body.get("stream") is True)

    def _done(self) -> None:
        return None

    def _model(self) -> None:
        self.out["model"] = self.model.model
        self.notes.map(f"model: {self.model.source} → {self.model.model}")
        for variant in self.model.variants:
            self.notes.tag(f"variant-{variant}")
        if resolved_at_run_time(self.body):
            self.notes.tag("routed")

    def _messages(self) -> Ineligible | None:
        messages = rewrite_messages(self.body["messages"], self.rules, self.notes)
        if isinstance(messages, Ineligible):
            return messages
        self.out["messages"] = messages
        return None

    def _tools(self) -> None:
        if self.body["tools"]:  # an empty list is refused by some, and means the same as none
            self.out["tools"] = rewrite_tools(self.body["tools"], self.rules, self.notes)

    def _limit(self) -> None:
        newer, older = self.body.get("max_completion_tokens"), self.body.get("max_tokens")
        if self.rules.limit in self.out:
            return
        used = "max_tokens" if newer is None else "max_completion_tokens"
        self.out[self.rules.limit] = older if newer is None else newer
        if used != self.rules.limit:
            self.notes.map(f"{used} → {self.rules.limit}")
        if newer is not None and older is not None:
            self.notes.drop("max_tokens")

    def _stream(self) -> None:
        self.out["stream"] = self.body["stream"]
        if self.body["stream"] is True and self.rules.asks_usage and self.stream_options:
            self.out["stream_options"] = {"include_usage": True}
            if self.body.get("stream_options") != self.out["stream_options"]:
                self.notes.map("stream_options → include_usage")
        elif self.body.get("stream_options") is not None:
            self.notes.drop("stream_options")

    def _service_tier(self) -> None:
        tier = self.body["service_tier"]
        tiers = self.rules.tiers or {}
        if isinstance(tier, str) and tier in tiers:
            self.out["service_tier"] = tiers[tier]
            if tiers[tier] != tier:
                self.notes.map(f"service_tier: {tier} → {tiers[tier]}")
            return
        self.notes.drop("service_tier", None if tier in ORDINARY_TIERS else "tier-mismatch")

    def _response_format(self) -> Ineligible | None:
        chosen = self.body["response_format"]
        kind = chosen.get("type") if isinstance(chosen, dict) else None
        if kind == "text":
            self.notes.drop("response_format")  # the default everywhere
        elif kind not in ("json_object", "json_schema"):
            return Ineligible.RESPONSE_FORMAT
        elif self.rules.ignores_format:
            self.notes.drop("response_format", "response-format")
        elif kind not in self.rules.formats:
            return Ineligible.RESPONSE_FORMAT
        else:
            self.out["response_format"] = chosen
        return None

    def _plugins(self) -> None:
        self.notes.drop("plugins")
        for plugin in self.body["plugins"]:
            if isinstance(plugin, dict) and plugin.get("enabled") is not False:
                self.notes.tag(PLUGIN_TAGS.get(str(plugin.get("id"))))

    def _ordinary(self, name: str, value: Any) -> Ineligible | None:
        renamed = (self.rules.renames or {}).get(name)
        if renamed is not None:
            self.out[renamed] = value
            self.notes.map(f"{name} → {renamed}")
        elif name in self.rules.keeps and not self._refused_by_model(name) and self._sensible(name, value):
            self.out[name] = value
        else:
            self.notes.drop(name, DROPPED_TAGS.get(name))
        return None

    def _refused_by_model(self, name: str) -> bool:
        return self.gpt and name in GPT_REASONING_REFUSES and GPT_REASONING.match(self.model.model) is not None

    def _sensible(self, name: str, value: Any) -> bool:
        if name in TOOL_FIELDS:
            return bool(self.body.get("tools"))  # refused without tools; the router leaves them out
        return name != "verbosity" or value in VERBOSITIES

    def _reasoning(self) -> Ineligible | None:
        """The router's one control as the dialect's own. Decided once, whichever of its two fields comes first."""
        asked = self.body.get("reasoning")
        control = dict(asked) if isinstance(asked, dict) else {}
        shorthand = self.body.get("reasoning_effort")
        effort = control.get("effort") or shorthand
        if control.get("enabled") is False:
            effort = "none"
        elif effort is None and control.get("enabled") is True and control.get("max_tokens") is None:
            effort = "medium"  # what OpenRouter takes it for
        fragment = self._fragment(effort, control.get("max_tokens"))
        if isinstance(fragment, Ineligible):
            return fragment
        self.out.update(fragment)
        for name in ("reasoning", "reasoning_effort"):
            if self.body.get(name) is not None and not fragment:
                self.notes.drop(name)
        if fragment and fragment != {"reasoning_effort": shorthand}:
            self.notes.map(f"reasoning: {effort or 'budget'} → {_short(fragment)}")
            if fragment != {"reasoning_effort": effort} and effort != "none":
                self.notes.tag("reasoning-effort")
        return None

    def _fragment(self, effort: Any, budget: Any) -> Mapping[str, Any] | Ineligible:
        if effort == "none" and self.rules.effort_as_budget:
            return {}  # reasoning is off unless asked for
        if isinstance(budget, int) and self.rules.budget and effort != "none":
            return _thinking(budget)
        if effort is None:
            return {} if budget is None else Ineligible.REASONING
        if self.rules.effort_as_budget:
            return self._share(effort)
        return (
            (self.rules.efforts or {}).get(effort, Ineligible.REASONING) if effort in EFFORTS else Ineligible.REASONING
        )

    def _share(self, effort: Any) -> Mapping[str, Any] | Ineligible:
        """Effort as a share of the answer's length, as OpenRouter does for the same models."""
        limit = self.body.get("max_completion_tokens") or self.body.get("max_tokens")
        share = BUDGET_SHARES.get(effort)
        if share is None or not isinstance(limit, int) or limit <= LEAST_BUDGET:
            return Ineligible.REASONING
        return _thinking(max(min(limit * share // 100, MOST_BUDGET), LEAST_BUDGET))


def _thinking(budget: int) -> Mapping[str, Any]:
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}


def _short(fragment: Mapping[str, Any]) -> str:
    return orjson.dumps(fragment).decode()
