"""What a request makes use of, as a closed set of words.

This is the evidence for what a candidate would have to support, and what decides whether a request may be replayed.
Field names are those of OpenRouter's, OpenAI's and Anthropic's API references.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from shadow.wire.documents import mapping, sequence, text

FEATURES: Final = frozenset(
    {
        "stream",
        "tools",
        "parallel_tools",
        "server_tools",  # run on the provider's side: search, fetch, code; they cost extra and may act
        "json_object",
        "json_schema",
        "grammar",
        "images",
        "audio",
        "video",
        "files",
        "media_output",  # answers other than text
        "reasoning",
        "logprobs",
        "logit_bias",
        "multiple_choices",  # n > 1
        "prediction",
        "cache_control",
        "fallbacks",  # a list of models to try
        "router",  # the model is chosen at run time
        "variants",  # `:free`, `:nitro`, …
        "provider_routing",
        "zdr",  # asked for: no retention of data
        "no_data_collection",  # asked for: no use of data for training
        "no_distillation",  # asked for: only models whose output may train others
        "plugins",
        "presets",  # part of the prompt is kept at OpenRouter
        "transforms",  # the prompt may be shortened on the way
        "service_tier",
        "provider_keys",  # sent along in a header: the caller's own keys of providers
        "stateful",  # kept at the provider, or continuing what is kept there
        "long_context",
    }
)

# About 100,000 tokens of English. From 128,000 on models begin to refuse, and at 200,000 price lists have a step.
LONG_CONTEXT_CHARACTERS: Final = 400_000

_Body = Mapping[str, Any]
_Reader = Callable[[_Body], Iterable[str]]

# The `type` of a part of a message, at any endpoint.
_PARTS: Final = {
    "image_url": "images",
    "input_image": "images",
    "image": "images",
    "input_audio": "audio",
    "audio": "audio",
    "video_url": "video",
    "input_video": "video",
    "file": "files",
    "input_file": "files",
    "document": "files",
}
_OF_A_PART: Final = frozenset({"type", "text", "cache_control"})
_PROMPTS: Final = ("system", "instructions", "messages", "input", "prompt")  # where endpoints keep theirs
_FUNCTION_TOOLS: Final = (None, "function", "custom")  # Anthropic's own tools have no type
_SERVER_PLUGINS: Final = ("web", "web-fetch", "file-parser", "fusion")
_ROUTERS: Final = ("openrouter/", "~")


def features_of(body: Mapping[str, Any], endpoint: str) -> frozenset[str]:
    """The features that a request's body makes use of: a subset of FEATURES. Never raises on odd values."""
    found: set[str] = set()
    for field in _READERS.keys() & body.keys():
        found.update(_READERS[field](body))
    lengths = _read_prompts(body, found)
    # Texts to embed are taken one by one; everything else is one prompt.
    if (max if endpoint == "embeddings" else sum)(lengths) >= LONG_CONTEXT_CHARACTERS:
        found.add("long_context")
    return frozenset(found)


def _parallel(body: _Body) -> bool:
    return body.get("parallel_tool_calls") is True and bool(body.get("tools"))


def _reasoning(body: _Body) -> bool:
    """Asked to think: at OpenRouter, OpenAI, and Anthropic or Z.ai. To ask for none of it is no use."""
    asked = mapping(body.get("reasoning"))
    effort = body.get("reasoning_effort") or asked.get("effort")
    if effort == "none" or asked.get("enabled") is False:
        return False
    thinking = mapping(body.get("thinking")).get("type")
    return bool(effort or asked or body.get("include_reasoning") or thinking not in (None, "disabled"))


def _several(body: _Body) -> bool:
    count = body.get("n")
    return isinstance(count, int) and count > 1


def _logprobs(body: _Body) -> bool:
    included = sequence(body.get("include"))  # at `/responses`
    return bool(body.get("logprobs") or body.get("top_logprobs") or "message.output_text.logprobs" in included)


def _stateful(body: _Body) -> bool:
    return bool(
        body.get("store") is True
        or body.get("background") is True
        or body.get("previous_response_id")
        or body.get("conversation")
    )


def _media(body: _Body) -> bool:
    return any(kind != "text" for kind in sequence(body.get("modalities")))


def _of_models(body: _Body) -> set[str]:
    """A list to try, and what names ask for. Elsewhere than at OpenRouter a colon is part of the name."""
    found = {"fallbacks"} if body.get("models") else set()
    for name in map(text, (body.get("model"), *sequence(body.get("models")))):
        if "@preset/" in name:
            found.add("presets")
        if name.startswith(_ROUTERS):
            found.add("router")
        if ":" in name.partition("/")[2]:
            found.add("variants")
            if name.endswith(":online"):
                found.add("server_tools")
    return found


def _of_tools(body: _Body) -> Iterator[str]:
    tools = [mapping(tool) for tool in sequence(body.get("tools"))]
    if body.get("functions") or any(tool.get("type") in _FUNCTION_TOOLS for tool in tools):
        yield "tools"
    if body.get("web_search_options") is not None or any(tool.get("type") not in _FUNCTION_TOOLS for tool in tools):
        yield "server_tools"
    if any(tool.get("cache_control") for tool in tools):
        yield "cache_control"


def _of_format(body: _Body) -> Iterator[str]:
    """`response_format`, and what `/responses` calls `text.format`."""
    for holder, key in ((body, "response_format"), (mapping(body.get("text")), "format")):
        kind = mapping(holder.get(key)).get("type")
        if kind in ("json_object", "json_schema"):
            yield kind
        elif kind not in (None, "text"):
            yield "grammar"


def _of_provider(body: _Body) -> Iterator[str]:
    """OpenRouter's routing object: demands of privacy, and whatever else it holds."""
    provider = mapping(body.get("provider"))
    if provider.get("zdr"):
        yield "zdr"
    if provider.get("data_collection") == "deny":
        yield "no_data_collection"
    if provider.get("enforce_distillable_text"):
        yield "no_distillation"
    if provider.keys() - {"zdr", "data_collection", "enforce_distillable_text"}:
        yield "provider_routing"


def _of_plugins(body: _Body) -> Iterator[str]:
    for plugin in map(mapping, sequence(body.get("plugins"))):
        yield "plugins"
        if plugin.get("id") in _SERVER_PLUGINS:
            yield "server_tools"


def _read_prompts(body: _Body, found: set[str]) -> list[int]:
    """What the parts of every message are, wherever the endpoint keeps its prompt; returns how long its texts are."""
    lengths = [0]
    for prompt in [body[key] for key in _PROMPTS if key in body]:
        for message in (prompt,) if isinstance(prompt, str) else sequence(prompt):
            if isinstance(message, str):
                lengths.append(len(message))
            elif isinstance(message, dict):
                content = message.get("content")
                if isinstance(content, str):
                    lengths.append(len(content))
                elif isinstance(content, list):
                    lengths += [len(part) if isinstance(part, str) else _read_part(part, found) for part in content]
                lengths.append(_read_part(message, found))  # an item of `input`, or a block of `system`, is a part
    return lengths


def _read_part(part: object, found: set[str]) -> int:
    """What one part of the prompt is; returns how long its text is. Most messages are none."""
    if not isinstance(part, dict) or _OF_A_PART.isdisjoint(part):
        return 0
    if part.get("cache_control"):
        found.add("cache_control")
    kind = _PARTS.get(text(part.get("type")))
    if kind:
        found.add(kind)
    return len(text(part.get("text")))  # base64 is no text


def _if(feature: str, used: Callable[[_Body], object]) -> _Reader:
    """A reader of one feature."""
    return lambda body: (feature,) if used(body) else ()


def _by_field(*readers: tuple[_Reader, tuple[str, ...]]) -> dict[str, _Reader]:
    return {field: reader for reader, fields in readers for field in fields}


# By the field without which there is nothing to look for: most requests have five of them.
_READERS: Final = _by_field(
    (_if("stream", lambda body: body["stream"] is True), ("stream",)),
    (_if("parallel_tools", _parallel), ("parallel_tool_calls",)),
    (_if("media_output", _media), ("modalities",)),
    (_if("reasoning", _reasoning), ("reasoning", "reasoning_effort", "include_reasoning", "thinking")),
    (_if("logprobs", _logprobs), ("logprobs", "top_logprobs", "include")),
    (_if("logit_bias", lambda body: body["logit_bias"]), ("logit_bias",)),
    (_if("multiple_choices", _several), ("n",)),
    (_if("prediction", lambda body: body["prediction"]), ("prediction",)),
    (_if("cache_control", lambda body: body["cache_control"]), ("cache_control",)),
    (_if("presets", lambda body: body["preset"]), ("preset",)),
    (_if("transforms", lambda body: body["transforms"]), ("transforms",)),
    (_if("service_tier", lambda body: body["service_tier"] not in (None, "auto", "default")), ("service_tier",)),
    (_if("stateful", _stateful), ("store", "background", "previous_response_id", "conversation")),
    (_of_models, ("model", "models")),
    (_of_tools, ("tools", "functions", "web_search_options")),
    (_of_format, ("response_format", "text")),
    (_of_provider, ("provider",)),
    (_of_plugins, ("plugins",)),
)
