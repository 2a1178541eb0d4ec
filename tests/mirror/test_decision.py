"""The order in which a replay is decided on, and what is noted at each stage."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from shadow.exchange import Exchange, Replay, ReplayOutcome
from shadow.mirror.arm import Arm
from shadow.mirror.decision import Considered, Moment, decide
from shadow.mirror.planned import Planned
from shadow.mirror.reasons import Ineligible, SampledOut, Withheld
from shadow.mirror.sampling import wish
from shadow.wire.request import read_request
from tests.mirror.making import HELLO, JSON, chat, config, observed

AT = datetime(2026, 12, 1, 12, tzinfo=UTC).timestamp()


def considered(exchange: Exchange) -> Considered:
    request = read_request(exchange)
    return Considered(exchange, observed(exchange), request, wish(exchange))


def decided(settings, exchange=None, *, paused=False, now=0.0, rests_until=0.0):
    arm = Arm.of(settings.candidates[0])
    arm.rests_until = rests_until
    return decide(considered(exchange or chat()), arm, settings, lambda: Moment(paused, now, AT))


DENIED = "consent_default: deny"


@pytest.mark.parametrize(
    ("settings", "exchange", "outcome", "reason", "probability"),
    [
        # each stage is reached only through those before it
        ({"models": {}, "sample": {"rate": 0}}, {}, ReplayOutcome.INELIGIBLE, Ineligible.MODEL_UNMAPPED, None),
        ({"models": {"*": None}, "sample": {"rate": 0}}, {}, ReplayOutcome.INELIGIBLE, Ineligible.MODEL_EXCLUDED, None),
        ({"sample": {"rate": 0}, "head": DENIED}, {}, ReplayOutcome.SAMPLED_OUT, SampledOut.NOT_DRAWN, 0.0),
        ({"head": DENIED}, {"paused": True}, ReplayOutcome.WITHHELD, Withheld.CONSENT, 0.0),
        ({"sample": {"rate": 1e-9}, "head": DENIED}, {}, ReplayOutcome.SAMPLED_OUT, SampledOut.NOT_DRAWN, 0.0),
        ({}, {"paused": True, "rests_until": 9.0}, ReplayOutcome.WITHHELD, Withheld.PAUSED, 1.0),
        ({}, {"rests_until": 9.0}, ReplayOutcome.WITHHELD, Withheld.RETRY_AFTER, 1.0),
    ],
)
def test_stages_are_passed_in_order(settings, exchange, outcome, reason, probability):
    """Eligible, drawn, consented, not paused, left alone: the first no decides."""
    replay = decided(config(**settings), **exchange)
    assert (replay.outcome, replay.reason, replay.probability) == (outcome, reason, probability)


@pytest.mark.parametrize("rate", [0, 1])
def test_what_a_dialect_cannot_say_is_ineligible_drawn_or_not(rate):
    """The reason stands in the request, so that what is not drawn is not counted as what could have been."""
    exchange = chat({**HELLO, "reasoning": {"max_tokens": 2000}})
    replay = decided(config(sample={"rate": rate}), exchange)
    assert (replay.outcome, replay.reason, replay.probability) == (
        ReplayOutcome.INELIGIBLE,
        Ineligible.REASONING,
        None,
    )


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"budget_usd_per_day": "0.02", "prices": {}}, Withheld.PRICE_UNKNOWN),
        ({"budget_usd_per_day": "0.01"}, Withheld.BUDGET_SPENT),  # 8,192 tokens at two millionths are more
        ({"budget_usd_per_day": "0.01", "head": DENIED}, Withheld.CONSENT),
    ],
)
def test_what_the_budget_has_no_room_for_is_withheld(settings, reason):
    """Drawn and admitted otherwise; without a price there is nothing to hold against the budget."""
    replay = decided(config(**settings))
    assert (replay.outcome, replay.reason) == (ReplayOutcome.WITHHELD, reason)


def test_with_a_budget_the_answer_has_a_limit():
    """The plan holds what the replay can cost at most; without a budget the request is not touched."""
    plan = decided(config(budget_usd_per_day="0.02"))
    assert b'"max_completion_tokens":8192}' in plan.body
    assert plan.worst_usd == (1000 + len(plan.body) + 2 * 8192) / Decimal(10**6)
    assert plan.rewrite.tags == ("output-cap",)
    plan = decided(config())
    assert (b"max_completion_tokens" in plan.body, plan.worst_usd) == (False, None)


def test_privacy_that_the_account_demands_holds_for_every_request():
    """Settings of the client's account are in no body: the operator says them, and only who promises is sent any."""
    for compliant, kind in (([], Replay), (["zdr"], Planned)):
        settings = config(compliant=compliant)
        settings = replace(settings, upstream=replace(settings.upstream, privacy=("zdr",)))
        one = decided(settings)
        assert isinstance(one, kind)
        assert kind is Planned or one.reason == Ineligible.PRIVACY


def test_what_passes_every_stage_is_planned():
    """The plan holds the bytes to send and the chance of the draw."""
    plan = decided(config(sample={"rate": 1}))
    assert isinstance(plan, Planned)
    assert plan.body == b'{"model":"small","messages":[{"role":"user","content":"Hello"}]}'
    assert (plan.probability, plan.stream) == (1.0, False)


def test_a_stream_is_planned_as_one():
    """The candidate answers in the mode in which the primary did."""
    assert decided(config(), chat({**HELLO, "stream": True})).stream is True


def test_never_is_said_before_consent_is_asked():
    """The application's refusal is its own reason, with no probability."""
    exchange = chat(request_headers=(*JSON, ("x-shadow-sample", "never")))
    replay = decided(config(head=DENIED), exchange)
    assert (replay.reason, replay.probability) == (SampledOut.ASKED_NEVER, None)


def test_a_rate_between_draws_some():
    """The same arm and rate draw some conversations and leave others."""
    settings = config(sample={"rate": 0.5})
    exchanges = [chat({**HELLO, "messages": [{"role": "user", "content": f"Question {n}"}]}) for n in range(40)]
    kinds = {type(decided(settings, exchange)).__name__ for exchange in exchanges}
    assert kinds == {"Planned", "Replay"}


def test_reasons_are_plain_text():
    """Rows and labels hold words, not members of a Python class."""
    assert type(decided(config(models={})).reason) is str
