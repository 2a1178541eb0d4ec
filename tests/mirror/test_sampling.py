"""The draw: at its rate, by conversation, alike everywhere."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.config import Sample, SampleRule, Where
from shadow.exchange import Attribution
from shadow.mirror.sampling import REMEMBERED, Rates, conversation, draw, number_of, uniform, wish
from tests.mirror.making import JSON, chat

HELLO = {"messages": [{"role": "user", "content": "Hello"}]}


def talk(*texts, system="Be brief", **more):
    roles = ("user", "assistant")
    turns = [{"role": roles[number % 2], "content": text} for number, text in enumerate(texts)]
    return {"messages": [{"role": "system", "content": system}, *turns], **more}


def drawn_of(sample, exchange, body):
    chance = Rates(sample).of(exchange.attribution, "m")
    return wish(exchange) or draw("ferry", conversation(exchange, body), chance)


def test_the_rate_is_the_share_that_is_drawn():
    """Of 20,000 conversations a rate of 5 % draws 1,000, give or take four standard deviations."""
    sample = Sample(rate=0.05)
    exchange = chat()
    drawn = sum(drawn_of(sample, exchange, talk(f"Question {n}")).drawn for n in range(20_000))
    assert abs(drawn - 1000) < 4 * (20_000 * 0.05 * 0.95) ** 0.5


def test_a_conversation_has_one_number():
    """Its turns share it, others do not, and it fits a signed column of 64 bits."""
    exchange = chat()
    keys = [conversation(exchange, body) for body in (talk("Hi"), talk("Hi", "Hello", "How?"), talk("Bye"))]
    first, later, other = map(number_of, keys)
    assert (first == later, first == other, max(first, other) < 2**63) == (True, False, True)


def test_weighting_by_the_inverse_probability_gives_the_population():
    """Over many seeded populations with rates by feature, the weighted total is off by no bias that can be seen."""
    chances = random.Random(1)  # noqa: S311 (a simulation)
    sample = Sample(rate=0.1, rules=(SampleRule(where=Where(feature="summaries"), rate=0.5),))
    errors = []
    for population in range(60):
        truth = estimate = 0.0
        for number in range(400):
            feature = chances.choice(["chat", "summaries"])
            cost = chances.expovariate(1.0)
            exchange = chat(attribution=Attribution("acme", feature))
            one = drawn_of(sample, exchange, talk(f"{population} {number}"))
            truth += cost
            estimate += cost / one.probability if one.drawn else 0.0
        errors.append(estimate / truth - 1)
    mean = sum(errors) / len(errors)
    deviation = (sum((error - mean) ** 2 for error in errors) / (len(errors) - 1)) ** 0.5
    assert abs(mean) < 3 * deviation / len(errors) ** 0.5


def test_the_turns_of_a_conversation_go_together():
    """Later turns, with cache markers moved and content put in parts, are drawn as the first one was."""
    first = talk("Hello")
    later = {
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Be brief", "cache_control": {"type": "x"}}]},
            {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
            {"role": "assistant", "content": "Hi"},
            {"role": "user", "content": "And then?"},
        ]
    }
    assert conversation(chat(), first) == conversation(chat(), later)


@pytest.mark.parametrize(
    "other",
    [talk("Hello", system="Be long"), talk("Goodbye"), talk("Hello", session_id="s1"), {"messages": "odd"}],
)
def test_other_openings_are_other_conversations(other):
    """System prompt, first message and session tell conversations apart."""
    assert conversation(chat(), talk("Hello")) != conversation(chat(), other)


def test_a_session_holds_a_conversation_together():
    """Turns with one session id go together, whatever they say and wherever the id is given."""
    by_header = chat(request_headers=(*JSON, ("x-session-id", "s1")))
    assert conversation(chat(), talk("A", session_id="s1")) == conversation(by_header, talk("B"))


def test_tenants_are_drawn_apart():
    """The same greeting of two tenants is two conversations, or all greetings would be drawn or none."""
    acme, zeta = (chat(attribution=Attribution(tenant)) for tenant in ("acme", "zeta"))
    assert conversation(acme, HELLO) != conversation(zeta, HELLO)


def test_without_an_opening_each_exchange_is_its_own():
    """A body without messages is keyed by the exchange."""
    assert conversation(chat(), {}) != conversation(chat(), {})


def test_arms_are_drawn_apart():
    """What one candidate gets says nothing about what another gets."""
    keys = [f"{number}".encode() for number in range(2000)]
    both = sum(uniform("a", key) < 0.5 and uniform("b", key) < 0.5 for key in keys)
    assert abs(both - 500) < 4 * (2000 * 0.25 * 0.75) ** 0.5


def test_a_larger_rate_draws_a_superset():
    """Raising the rate keeps every conversation that was drawn before."""
    exchange = chat()
    bodies = [talk(f"Question {number}") for number in range(500)]
    few = {n for n, body in enumerate(bodies) if drawn_of(Sample(rate=0.1), exchange, body).drawn}
    many = {n for n, body in enumerate(bodies) if drawn_of(Sample(rate=0.3), exchange, body).drawn}
    assert few < many


def test_every_pod_draws_alike():
    """The number of a conversation is fixed by its bytes: no seed of a process is in it."""
    assert uniform("ferry", b"conversation") == 0.7884600762726487  # by sha256sum


def test_all_and_nothing_are_exact():
    """A rate of one draws all, a rate of zero none."""
    bodies = [talk(f"Question {number}") for number in range(200)]
    assert all(drawn_of(Sample(rate=1), chat(), body).drawn for body in bodies)
    assert not any(drawn_of(Sample(rate=0), chat(), body).drawn for body in bodies)


RULES = Sample(
    rate=0.01,
    rules=(
        SampleRule(where=Where(tenant="acme", feature="summ*"), rate=0.2),
        SampleRule(where=Where(plan="pro"), rate=0.3),
        SampleRule(where=Where(model="openai/*"), rate=0.4),
    ),
)


@pytest.mark.parametrize(
    ("attribution", "model", "expected"),
    [
        (Attribution("acme", "summaries", "pro"), "openai/x", 0.2),
        (Attribution("zeta", "summaries", "pro"), "openai/x", 0.3),
        (Attribution("zeta", "summaries"), "openai/x", 0.4),
        (Attribution("zeta"), "google/x", 0.01),
        (Attribution(), None, 0.01),
    ],
)
def test_the_first_matching_rule_decides(attribution, model, expected):
    """All that a rule names must match; what is unknown matches nothing."""
    assert Rates(RULES).of(attribution, model) == expected


WORDS = st.sampled_from(["acme", "zeta", "summaries", "pro", "openai/x", None])


@given(st.lists(st.tuples(WORDS, WORDS, WORDS, WORDS), max_size=30))
def test_what_is_remembered_is_what_the_rules_say(segments):
    """Whoever asked before: tenant, feature, plan and model tell segments apart, each in its place."""
    rates = Rates(RULES)
    for *who, model in segments:
        assert rates.of(Attribution(*who), model) == Rates(RULES).of(Attribution(*who), model)


def test_made_up_segments_are_forgotten():
    """A client may name more features than there are; so many are remembered and no more."""
    rates = Rates(RULES)
    for number in range(REMEMBERED + 9):
        rates.of(Attribution("acme", f"feature-{number}"), "m")
    assert rates._ruled.cache_info().currsize == REMEMBERED


@pytest.mark.parametrize(("asked", "drawn", "probability"), [("always", True, 1.0), (" Never ", False, None)])
def test_the_application_may_ask(asked, drawn, probability):
    """`always` stands for itself alone, so its weight is one; `never` took no draw."""
    exchange = chat(request_headers=(*JSON, ("x-shadow-sample", asked)))
    one = drawn_of(Sample(rate=0.5), exchange, HELLO)
    assert (one.drawn, one.probability, one.asked) == (drawn, probability, True)


def test_another_wish_is_no_wish():
    """An unknown value of the header draws as usual."""
    exchange = chat(request_headers=(*JSON, ("x-shadow-sample", "sometimes")))
    assert drawn_of(Sample(rate=1), exchange, HELLO).asked is False


@pytest.mark.parametrize("content", [None, 1, [None], [{"type": "text"}], [{"type": "x", "n": 2**90}], {"a": 1}])
def test_odd_content_is_keyed_all_the_same(content):
    """Whatever a client sends as content has a stable key."""
    body = {"messages": [{"role": "user", "content": content}]}
    assert conversation(chat(), body) == conversation(chat(), body)
