"""Features: what a request makes use of."""

import re
from typing import Any

import pytest

from shadow.wire.features import FEATURES, LONG_CONTEXT_CHARACTERS, features_of

TOOL = {"type": "function", "function": {"name": "f"}}


FIELDS = re.findall(
    r"\w+",
    "model messages system input prompt tools tool_choice response_format text reasoning thinking provider plugins"
    " models modalities n logprobs include functions instructions store service_tier web_search_options transforms",
)


def part(kind: str, **more: Any) -> dict[str, Any]:
    """A request with one message with one part."""
    return {"messages": [{"role": "user", "content": [{"type": kind, **more}]}]}


USES: list[tuple[dict[str, Any], set[str]]] = [
    ({}, set()),
    ({"model": "m", "messages": [{"role": "user", "content": "Hi"}]}, set()),
    ({"stream": True}, {"stream"}),
    ({"stream": False}, set()),
    # tools
    ({"tools": [TOOL]}, {"tools"}),
    ({"tools": [{"function": {"name": "f"}}]}, {"tools"}),
    ({"tools": [{"name": "f", "input_schema": {}}]}, {"tools"}),
    ({"functions": [{"name": "f"}]}, {"tools"}),
    ({"tools": []}, set()),
    ({"tools": [TOOL], "parallel_tool_calls": True}, {"tools", "parallel_tools"}),
    ({"parallel_tool_calls": True}, set()),
    ({"tools": [{"type": "openrouter:web_search"}]}, {"server_tools"}),
    ({"tools": [TOOL, {"type": "web_search_preview"}]}, {"tools", "server_tools"}),
    ({"tools": [{"type": "mcp", "server_url": "https://x"}]}, {"server_tools"}),
    ({"web_search_options": {}}, {"server_tools"}),
    ({"model": "v/m:online"}, {"server_tools", "variants"}),
    ({"plugins": [{"id": "web"}]}, {"plugins", "server_tools"}),
    ({"plugins": [{"id": "context-compression"}]}, {"plugins"}),
    # format
    ({"response_format": {"type": "text"}}, set()),
    ({"response_format": {"type": "json_object"}}, {"json_object"}),
    ({"response_format": {"type": "json_schema", "json_schema": {}}}, {"json_schema"}),
    ({"text": {"format": {"type": "json_schema"}}}, {"json_schema"}),
    ({"response_format": {"type": "grammar", "grammar": "…"}}, {"grammar"}),
    # parts
    (part("text", text="Hi"), set()),
    (part("image_url", image_url={"url": "data:"}), {"images"}),
    (part("image", source={}), {"images"}),
    (part("input_audio"), {"audio"}),
    (part("video_url"), {"video"}),
    (part("file"), {"files"}),
    (part("document"), {"files"}),
    ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, {"images"}),
    ({"modalities": ["text"]}, set()),
    ({"modalities": ["text", "audio"]}, {"media_output"}),
    # reasoning
    ({"reasoning": {"effort": "high"}}, {"reasoning"}),
    ({"reasoning": {"max_tokens": 100}}, {"reasoning"}),
    ({"reasoning": {"enabled": True}}, {"reasoning"}),
    ({"reasoning": {"enabled": False}}, set()),
    ({"reasoning": {"effort": "none"}}, set()),
    ({"reasoning_effort": "low"}, {"reasoning"}),
    ({"reasoning_effort": "none"}, set()),
    ({"thinking": {"type": "enabled", "budget_tokens": 10}}, {"reasoning"}),
    ({"thinking": {"type": "disabled"}}, set()),
    ({"include_reasoning": True}, {"reasoning"}),
    # sampling
    ({"logprobs": True}, {"logprobs"}),
    ({"logprobs": 5}, {"logprobs"}),
    ({"include": ["message.output_text.logprobs"]}, {"logprobs"}),
    ({"logit_bias": {"50256": -100}}, {"logit_bias"}),
    ({"n": 1}, set()),
    ({"n": 2}, {"multiple_choices"}),
    ({"prediction": {"type": "content", "content": "x"}}, {"prediction"}),
    ({"service_tier": "flex"}, {"service_tier"}),
    ({"service_tier": "auto"}, set()),
    # caching
    ({"cache_control": {"type": "ephemeral"}}, {"cache_control"}),
    (part("text", text="Hi", cache_control={"type": "ephemeral"}), {"cache_control"}),
    ({"system": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]}, {"cache_control"}),
    ({"tools": [{**TOOL, "cache_control": {"type": "ephemeral"}}]}, {"tools", "cache_control"}),
    # routing
    ({"models": ["a/b", "c/d"]}, {"fallbacks"}),
    ({"models": []}, set()),
    ({"models": ["a/b", "c/d:online"]}, {"fallbacks", "variants", "server_tools"}),
    ({"model": "openrouter/auto"}, {"router"}),
    ({"model": "~vendor/model-latest"}, {"router"}),
    ({"model": "vendor/model:nitro"}, {"variants"}),
    ({"model": "llama3:8b"}, set()),
    ({"provider": {"order": ["x"]}}, {"provider_routing"}),
    ({"provider": {}}, set()),
    ({"provider": {"zdr": True}}, {"zdr"}),
    ({"provider": {"zdr": False, "data_collection": "allow"}}, set()),
    ({"provider": {"data_collection": "deny", "sort": "price"}}, {"no_data_collection", "provider_routing"}),
    ({"provider": {"enforce_distillable_text": True}}, {"no_distillation"}),
    ({"transforms": ["middle-out"]}, {"transforms"}),
    ({"preset": "x"}, {"presets"}),
    ({"model": "@preset/x"}, {"presets"}),
    ({"model": "vendor/model@preset/x"}, {"presets"}),
    # state
    ({"store": True}, {"stateful"}),
    ({"store": False}, set()),
    ({"previous_response_id": "resp_1"}, {"stateful"}),
    ({"background": True}, {"stateful"}),
]


@pytest.mark.parametrize(("body", "features"), USES, ids=[str(body)[:60] for body, _ in USES])
def test_a_feature_is_named_where_it_is_used(body: dict[str, Any], features: set[str]) -> None:
    """The field that asks for a feature names it; asking for none of it does not."""
    assert features_of(body, "chat") == features


def test_every_feature_has_a_case() -> None:
    """The closed set holds nothing that no request can have. Provider keys come in a header, which is no part of it."""
    shown = set().union(*(features for _, features in USES))
    assert shown | {"long_context", "provider_keys"} == FEATURES


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "user", "content": "x" * LONG_CONTEXT_CHARACTERS}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x" * 100_000}]}] * 4},
        {"prompt": "x" * LONG_CONTEXT_CHARACTERS},
        {"input": ["x" * LONG_CONTEXT_CHARACTERS]},
        {"instructions": "x" * LONG_CONTEXT_CHARACTERS, "input": "Hi"},
        {"system": [{"type": "text", "text": "x" * LONG_CONTEXT_CHARACTERS}]},
    ],
)
def test_a_long_prompt_is_a_feature(body: dict[str, Any]) -> None:
    """All text of a prompt counts, wherever the endpoint keeps it."""
    assert features_of(body, "chat") == {"long_context"}


def test_an_image_in_base64_is_not_a_long_prompt() -> None:
    """Bytes of a picture are not text."""
    url = {"url": "data:image/png;base64," + "A" * LONG_CONTEXT_CHARACTERS}
    assert features_of(part("image_url", image_url=url), "chat") == {"images"}


@pytest.mark.parametrize("value", [None, 0, 1, 1.5, True, "x", [], [None], ["x", 1, {}], {}, {"type": []}])
def test_odd_values_are_not_an_error(value: object) -> None:
    """Whatever stands in a field, features are read without complaint and from the closed set."""
    for field in FIELDS:
        assert features_of({field: value}, "chat") <= FEATURES


def test_texts_to_embed_are_not_one_prompt() -> None:
    """A thousand short texts are no long context; one long text is."""
    assert features_of({"input": ["x" * 1000] * 1000}, "embeddings") == frozenset()
    assert features_of({"input": ["x" * LONG_CONTEXT_CHARACTERS]}, "embeddings") == {"long_context"}
