"""Whether a request may be replayed at all: pure functions from what was asked to a reason against it, or None.

What a replay cannot reproduce is not replayed: what runs at the router (server tools, plugins, presets, file parsing),
what only one model can read (encrypted reasoning), what is not an answer in text. Sources: OpenRouter's pages on
server tools, plugins, presets, model variants, provider selection, reasoning tokens and multimodal input. The
rewriting of the remaining fields is `shadow.mirror.rewrite`'s.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, get_args

from shadow.config import Candidate, Promise
from shadow.exchange import Exchange, Observation, Outcome, header
from shadow.mirror.models import REMEMBERED, left_to_router, variants
from shadow.mirror.reasons import Ineligible
from shadow.wire.observe import READER_FAILED, RESPONSE_CACHE_HIT
from shadow.wire.request import Endpoint, InferenceRequest

REPLAY_HEADER: Final = "x-shadow-replay"

# Plugins that only repair, shorten, check or route: `shadow.mirror.rewrite` drops these. Any other changes the answer.
HARMLESS_PLUGINS: Final = frozenset(
    {
        "response-healing", "context-compression", "moderation", "alignment", "armor",
        "auto-router", "auto-beta-router", "pareto-router", "jev-router", "switchyard-router",
    }
)  # fmt: skip
MANY_MODELS: Final = frozenset({"openrouter/fusion"})
FREE_ROUTERS: Final = frozenset({"openrouter/free"})
PART_REASONS: Final[Mapping[str, Ineligible]] = {
    "file": Ineligible.FILE_INPUT,
    "input_file": Ineligible.FILE_INPUT,
    "video_url": Ineligible.VIDEO_INPUT,
    "input_video": Ineligible.VIDEO_INPUT,
    "input_audio": Ineligible.AUDIO_INPUT,
}
PARTS: Final = frozenset({"text", "image_url", "refusal", *PART_REASONS})
# All that `_of_fields` looks at, besides messages. Most requests have none of them, and it has nothing to say.
FIELDS: Final = frozenset(
    {
        "functions", "function_call", "web_search_options", "n", "modalities", "audio", "image_config",
        "tools", "stop_server_tools_when", "deferred_tools", "plugins", "provider",
    }
)  # fmt: skip
DEMANDS: Final = frozenset(get_args(Promise))  # each is a feature of the same name
ROLES: Final = ("system", "developer", "user", "assistant", "tool")  # a tuple: what is looked up may be no word
# Provider slugs may carry a region after the slash, as in `google-vertex/europe` or `azure/eu-west`.
REGION: Final = re.compile(r"/(?:eu|us|uk|ca|au|in|jp|ap|asia|europe|global|me|sa|af)(?:[-.]|$)|/[a-z]+-[a-z]+\d")
BYTES_PER_TOKEN: Final = 4  # of English text and JSON, where the primary reported no count


def of_exchange(exchange: Exchange, observation: Observation) -> Ineligible | None:
    """Why no arm may replay this exchange, by what became of it; None where its request decides."""
    if header(exchange.request_headers, REPLAY_HEADER) is not None:
        return Ineligible.IS_REPLAY
    if not observation.inference:
        return Ineligible.NOT_INFERENCE
    if not (exchange.request_body.whole and exchange.response_body.whole):
        return Ineligible.NOT_WHOLE
    if exchange.outcome is not Outcome.COMPLETE:
        return Ineligible.PRIMARY_UNFINISHED
    if READER_FAILED in observation.anomalies:
        return Ineligible.UNREADABLE
    if observation.error_kind is not None or exchange.status is None or not 200 <= exchange.status < 300:
        return Ineligible.PRIMARY_ERROR
    if RESPONSE_CACHE_HIT in observation.anomalies:
        return Ineligible.CACHE_HIT
    return None


def of_request(request: InferenceRequest | None, observation: Observation) -> Ineligible | None:
    """Why no arm may replay this request; None where one may. `request` is None where it could not be read."""
    if request is None:
        return Ineligible.UNREADABLE
    if request.endpoint is not Endpoint.CHAT:
        return Ineligible.ENDPOINT
    if "stateful" in request.features:
        return Ineligible.STATEFUL
    return _of_model(request, observation) or _of_fields(request.body) or _of_messages(request.body["messages"])


def of_candidate(
    request: InferenceRequest, observation: Observation, candidate: Candidate, demanded: tuple[Promise, ...] = ()
) -> Ineligible | None:
    """Why this candidate in particular may not be sent it. `demanded` is what holds for every request."""
    demands = DEMANDS & request.features
    if (demands or demanded) and not demands.union(demanded) <= set(candidate.compliant):
        return Ineligible.PRIVACY
    if candidate.context_tokens is not None and prompt_tokens(request, observation) > candidate.context_tokens:
        return Ineligible.CONTEXT
    return None


def prompt_tokens(request: InferenceRequest, observation: Observation) -> int:
    """The prompt's length in tokens: as the primary counted it, else estimated from its bytes."""
    if observation.usage.input_tokens is not None:
        return observation.usage.input_tokens
    return sum(map(_characters, (request.body.get("messages"), request.body.get("tools")))) // BYTES_PER_TOKEN


def _characters(node: object) -> int:
    """How much text is in a JSON value. Data URLs are pictures, whose tokens their length says nothing about."""
    count, rest = 0, [node]
    while rest:  # not recursive: a client may nest deeper than Python's stack
        one = rest.pop()
        if isinstance(one, str):
            count += 0 if one.startswith("data:") else len(one)
        elif isinstance(one, dict):
            rest.extend(one.values())
            count += sum(map(len, one))
        elif isinstance(one, list):
            rest.extend(one)
    return count


def _of_model(request: InferenceRequest, observation: Observation) -> Ineligible | None:
    if "preset" in request.body:
        return Ineligible.PRESET
    fallbacks = request.body.get("models")
    if not fallbacks:
        return _of_names_remembered(request.model, observation.response_model)
    listed = [name for name in fallbacks if isinstance(name, str)] if isinstance(fallbacks, list) else []
    return _of_names(request.model, observation.response_model, listed)


def _of_names(model: str | None, answered: str | None, fallbacks: Sequence[str] | None = None) -> Ineligible | None:
    """What the model asked for, the one that answered and the fallbacks, None without a list, rule out."""
    if model is not None and "@preset/" in model:
        return Ineligible.PRESET
    names = [name for name in (model, *(fallbacks or ())) if name is not None]
    if "online" in _suffixes(names):
        return Ineligible.ONLINE_VARIANT
    if not MANY_MODELS.isdisjoint([name.partition(":")[0] for name in names]):
        return Ineligible.MULTI_MODEL
    resolved = left_to_router(model, fallbacks=fallbacks is not None)
    ran = [name for name in ((answered,) if answered and resolved else (model, answered)) if name is not None]
    if "free" in _suffixes(ran) or not FREE_ROUTERS.isdisjoint(ran):
        return Ineligible.FREE_VARIANT
    return None


# Nearly all requests name one model, of few. Lists of fallbacks are not remembered: they may be of any length.
_of_names_remembered: Final = lru_cache(maxsize=REMEMBERED)(_of_names)


def _suffixes(names: Iterable[str]) -> set[str]:
    return {suffix for name in names for suffix in variants(name)}


def _of_fields(body: Mapping[str, Any]) -> Ineligible | None:
    if "messages" not in body:
        return Ineligible.LEGACY_PROMPT if "prompt" in body else Ineligible.MESSAGE_SHAPE
    if FIELDS.isdisjoint(body):
        return None
    if body.get("functions") or body.get("function_call"):
        return Ineligible.LEGACY_FUNCTIONS
    if body.get("web_search_options") is not None:
        return Ineligible.WEB_SEARCH
    if body.get("n") not in (None, 1):
        return Ineligible.SEVERAL_CHOICES
    modalities = body.get("modalities")
    if body.get("audio") or body.get("image_config") or (modalities is not None and modalities != ["text"]):
        return Ineligible.OUTPUT_MODALITY
    return _of_tools(body) or _of_plugins(body.get("plugins")) or _of_region(body.get("provider"))


def _of_tools(body: Mapping[str, Any]) -> Ineligible | None:
    """Only functions are the client's own to run; every other type runs at the router or at one provider."""
    if body.get("stop_server_tools_when") or body.get("deferred_tools"):
        return Ineligible.SERVER_TOOLS
    tools = body.get("tools")
    if tools is None:
        return None
    functions = isinstance(tools, list) and all(
        isinstance(one, dict) and one.get("type") == "function" for one in tools
    )
    return None if functions else Ineligible.SERVER_TOOLS


def _of_plugins(plugins: object) -> Ineligible | None:
    if plugins is None:
        return None
    if not isinstance(plugins, list):
        return Ineligible.PLUGIN
    active = [one for one in plugins if not (isinstance(one, dict) and one.get("enabled") is False)]
    ids = {str(one.get("id")) if isinstance(one, dict) else "" for one in active}
    if "fusion" in ids:
        return Ineligible.MULTI_MODEL
    return None if ids <= HARMLESS_PLUGINS else Ineligible.PLUGIN


def _of_region(provider: object) -> Ineligible | None:
    only = provider.get("only") if isinstance(provider, dict) else None
    slugs = only if isinstance(only, list) else ()
    return Ineligible.REGION if any(isinstance(slug, str) and REGION.search(slug) for slug in slugs) else None


def _of_messages(messages: object) -> Ineligible | None:
    if not isinstance(messages, list) or not messages:
        return Ineligible.MESSAGE_SHAPE
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            return Ineligible.MESSAGE_SHAPE
        content = message.get("content")
        if len(message) == 2 and isinstance(content, str):  # as most of every conversation
            continue
        if (reason := _of_others(message) or _of_content(content)) is not None:
            return reason
    return None


def _of_others(message: Mapping[str, Any]) -> Ineligible | None:
    """What fields besides role and content rule out."""
    if message.get("function_call"):
        return Ineligible.LEGACY_FUNCTIONS
    if message.get("audio") or message.get("images"):
        return Ineligible.OUTPUT_MODALITY  # the conversation is about what the primary painted or said
    details = message.get("reasoning_details")
    if isinstance(details, list) and any(_encrypted(detail) for detail in details):
        return Ineligible.ENCRYPTED_REASONING
    return None


def _encrypted(detail: object) -> bool:
    return isinstance(detail, dict) and detail.get("type") == "reasoning.encrypted"


def _of_content(content: object) -> Ineligible | None:
    if content is None or isinstance(content, str):
        return None
    if not isinstance(content, list):
        return Ineligible.MESSAGE_SHAPE
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(kind, str) or kind not in PARTS:
            return Ineligible.MESSAGE_SHAPE
        if kind in PART_REASONS:
            return PART_REASONS[kind]
    return None
