"""What may be replayed at all, and to whom."""

import pytest

from shadow.config import Candidate
from shadow.exchange import Body, Outcome
from shadow.mirror.eligibility import of_candidate, of_exchange, of_request, prompt_tokens
from shadow.mirror.reasons import Ineligible
from shadow.wire.request import read_request
from tests.mirror.making import ANSWER, HELLO, JSON, body, chat, observed


def exchange_reason(exchange):
    return of_exchange(exchange, observed(exchange))


def request_reason(request, answer=ANSWER):
    exchange = chat(request, answer)
    return of_request(read_request(exchange), observed(exchange))


def test_an_ordinary_call_is_eligible():
    """A plain chat completion that went well has nothing against it."""
    assert exchange_reason(chat()) is None
    assert request_reason(HELLO) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"request_headers": (*JSON, ("x-shadow-replay", "1"))}, Ineligible.IS_REPLAY),
        ({"path": "/api/v1/models", "method": "GET"}, Ineligible.NOT_INFERENCE),
        ({"path": "/api/v1/presets/a/chat/completions"}, Ineligible.NOT_INFERENCE),
        ({"outcome": Outcome.CLIENT_CANCELLED}, Ineligible.PRIMARY_UNFINISHED),
        ({"outcome": Outcome.UPSTREAM_TRUNCATED}, Ineligible.PRIMARY_UNFINISHED),
        ({"outcome": Outcome.UPSTREAM_FAILED, "status": None}, Ineligible.PRIMARY_UNFINISHED),
        ({"request_body": Body(b"{", b"}", 900)}, Ineligible.NOT_WHOLE),
        ({"response_body": Body(b"{", b"}", 900)}, Ineligible.NOT_WHOLE),
        ({"status": 402, "response_body": body({"error": {"code": 402, "message": "x"}})}, Ineligible.PRIMARY_ERROR),
        ({"status": 403, "response_body": body({"error": {"code": 403, "message": "x"}})}, Ineligible.PRIMARY_ERROR),
        ({"response_body": body({"error": {"code": 524, "message": "x"}})}, Ineligible.PRIMARY_ERROR),
        ({"response_body": body(b"<html>")}, Ineligible.PRIMARY_ERROR),
        ({"status": 302}, Ineligible.PRIMARY_ERROR),
        ({"response_headers": (*JSON, ("x-openrouter-cache-status", "HIT"))}, Ineligible.CACHE_HIT),
        ({"response_headers": (*JSON, ("x-openrouter-cache-status", "hit"))}, Ineligible.CACHE_HIT),
    ],
)
def test_what_became_of_the_exchange_may_rule_it_out(changes, expected):
    """Only whole model calls with a good answer from a model are worth a replay."""
    assert exchange_reason(chat(**changes)) is expected


def test_a_cache_miss_is_a_models_answer():
    """Only a hit was answered by no model."""
    assert exchange_reason(chat(response_headers=(*JSON, ("x-openrouter-cache-status", "MISS")))) is None


@pytest.mark.parametrize("request_body", [b"", b"{", b"[]", b'"x"', b"\xff\xfe"])
def test_what_is_not_a_json_object_is_unreadable(request_body):
    """A body that cannot be read cannot be rewritten."""
    exchange = chat(request_body=body(request_body))
    assert of_request(read_request(exchange), observed(exchange)) is Ineligible.UNREADABLE


def test_only_chat_completions_are_replayed():
    """Other model calls have no candidate to go to yet."""
    exchange = chat({"model": "a/b", "input": "x"}, path="/api/v1/embeddings")
    assert of_request(read_request(exchange), observed(exchange)) is Ineligible.ENDPOINT


def user(*parts):
    return {"messages": [{"role": "user", "content": list(parts)}]}


SEARCH = {"type": "openrouter:web_search"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"model": "a/b:free"}, Ineligible.FREE_VARIANT),
        ({"model": "a/b:online"}, Ineligible.ONLINE_VARIANT),
        ({"model": "a/b:nitro:online"}, Ineligible.ONLINE_VARIANT),
        ({"models": ["a/b", "c/d:online"]}, Ineligible.ONLINE_VARIANT),
        ({"model": "openrouter/fusion"}, Ineligible.MULTI_MODEL),
        ({"plugins": [{"id": "fusion"}]}, Ineligible.MULTI_MODEL),
        ({"preset": "x"}, Ineligible.PRESET),
        ({"model": "@preset/x"}, Ineligible.PRESET),
        ({"model": "a/b@preset/x"}, Ineligible.PRESET),
        ({"store": True}, Ineligible.STATEFUL),
        ({"background": True}, Ineligible.STATEFUL),
        ({"previous_response_id": "resp_1"}, Ineligible.STATEFUL),
        ({"tools": [SEARCH]}, Ineligible.SERVER_TOOLS),
        ({"tools": [{"type": "function", "function": {"name": "f"}}, SEARCH]}, Ineligible.SERVER_TOOLS),
        ({"tools": [{"type": "openrouter:something_new"}]}, Ineligible.SERVER_TOOLS),
        ({"tools": ["odd"]}, Ineligible.SERVER_TOOLS),
        ({"tools": {"odd": 1}}, Ineligible.SERVER_TOOLS),
        ({"stop_server_tools_when": {"max": 1}}, Ineligible.SERVER_TOOLS),
        ({"deferred_tools": [SEARCH]}, Ineligible.SERVER_TOOLS),
        ({"plugins": [{"id": "web"}]}, Ineligible.PLUGIN),
        ({"plugins": [{"id": "web-fetch"}]}, Ineligible.PLUGIN),
        ({"plugins": [{"id": "file-parser"}]}, Ineligible.PLUGIN),
        ({"plugins": [{"id": "one-of-tomorrow"}]}, Ineligible.PLUGIN),
        ({"plugins": [{"id": ["odd"]}]}, Ineligible.PLUGIN),
        ({"plugins": "web"}, Ineligible.PLUGIN),
        ({"web_search_options": {}}, Ineligible.WEB_SEARCH),
        ({"n": 2}, Ineligible.SEVERAL_CHOICES),
        ({"n": "2"}, Ineligible.SEVERAL_CHOICES),
        ({"modalities": ["image", "text"]}, Ineligible.OUTPUT_MODALITY),
        ({"audio": {"voice": "x"}}, Ineligible.OUTPUT_MODALITY),
        ({"image_config": {"size": 1}}, Ineligible.OUTPUT_MODALITY),
        ({"functions": [{"name": "f"}]}, Ineligible.LEGACY_FUNCTIONS),
        ({"function_call": "auto"}, Ineligible.LEGACY_FUNCTIONS),
        ({"provider": {"only": ["google-vertex/europe"]}}, Ineligible.REGION),
        ({"provider": {"only": ["azure/eu"]}}, Ineligible.REGION),
        ({"provider": {"only": ["amazon-bedrock/us-east-1"]}}, Ineligible.REGION),
        ({"provider": {"only": ["google-vertex/europe-west4"]}}, Ineligible.REGION),
        (user({"type": "file", "file": {"file_data": "x"}}), Ineligible.FILE_INPUT),
        (user({"type": "video_url", "video_url": {"url": "x"}}), Ineligible.VIDEO_INPUT),
        (user({"type": "input_audio", "input_audio": {"data": "x"}}), Ineligible.AUDIO_INPUT),
        (user({"type": "smell"}), Ineligible.MESSAGE_SHAPE),
        (user("odd"), Ineligible.MESSAGE_SHAPE),
        ({"messages": []}, Ineligible.MESSAGE_SHAPE),
        ({"messages": "odd"}, Ineligible.MESSAGE_SHAPE),
        ({"messages": ["odd"]}, Ineligible.MESSAGE_SHAPE),
        ({"messages": [{"role": "user", "content": {"odd": 1}}]}, Ineligible.MESSAGE_SHAPE),
        ({"messages": [{"role": "function", "content": "x"}]}, Ineligible.MESSAGE_SHAPE),
        ({"messages": [{"role": "assistant", "function_call": {"name": "f"}}]}, Ineligible.LEGACY_FUNCTIONS),
        ({"messages": [{"role": "assistant", "images": [{"x": 1}]}]}, Ineligible.OUTPUT_MODALITY),
        (
            {"messages": [{"role": "assistant", "reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]}]},
            Ineligible.ENCRYPTED_REASONING,
        ),
    ],
)
def test_what_a_replay_cannot_reproduce_is_ineligible(fields, expected):
    """Each thing that only the router or one model can do has its reason."""
    assert request_reason({**HELLO, **fields}) is expected


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "a/b:nitro"},
        {"model": "a/b:thinking"},
        {"model": "openrouter/auto"},
        {"models": ["a/b:free"]},  # a fallback that did not answer
        {"model": "a/b:free", "models": ["openai/gpt-4o-mini"]},  # it did not answer, its fallback did
        {"tools": []},
        {"tools": None},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"plugins": []},
        {"plugins": [{"id": "web", "enabled": False}]},
        {"plugins": [{"id": "response-healing"}, {"id": "moderation"}, {"id": "auto-router"}]},
        {"n": 1},
        {"modalities": ["text"]},
        {"functions": []},
        {"provider": {"only": ["xai", "deepinfra/fp8", "deepinfra/turbo", "google-vertex/flex"]}},
        user({"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "x"}}),
        {"messages": [{"role": "assistant", "reasoning_details": [{"type": "reasoning.text", "text": "x"}]}]},
        {"messages": [{"role": "assistant", "content": None, "tool_calls": []}]},
    ],
)
def test_what_a_replay_can_reproduce_is_eligible(fields):
    """The like of what is refused, where it changes nothing that matters."""
    assert request_reason({**HELLO, **fields}) is None


def test_a_prompt_in_the_place_of_messages_is_refused():
    """The completion form of a chat call has no candidate."""
    assert request_reason({"model": "a/b", "prompt": "x"}) is Ineligible.LEGACY_PROMPT


def test_a_free_answer_is_as_bad_as_a_free_request():
    """The router may choose a free variant by itself."""
    answer = {**ANSWER, "model": "a/b:free"}
    assert request_reason(HELLO, answer) is Ineligible.FREE_VARIANT
    assert request_reason({**HELLO, "model": "openrouter/free"}, answer) is Ineligible.FREE_VARIANT
    assert request_reason({**HELLO, "models": ["a/b:free"]}, answer) is Ineligible.FREE_VARIANT


def candidate(**more):
    return Candidate(name="ferry", url="https://example.com/v1", models={}, **more)


def candidate_reason(fields, answer=ANSWER, **more):
    exchange = chat({**HELLO, **fields}, answer)
    return of_candidate(read_request(exchange), observed(exchange), candidate(**more))


PROMISES = [
    ({"zdr": True}, "zdr"),
    ({"data_collection": "deny"}, "no_data_collection"),
    ({"enforce_distillable_text": True}, "no_distillation"),
]


@pytest.mark.parametrize(("provider", "promise"), PROMISES)
def test_a_privacy_demand_needs_its_promise(provider, promise):
    """The request goes to candidates that are declared to keep that very promise, and to no others."""
    others = [one for _, one in PROMISES if one != promise]
    assert candidate_reason({"provider": provider}) is Ineligible.PRIVACY
    assert candidate_reason({"provider": provider}, compliant=others) is Ineligible.PRIVACY
    assert candidate_reason({"provider": provider}, compliant=[promise]) is None


@pytest.mark.parametrize("provider", [{"zdr": False}, {"data_collection": "allow"}, {}, "odd", None])
def test_no_demand_needs_no_promise(provider):
    """What is not asked for is not checked."""
    assert candidate_reason({"provider": provider}) is None


def test_a_prompt_longer_than_the_context_is_not_sent():
    """The primary's own count of the prompt decides."""
    answer = {**ANSWER, "usage": {"prompt_tokens": 1001, "completion_tokens": 1, "total_tokens": 1002}}
    assert candidate_reason({}, answer, context_tokens=1000) is Ineligible.CONTEXT
    assert candidate_reason({}, answer, context_tokens=1001) is None
    assert candidate_reason({}, answer) is None


def test_without_a_count_the_length_is_estimated():
    """Four bytes of text are about a token; an image's data says nothing about its tokens."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 9000}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "x" * 4000}, picture]}]
    exchange = chat({**HELLO, "messages": messages}, {**ANSWER, "usage": None})
    assert 1000 <= prompt_tokens(read_request(exchange), observed(exchange)) <= 1100


def test_deep_nesting_is_no_danger():
    """A request may nest as deep as its parser allows."""
    schema = b'{"items":' * 1000 + b"1" + b"}" * 1000
    request = b'{"model":"a/b","messages":[],"tools":[{"type":"function","function":{"parameters":%b}}]}' % schema
    exchange = chat(request, {**ANSWER, "usage": None})
    assert prompt_tokens(read_request(exchange), observed(exchange)) > 1000
