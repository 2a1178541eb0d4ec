"""The model map: exact names, globs in order, and the answer's model where the router chose."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.mirror.models import REMEMBERED, Mapped, ModelMap
from shadow.mirror.reasons import Ineligible
from shadow.wire.request import Endpoint, request_of

MAP = {
    "openai/gpt-4o-mini": "mini",
    "anthropic/claude-3.7-sonnet:thinking": "sonnet-thinking",
    "anthropic/claude-sonnet-4.5": "sonnet",
    "openai/gpt-*": "gpt",
    "openai/*": None,
    "google/gemini-2.5-flash": "flash",
}


def found(rows, body, answered):
    request = request_of(Endpoint.CHAT, body)
    return ModelMap(rows).of(request.model, answered, fallbacks="fallbacks" in request.features)


def mapped(model, answered=None, **more):
    return found(MAP, {"model": model, **more}, answered)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("openai/gpt-4o-mini", Mapped("mini", "openai/gpt-4o-mini")),
        ("openai/gpt-5", Mapped("gpt", "openai/gpt-5")),
        ("openai/o3", Ineligible.MODEL_EXCLUDED),
        ("x-ai/grok-4", Ineligible.MODEL_UNMAPPED),
        ("openai/gpt-4o-mini:nitro", Mapped("mini", "openai/gpt-4o-mini", ("nitro",))),
        ("openai/gpt-4o-mini:floor", Mapped("mini", "openai/gpt-4o-mini", ("floor",))),
        ("openai/gpt-5:exacto", Mapped("gpt", "openai/gpt-5:exacto", ("exacto",))),
        ("anthropic/claude-3.7-sonnet:thinking", Mapped("sonnet-thinking", "anthropic/claude-3.7-sonnet:thinking")),
        ("anthropic/claude-3.7-sonnet", Ineligible.MODEL_UNMAPPED),
        ("anthropic/claude-sonnet-4.5:extended", Ineligible.MODEL_UNMAPPED),
    ],
)
def test_the_requests_model_is_mapped(model, expected):
    """Exact before glob; variants that only choose an endpoint do not count, those that are models do."""
    assert mapped(model, answered="whatever/else") == expected


def test_the_first_glob_wins():
    """Globs are tried in the order in which they are written."""
    assert found({"*": "a", "openai/*": "b"}, {"model": "openai/x"}, None) == Mapped("a", "openai/x")


@pytest.mark.parametrize(
    "body",
    [
        {"model": "openrouter/auto"},
        {"model": "~google/gemini-flash-latest"},
        {"model": "x-ai/grok-4", "models": ["google/gemini-2.5-flash"]},
        {"models": ["x-ai/grok-4"]},
        {},
        {"model": None},
        {"model": 3},
    ],
)
def test_what_the_router_chose_is_mapped_by_its_answer(body):
    """Routers, aliases, fallbacks and omitted models are known only from the answer."""
    assert found(MAP, body, "google/gemini-2.5-flash") == Mapped("flash", "google/gemini-2.5-flash")


@pytest.mark.parametrize("answered", ["google/gemini-2.5-flash-20250617", "google/gemini-2.5-flash-2025-06-17"])
def test_an_answers_date_is_no_other_model(answered):
    """Answers name the dated release of what the map calls by its plain name."""
    assert found(MAP, {"model": "openrouter/auto"}, answered) == Mapped("flash", "google/gemini-2.5-flash")


def test_an_answers_order_of_words_is_no_other_model():
    """Answers of some vendors put the version before the kind; other words are another model."""
    assert found(MAP, {"model": "openrouter/auto"}, "anthropic/claude-4.5-sonnet-20250929") == Mapped(
        "sonnet", "anthropic/claude-sonnet-4.5"
    )
    assert found(MAP, {"model": "openrouter/auto"}, "anthropic/claude-4.5-haiku-20251001") is (
        Ineligible.MODEL_UNMAPPED
    )


@pytest.mark.parametrize(
    ("answered", "expected"),
    [
        ("google/gemini-2.5-flash", Mapped("flash", "google/gemini-2.5-flash")),
        ("openai/gpt-4o-mini-2024-07-18", Mapped("mini", "openai/gpt-4o-mini")),
        ("openai/gpt-4o-2024-08-06", Mapped("gpt", "openai/gpt-4o-2024-08-06")),
        ("x-ai/grok-4", Ineligible.MODEL_UNMAPPED),
        (None, Ineligible.MODEL_UNMAPPED),
    ],
)
def test_with_fallbacks_the_model_that_answered_counts(answered, expected):
    """Also where the map has a row for the one that was asked for first: a pair is of what answered."""
    body = {"model": "openai/gpt-4o-mini", "models": ["google/gemini-2.5-flash", "x-ai/grok-4", "openai/gpt-4o"]}
    assert found(MAP, body, answered) == expected


def test_an_alias_that_the_map_names_is_the_operators_word():
    """An exact row for a router wins over what the router chose."""
    assert found({"openrouter/auto": "big"}, {"model": "openrouter/auto"}, "a/b") == Mapped("big", "openrouter/auto")


def test_globs_do_not_catch_routers():
    """`*` means models, and a router is none: its answer's model counts."""
    assert found({"openrouter/*": None, "a/*": "x"}, {"model": "openrouter/auto"}, "a/b") == Mapped("x", "a/b")


def test_an_unknown_answer_of_a_router_is_unmapped():
    """With neither a model asked for nor one named by the answer there is nothing to look up."""
    assert found({"*": "x"}, {"model": "openrouter/auto"}, None) is Ineligible.MODEL_UNMAPPED


NAMES = st.sampled_from([*MAP, "openai/gpt-4o-mini:nitro", "openrouter/auto", "google/gemini-2.5-flash-20250617", None])
QUESTIONS = st.lists(st.tuples(NAMES, NAMES, st.booleans()), max_size=30)


@given(QUESTIONS)
def test_what_is_remembered_is_what_would_be_found(questions):
    """Whatever was asked before: the name asked for, the one that answered and fallbacks tell questions apart."""
    old = ModelMap(MAP)
    for requested, answered, fallbacks in questions:
        new = ModelMap(MAP)
        assert old.of(requested, answered, fallbacks=fallbacks) == new.of(requested, answered, fallbacks=fallbacks)


def test_candidates_remember_apart():
    """One map's answer is never another's."""
    here, there = ModelMap({"*": "a"}), ModelMap({"*": "b"})
    found = [one.of("x/y", None, fallbacks=False).model for one in (here, there, here, there)]
    assert found == ["a", "b", "a", "b"]


def test_made_up_names_are_forgotten():
    """A client may name more models than there are; the map remembers so many and no more."""
    rows = ModelMap(MAP)
    for number in range(REMEMBERED + 9):
        rows.of(f"made/up-{number}", None, fallbacks=False)
    assert rows._remembered.cache_info().currsize == REMEMBERED
