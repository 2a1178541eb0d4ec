"""A request to OpenRouter, rewritten for a candidate: what is kept, mapped, dropped or refused, and a note of it.

Pure: the body as parsed in, the body to send and a `Rewrite` out, or the reason why the dialect cannot say it. What
each dialect takes is in `shadow.mirror.dialects`; what no replay may carry was refused by `shadow.mirror.eligibility`.
Fields and their meaning: OpenRouter's API reference (parameters, provider routing, reasoning tokens, prompt caching).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from shadow.config import Dialect
from shadow.exchange import Rewrite
from shadow.mirror.dialects import RULES, Fragment, Rules
from shadow.mirror.messages import refused_picture, rewrite_messages, rewrite_tools
from shadow.mirror.models import Mapped, leaves_to_router
from shadow.mirror.notes import Notes
from shadow.mirror.reasons import Ineligible
from shadow.wire.request import InferenceRequest

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
    "stop": "stop",
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


def rewrite(body: Mapping[str, Any], model: Mapped, dialect: Dialect, *, stream_options: bool = True) -> Rewritten:
    """The request for a candidate, where `refusal` has nothing against it.

    `stream_options` is False for an endpoint that was seen to refuse that field.
    """
    return _Draft(body, model, RULES[dialect], stream_options).write()


def refusal(request: InferenceRequest, dialect: Dialect) -> Ineligible | None:
    """Why the dialect cannot say the request. Known without writing it: most are drawn for nobody and never written."""
    body, rules = request.body, RULES[dialect]
    if _REFUSABLE.isdisjoint(body) and "images" not in request.features:
        return None  # as with most
    for name, value in body.items():
        if value is not None and name in _REFUSALS and (reason := _REFUSALS[name](body, rules)) is not None:
            return reason
    return None


def _refused_messages(body: Mapping[str, Any], rules: Rules) -> Ineligible | None:
    return refused_picture(body["messages"], rules)


def _refused_reasoning(body: Mapping[str, Any], rules: Rules) -> Ineligible | None:
    return Ineligible.REASONING if _control(body, rules) is None else None


def _refused_format(body: Mapping[str, Any], rules: Rules) -> Ineligible | None:
    chosen = body["response_format"]
    kind = chosen.get("type") if isinstance(chosen, dict) else None
    if kind == "text" or (kind in ("json_object", "json_schema") and (rules.ignores_format or kind in rules.formats)):
        return None
    return Ineligible.RESPONSE_FORMAT


_REFUSALS: Final[Mapping[str, Callable[[Mapping[str, Any], Rules], Ineligible | None]]] = {
    "messages": _refused_messages,
    "reasoning": _refused_reasoning,
    "reasoning_effort": _refused_reasoning,
    "response_format": _refused_format,
}
_REFUSABLE: Final = _REFUSALS.keys() - {"messages"}  # of which only pictures are refused, and a feature tells of them


@dataclass(slots=True)
class _Draft:
    """One request on its way: `out` is what will be sent."""

    body: Mapping[str, Any]
    model: Mapped
    rules: Rules
    stream_options: bool
    notes: Notes = field(default_factory=Notes)
    out: dict[str, Any] = field(default_factory=dict)

    def write(self) -> Rewritten:
        self._model()
        special: Mapping[str, Callable[[], None]] = {
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
            if name in special:
                special[name]()
            else:
                self._ordinary(name, value)
        return Rewritten(self.out, self.notes.rewrite(), self.body.get("stream") is True)

    def _done(self) -> None:
        return None

    def _model(self) -> None:
        self.out["model"] = self.model.model
        self.notes.map(f"model: {self.model.source} → {self.model.model}")
        for variant in self.model.variants:
            self.notes.tag(f"variant-{variant}")
        if leaves_to_router(self.body):
            self.notes.tag("routed")

    def _messages(self) -> None:
        self.out["messages"] = rewrite_messages(self.body["messages"], self.rules, self.notes)

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
        self.notes.drop("service_tier", None if str(tier) in ORDINARY_TIERS else "tier-mismatch")

    def _response_format(self) -> None:
        chosen = self.body["response_format"]
        if chosen["type"] == "text":
            self.notes.drop("response_format")  # the default everywhere
        elif self.rules.ignores_format:
            self.notes.drop("response_format", "response-format")
        else:
            self.out["response_format"] = chosen

    def _plugins(self) -> None:
        self.notes.drop("plugins")
        for plugin in self.body["plugins"]:
            if isinstance(plugin, dict) and plugin.get("enabled") is not False:
                self.notes.tag(PLUGIN_TAGS.get(str(plugin.get("id"))))

    def _ordinary(self, name: str, value: Any) -> None:
        renamed = (self.rules.renames or {}).get(name)
        if renamed is not None:
            self.out[renamed] = value
            self.notes.map(f"{name} → {renamed}")
        elif self.rules.takes(name, self.model.model) and self._sensible(name, value):
            self.out[name] = value
        else:
            self.notes.drop(name, DROPPED_TAGS.get(name))

    def _sensible(self, name: str, value: Any) -> bool:
        if name in TOOL_FIELDS:
            return bool(self.body.get("tools"))  # refused without tools; the router leaves them out
        return name != "verbosity" or str(value) in VERBOSITIES

    def _reasoning(self) -> None:
        """The router's one control as the dialect's own. Written alike, whichever of its two fields comes first."""
        effort, _ = _asked(self.body)
        fragment = _control(self.body, self.rules)
        if not fragment:
            self._drop_reasoning()  # it is off without being told, or was only told whether to show the reasoning
        elif fragment != {"reasoning_effort": self.body.get("reasoning_effort")}:
            self.notes.map(f"reasoning: {effort or 'max_tokens'} → {orjson.dumps(fragment).decode()}")
        if effort not in (None, "none") and fragment != {"reasoning_effort": effort}:
            self.notes.tag("reasoning-effort")
        self.out.update(fragment or {})

    def _drop_reasoning(self) -> None:
        for name in ("reasoning", "reasoning_effort"):
            if self.body.get(name) is not None:
                self.notes.drop(name)


def _control(body: Mapping[str, Any], rules: Rules) -> Fragment | None:
    """What sets the reasoning that the request asks for, empty where nothing need be set; None: it cannot be said."""
    effort, budget = _asked(body)
    if effort is None and budget is None:
        return {}
    return _budgeted(body, rules, effort, budget) if rules.budget else _weighed(rules, effort)


def _weighed(rules: Rules, effort: str | None) -> Fragment | None:
    """What sets an effort; None where the dialect cannot say it, as none here can say a budget."""
    return None if effort is None else (rules.efforts or {}).get(effort)


def _budgeted(body: Mapping[str, Any], rules: Rules, effort: str | None, budget: int | None) -> Fragment | None:
    """What sets a budget: the one that was asked for, else the effort's own word, else its share of the answer."""
    if effort == "none" and rules.efforts is None:
        return {}  # there is no reasoning unless it is asked for
    if budget is not None and effort != "none":
        return _thinking(budget)
    if rules.efforts is not None:
        return _weighed(rules, effort)
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    share = BUDGET_SHARES.get(effort or "")
    if share is None or not isinstance(limit, int) or limit <= LEAST_BUDGET:
        return None
    return _thinking(limit * share // 100)


def _asked(body: Mapping[str, Any]) -> tuple[str | None, int | None]:
    """The effort and the budget that the request asks for, by OpenRouter's reading of its fields."""
    given = body.get("reasoning")
    control = given if isinstance(given, dict) else {}
    budget = control.get("max_tokens")
    budget = budget if isinstance(budget, int) else None
    if control.get("enabled") is False:
        return "none", None
    effort = control.get("effort") or body.get("reasoning_effort") or None
    if effort is None and budget is None and control.get("enabled") is True:
        return "medium", None
    return (None if effort is None else str(effort)), budget


def _thinking(budget: int) -> Fragment:
    """Anthropic's control, within its own bounds and OpenRouter's."""
    return {"thinking": {"type": "enabled", "budget_tokens": max(min(budget, MOST_BUDGET), LEAST_BUDGET)}}
