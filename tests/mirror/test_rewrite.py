"""Requests as candidates get them. Expectations are written by hand from the dialects' public documentation."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.mirror.dialects import RULES
from shadow.mirror.models import Mapped
from shadow.mirror.notes import MAX_NOTES, ODD, TAGS
from shadow.mirror.reasons import Ineligible
from shadow.mirror.rewrite import Rewritten, refusal, rewrite
from shadow.wire.request import Endpoint, request_of

MODEL = Mapped("small", "openai/gpt-4o-mini")
MESSAGES = [{"role": "user", "content": "Hello"}]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
DIALECTS = (
    "openai", "azure", "anthropic", "google", "mistral", "groq", "deepseek", "together", "fireworks", "xai",
    "vllm", "sglang", "llama.cpp", "ollama", "litellm", "generic",
)  # fmt: skip

# One column a dialect, in the order above: + goes on, . is dropped, or the name it goes on under.
FIELDS = """
temperature             + + + + + + + + + + + + + + + +
top_p                   + + + + + + + + + + + + + + + +
stop                    + + + + + + + + + . + + + + + +
frequency_penalty       + + . . + + + + + . + + + + + +
presence_penalty        + + . . + + + + + . + + + + + +
seed                    + + . . random_seed + . + + + + + + + + .
top_k                   . . . . . . . + + . + + + . . .
min_p                   . . . . . . . + + . + + + . . .
repetition_penalty      . . . . . . . + + . + + repeat_penalty . . .
top_a                   . . . . . . . . . . . . . . . .
logit_bias              . . . . . . . . . . . . . . . .
logprobs                + + . . . . + . + + + + + . + .
top_logprobs            + + . . . . + . + + + + + . + .
tool_choice             + + + + + + + + + + + + + . + +
parallel_tool_calls     + + + . + + . . + + + + + . + .
prediction              + + . . . . . . . . . . . . . .
verbosity               + + . . . . . . . . . . . . . .
prompt_cache_key        + . . . . . . . . . . . . . . .
prompt_cache_options    + . . . . . . . . . . . . . . .
max_tokens              max_completion_tokens max_completion_tokens + + + max_completion_tokens + + + max_completion_tokens + + + + + +
max_completion_tokens   + + max_tokens max_tokens max_tokens + max_tokens max_tokens max_tokens + max_tokens max_tokens max_tokens max_tokens max_tokens max_tokens
user                    . . . . . . . . . . . . . . . .
metadata                . . . . . . . . . . . . . . . .
store                   . . . . . . . . . . . . . . . .
session_id              . . . . . . . . . . . . . . . .
trace                   . . . . . . . . . . . . . . . .
models                  . . . . . . . . . . . . . . . .
route                   . . . . . . . . . . . . . . . .
provider                . . . . . . . . . . . . . . . .
transforms              . . . . . . . . . . . . . . . .
plugins                 . . . . . . . . . . . . . . . .
include_reasoning       . . . . . . . . . . . . . . . .
usage                   . . . . . . . . . . . . . . . .
cache_control           . . . . . . . . . . . . . . . .
debug                   . . . . . . . . . . . . . . . .
structured_outputs      . . . . . . . . . . . . . . . .
safe_prompt             . . . . . . . . . . . . . . . .
n                       . . . . . . . . . . . . . . . .
modalities              . . . . . . . . . . . . . . . .
"""  # noqa: E501 (a table)
VALUES: dict[str, Any] = {
    "stop": ["END"],
    "logit_bias": {"1": 2},
    "logprobs": True,
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "prediction": {"type": "content", "content": "x"},
    "verbosity": "low",
    "prompt_cache_key": "k",
    "prompt_cache_options": {"ttl": 1},
    "user": "u-1",
    "metadata": {"a": "b"},
    "store": True,
    "session_id": "s",
    "trace": {"id": "t"},
    "models": ["a/b"],
    "route": "fallback",
    "provider": {"order": ["x"]},
    "transforms": ["middle-out"],
    "plugins": [{"id": "response-healing"}],
    "include_reasoning": True,
    "usage": {"include": True},
    "cache_control": {"type": "ephemeral"},
    "debug": {"echo_upstream_body": True},
    "structured_outputs": True,
    "safe_prompt": True,
    "modalities": ["text"],
}


def rewritten(dialect: str, /, model: Mapped = MODEL, **fields: Any) -> Rewritten:
    body = {"model": "openai/gpt-4o-mini", "messages": MESSAGES, **fields}
    assert refusal(request_of(Endpoint.CHAT, body), dialect) is None
    return rewrite(body, model, dialect)


def refused(dialect: str, /, **fields: Any) -> Ineligible | None:
    return refusal(request_of(Endpoint.CHAT, {"model": "openai/gpt-4o-mini", "messages": MESSAGES, **fields}), dialect)


def table() -> list[tuple[str, str, str]]:
    rows = (line.split() for line in FIELDS.strip().splitlines())
    return [(field, dialect, cell) for field, *cells in rows for dialect, cell in zip(DIALECTS, cells, strict=True)]


def test_there_are_rules_for_every_dialect():
    """The table of rules and this table of expectations speak of the same dialects."""
    assert tuple(RULES) == DIALECTS


@pytest.mark.parametrize(("field", "dialect", "cell"), table())
def test_each_field_does_what_the_table_says(field, dialect, cell):
    """A field goes on, goes on under another name, or is dropped and named among the dropped."""
    value = VALUES.get(field, 1)
    made = rewritten(dialect, tools=TOOLS, **{field: value})
    rest = {name: one for name, one in made.body.items() if name not in ("model", "messages", "tools")}
    if cell == ".":
        assert (rest, made.rewrite.dropped) == ({}, (field,))
    else:
        assert (rest, made.rewrite.dropped) == ({field if cell == "+" else cell: value}, ())


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_plain_request_keeps_all_but_its_model(dialect):
    """What every endpoint takes goes on untouched under the candidate's model name."""
    made = rewritten(dialect, stream=False, tools=TOOLS)
    assert made.body == {"model": "small", "messages": MESSAGES, "stream": False, "tools": TOOLS}
    assert made.rewrite.mapped == ("model: openai/gpt-4o-mini → small",)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream_asks_for_usage_where_it_must(dialect):
    """Endpoints that report usage unasked, or refuse the field, are not asked; all others are."""
    unasked = {"mistral", "groq", "together", "fireworks"}
    made = rewritten(dialect, stream=True, stream_options={"include_usage": False, "include_obfuscation": False})
    assert made.body.get("stream_options") == (None if dialect in unasked else {"include_usage": True})


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_plain_call_never_carries_stream_options(dialect):
    """`stream_options` on a call that does not stream is refused by strict endpoints."""
    assert "stream_options" not in rewritten(dialect, stream=False, stream_options={"include_usage": True}).body


def test_an_endpoint_that_refused_stream_options_is_not_sent_them_again():
    """The adjustment that was learnt replaces the dialect's rule."""
    body = {"model": "a/b", "messages": MESSAGES, "stream": True}
    made = rewrite(body, MODEL, "generic", stream_options=False)
    assert made.body == {"model": "small", "messages": MESSAGES, "stream": True}


def test_of_two_limits_the_newer_goes_on():
    """`max_completion_tokens` wins over the deprecated `max_tokens`."""
    made = rewritten("vllm", max_tokens=10, max_completion_tokens=20)
    assert made.body["max_tokens"] == 20
    assert made.rewrite.dropped == ("max_tokens",)


def test_null_means_absent():
    """A null field is left out, and is no difference between the arms."""
    made = rewritten("openai", temperature=None, stop=None, reasoning=None, plugins=None, tools=None)
    assert set(made.body) == {"model", "messages"}
    assert made.rewrite.dropped == ()


@pytest.mark.parametrize("field", ["tool_choice", "parallel_tool_calls"])
def test_tool_settings_without_tools_are_left_out(field):
    """OpenAI refuses them without tools; the router leaves them out silently."""
    assert field not in rewritten("openai", tools=[], **{field: VALUES[field]}).body


@pytest.mark.parametrize("model", ["o3", "o4-mini", "gpt-5", "gpt-5-mini-2025-08-07"])
def test_reasoning_models_of_openai_are_spared_what_they_refuse(model):
    """Sampling parameters that the router silently leaves out for these models are left out here, and noted."""
    made = rewritten("openai", Mapped(model, "openai/x"), temperature=0.5, top_p=0.9, stop=["x"], logprobs=True)
    assert set(made.body) == {"model", "messages"}
    assert made.rewrite.dropped == ("temperature", "top_p", "stop", "logprobs")


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-5-chat-latest", "our-o3-finetune"])
def test_other_models_of_openai_get_them(model):
    """Only the names of reasoning models are spared."""
    assert rewritten("openai", Mapped(model, "openai/x"), temperature=0.5).body["temperature"] == 0.5


# What sets each effort: "=" as reasoning_effort with the same word, a word: with that word, "-": cannot be said.
EFFORTS = """
             none     minimal low medium high xhigh max
openai       =        =       =   =      =    =     =
azure        =        =       =   =      =    =     xhigh
google       =        low     =   =      =    high  high
mistral      -        -       -   -      -    -     -
groq         =        low     =   =      =    high  high
deepseek     off      on      on  on     on   on    on
together     disabled low     =   =      =    high  high
fireworks    =        low     =   =      =    high  high
xai          =        low     =   =      =    high  high
vllm         template low     =   =      =    high  high
sglang       template low     =   =      =    high  high
llama.cpp    template thinks  thinks thinks thinks thinks thinks
ollama       =        low     =   =      =    high  high
litellm      =        =       =   =      =    high  high
generic      -        low     =   =      =    high  high
"""
SPECIAL: dict[str, Any] = {
    "off": {"thinking": {"type": "disabled"}},
    "on": {"thinking": {"type": "enabled"}},
    "disabled": {"reasoning": {"enabled": False}},
    "template": {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}},
    "thinks": {"chat_template_kwargs": {"enable_thinking": True, "thinking": True}},
}


def effort_table() -> list[tuple[str, str, str]]:
    head, *rows = (line.split() for line in EFFORTS.strip("\n").splitlines())
    return [(dialect, effort, cell) for dialect, *cells in rows for effort, cell in zip(head, cells, strict=True)]


@pytest.mark.parametrize("field", ["reasoning", "reasoning_effort"])
@pytest.mark.parametrize(("dialect", "effort", "cell"), effort_table())
def test_efforts_are_said_in_the_dialects_words(dialect, effort, cell, field):
    """The router's reasoning effort becomes the dialect's control, or the request is refused."""
    asked = {"effort": effort} if field == "reasoning" else effort
    if cell == "-":
        assert refused(dialect, **{field: asked}) is Ineligible.REASONING
        return
    made = rewritten(dialect, **{field: asked})
    expected = SPECIAL.get(cell) or {"reasoning_effort": effort if cell == "=" else cell}
    assert {name: one for name, one in made.body.items() if name not in ("model", "messages")} == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"enabled": True}, {"reasoning_effort": "medium"}),  # OpenRouter's own reading
        ({"enabled": False}, {"reasoning_effort": "none"}),
        ({"enabled": False, "effort": "high"}, {"reasoning_effort": "none"}),
        ({"effort": "low", "enabled": True, "exclude": True, "summary": "auto"}, {"reasoning_effort": "low"}),
        ({"exclude": True}, {}),
        ({}, {}),
    ],
)
def test_the_reasoning_object_is_read_as_openrouter_reads_it(asked, expected):
    """`enabled` alone means medium effort; `exclude` and `summary` only say what to show."""
    made = rewritten("openai", reasoning=asked)
    assert {name: one for name, one in made.body.items() if name not in ("model", "messages")} == expected


@pytest.mark.parametrize(
    ("fields", "budget"),
    [
        ({"reasoning": {"max_tokens": 2000}}, 2000),
        ({"reasoning": {"max_tokens": 10}}, 1024),
        ({"reasoning": {"effort": "high"}, "max_tokens": 10_000}, 8000),
        ({"reasoning": {"effort": "low"}, "max_completion_tokens": 2000}, 1024),
        ({"reasoning_effort": "medium", "max_tokens": 1_000_000}, 128_000),
    ],
)
def test_anthropic_thinks_within_a_budget(fields, budget):
    """A budget goes on; an effort becomes OpenRouter's share of the answer's length, within 1,024 and 128,000."""
    assert rewritten("anthropic", **fields).body["thinking"] == {"type": "enabled", "budget_tokens": budget}


@pytest.mark.parametrize("fields", [{"reasoning_effort": "high"}, {"reasoning_effort": "high", "max_tokens": 500}])
def test_an_effort_with_no_length_to_share_is_refused(fields):
    """Without a limit that leaves room for an answer there is no budget to compute."""
    assert refused("anthropic", **fields) is Ineligible.REASONING


def test_anthropic_does_not_think_unasked():
    """Reasoning that is switched off needs no word there."""
    made = rewritten("anthropic", reasoning={"enabled": False})
    assert set(made.body) == {"model", "messages"}
    assert made.rewrite.dropped == ("reasoning",)


@pytest.mark.parametrize("dialect", [one for one in DIALECTS if one not in ("anthropic", "litellm")])
def test_a_budget_that_cannot_be_said_is_refused(dialect):
    """Reasoning tokens dominate the cost, so a lost budget is no comparison."""
    assert refused(dialect, reasoning={"max_tokens": 2000}) is Ineligible.REASONING


def test_litellm_takes_a_budget():
    """The LiteLLM proxy hands Anthropic's control on."""
    made = rewritten("litellm", reasoning={"max_tokens": 2000})
    assert made.body["thinking"] == {"type": "enabled", "budget_tokens": 2000}


def test_an_approximate_effort_is_tagged():
    """The reader of a pair sees where the nearest effort was asked for, and only there."""
    assert rewritten("groq", reasoning_effort="xhigh").rewrite.tags == ("reasoning-effort",)
    assert rewritten("groq", reasoning_effort="low").rewrite.tags == ()


@pytest.mark.parametrize("effort", ["extreme", "", {"a": 1}, ["high"], 3])
def test_an_unknown_effort_is_refused_or_no_effort(effort):
    """What no documentation names is not guessed at."""
    assert refused("openai", reasoning_effort=effort) is (Ineligible.REASONING if effort else None)


SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}


@pytest.mark.parametrize("dialect", [one for one in DIALECTS if one not in ("anthropic", "deepseek")])
@pytest.mark.parametrize("chosen", [{"type": "json_object"}, SCHEMA])
def test_json_formats_go_on(dialect, chosen):
    """Most endpoints take both forms of JSON answers."""
    assert rewritten(dialect, response_format=chosen).body["response_format"] == chosen


def test_a_format_that_is_ignored_is_dropped_and_tagged():
    """Anthropic's OpenAI layer takes any format and heeds none."""
    made = rewritten("anthropic", response_format=SCHEMA)
    assert "response_format" not in made.body
    assert made.rewrite.tags == ("response-format",)


def test_deepseek_has_no_schemas():
    """JSON mode goes on, a schema is refused."""
    assert rewritten("deepseek", response_format={"type": "json_object"}).body["response_format"]
    assert refused("deepseek", response_format=SCHEMA) is Ineligible.RESPONSE_FORMAT


@pytest.mark.parametrize("kind", ["grammar", "python", None, 1])
def test_formats_of_one_provider_are_refused(kind):
    """Grammars and their like cannot be said elsewhere."""
    assert refused("openai", response_format={"type": kind}) is Ineligible.RESPONSE_FORMAT


@pytest.mark.parametrize(
    ("dialect", "tier", "expected", "tags"),
    [
        ("openai", "flex", "flex", ()),
        ("openai", "priority", "priority", ()),
        ("openai", "fast", "fast", ()),
        ("openai", "ultrafast", None, ("tier-mismatch",)),
        ("azure", "flex", None, ("tier-mismatch",)),
        ("groq", "flex", "flex", ()),
        ("groq", "default", "on_demand", ()),
        ("groq", "priority", None, ("tier-mismatch",)),
        ("vllm", "auto", None, ()),
        ("vllm", "flex", None, ("tier-mismatch",)),
        ("openai", {"odd": 1}, None, ("tier-mismatch",)),
    ],
)
def test_service_tiers_go_on_where_they_mean_the_same(dialect, tier, expected, tags):
    """A tier changes the price, so one that is lost is tagged; the ordinary tier is no loss."""
    made = rewritten(dialect, service_tier=tier)
    assert (made.body.get("service_tier"), made.rewrite.tags) == (expected, tags)


def test_a_verbosity_beyond_openais_words_is_dropped():
    """OpenRouter knows more words than OpenAI."""
    made = rewritten("openai", verbosity="max")
    assert (set(made.body), made.rewrite.tags) == ({"model", "messages"}, ("verbosity",))


def test_plugins_that_helped_the_primary_are_tagged():
    """Repair and compression change what is compared; a plugin that is switched off does not."""
    plugins = [{"id": "response-healing"}, {"id": "context-compression", "enabled": False}, {"id": "auto-router"}]
    assert rewritten("openai", plugins=plugins).rewrite.tags == ("response-healing",)


def test_variants_and_routing_are_tagged():
    """The reader sees that the primary was chosen by throughput, or by the router."""
    made = rewritten("openai", Mapped("small", "a/b", ("nitro",)), models=["a/b", "c/d"])
    assert made.rewrite.tags == ("variant-nitro", "routed")


def test_odd_field_names_are_not_written_down():
    """A name that is no identifier may hold anything, and there may be many: neither swells a row."""
    fields = {f"field {number}": number for number in range(200)} | {f"x{number}": number for number in range(200)}
    dropped = rewritten("openai", **fields).rewrite.dropped
    assert dropped[:2] == (ODD, "x0")
    assert len(dropped) == MAX_NOTES


def test_what_orjson_cannot_write_is_written_all_the_same():
    """An integer beyond 64 bits survives the way into the request's bytes."""
    made = rewritten("vllm", seed=2**80)
    assert orjson.dumps({"seed": 1}) != made.encode()
    assert str(2**80).encode() in made.encode()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
known_fields = st.sampled_from(
    sorted({*VALUES, "reasoning", "reasoning_effort", "service_tier", "max_tokens", "stream", "stream_options", "seed"})
)


@given(st.dictionaries(known_fields | st.text(max_size=10), json_values, max_size=6), st.sampled_from(DIALECTS))
def test_any_values_are_rewritten_or_refused(fields, dialect):
    """Whatever a client puts into fields, the rewriting ends in a body of known fields or in a reason."""
    for checked in ("messages", "tools", "plugins", "response_format", "model"):
        fields.pop(checked, None)
    if refused(dialect, **fields) is None:
        made = rewritten(dialect, **fields)
        made.encode()
        assert set(made.rewrite.tags) <= TAGS
        assert not set(made.body) & {"user", "metadata", "session_id", "trace", "provider", "plugins", "models"}
