"""Requests that no documentation describes: each is planned or has a reason, and none is a mistake of the sidecar."""

import json
from dataclasses import replace

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.config import Sample, SampleRule, Where
from shadow.exchange import Replay, ReplayOutcome
from shadow.mirror import Mirror, Planned
from shadow.mirror.dialects import RULES
from shadow.mirror.reasons import REASONS
from shadow.wire.request import read_request
from tests.mirror.making import Ledger, chat, config, observed

BASE = config()
ARMS = tuple(
    replace(BASE.candidates[0], name=name.replace(".", "-"), dialect=name, context_tokens=99) for name in RULES
)

odd = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)
word = st.sampled_from(
    ["system", "developer", "user", "assistant", "tool", "text", "image_url", "function", "file", "x"]
)


def shaped(fields, **known):
    """Objects with the documented members, each of which may hold anything."""
    members = {name: odd | known.get(name, odd) for name in fields.split()}
    return st.fixed_dictionaries({}, optional=members)


function = shaped("name description parameters strict")
part = shaped("type text image_url refusal cache_control", type=word, text=st.text(), image_url=shaped("url detail"))
call = shaped("id type index function", function=shaped("name arguments"), id=st.text(max_size=9))
message = shaped(
    "role content name tool_calls tool_call_id refusal reasoning reasoning_details annotations images audio",
    role=word,
    content=st.text(max_size=5) | st.lists(part | odd, max_size=3),
    tool_calls=st.lists(call | odd, max_size=2),
    reasoning_details=st.lists(shaped("type data text", type=word) | odd, max_size=2),
)
request = shaped(
    "model models messages tools tool_choice provider plugins reasoning reasoning_effort response_format session_id"
    " service_tier stream stream_options max_tokens n modalities preset user metadata",
    model=st.sampled_from(["a/b", "openrouter/auto", "~a/b-latest", "a/b:nitro", ":", "@preset/x"]),
    messages=st.lists(message, min_size=1, max_size=3),
    tools=st.lists(shaped("type function cache_control", type=word, function=function), max_size=2),
    provider=shaped("only zdr data_collection", only=st.lists(odd, max_size=2)),
    plugins=st.lists(shaped("id enabled"), max_size=2),
    reasoning=shaped("effort max_tokens enabled exclude"),
    response_format=shaped("type json_schema", type=word),
    stream=st.booleans(),
)


def encoded(body) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:  # beyond 64 bits: as a client in another language would write it
        return json.dumps(body).encode()


@settings(max_examples=300, deadline=None)
@given(request, st.sampled_from(["a/b", None, "a/b-20250101", "x"]))
def test_any_request_is_planned_or_has_a_reason(body, answered):
    """For every dialect: a plan whose body is JSON, or an end with a reason of its set, which is never `internal`."""
    exchange = chat(encoded(body))
    observation = replace(observed(exchange), response_model=answered)
    mirror = Mirror(replace(BASE, candidates=ARMS), Ledger())
    ended, planned = mirror.decide(exchange, observation, read_request(exchange))
    assert len(ended) + len(planned) == len(ARMS)
    for one in ended:
        assert isinstance(one, Replay)
        assert one.outcome is not ReplayOutcome.FAILED
        assert one.reason in REASONS[one.outcome]
    for one in planned:
        assert isinstance(one, Planned)
        assert orjson.loads(one.body)["model"] == "small"


RULE = SampleRule(where=Where(model="a/*"), rate=0.0)
APART = (
    replace(ARMS[0], name="all", models={"a/b": "one", "openrouter/*": "other"}),
    replace(ARMS[0], name="half", models={"*": "two", "a/b": None}, sample=Sample(rate=0.5)),
    replace(ARMS[0], name="ruled", models={"a/*": "three"}, sample=Sample(rate=1, rules=(RULE,))),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(request, st.sampled_from(["a/b", None, "x"])), min_size=2, max_size=4))
def test_what_was_decided_before_changes_nothing(asked):
    """Whatever is remembered of requests: every arm gets what a mirror that has seen nothing else would give it."""
    config = replace(BASE, candidates=APART)
    old = Mirror(config, Ledger())
    for body, answered in asked:
        exchange = chat(encoded(body))
        seen = replace(observed(exchange), response_model=answered), read_request(exchange)
        assert old.decide(exchange, *seen) == Mirror(config, Ledger()).decide(exchange, *seen)
