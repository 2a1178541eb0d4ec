"""Floors: thin segments get their pairs, and the weights stay right."""

import random
from statistics import fmean, stdev

import pytest

from shadow.config import Sample, SampleRule, Where
from shadow.exchange import Attribution
from shadow.mirror.floors import HOUR_S, MAX_TURNS, Floors
from shadow.mirror.sampling import Draw, Rates, draw, number_of, segment, wish
from tests.mirror.making import JSON, chat, config
from tests.mirror.test_decision import decided

LEFT_OUT = Draw(drawn=False, probability=0.05)


def lifted(floors, *, place=1, talk=1, exchange="a", now=0.0, drawn=LEFT_OUT):
    return floors.lift(drawn, place, talk, exchange, now)


def test_the_first_of_an_hour_are_certain():
    """Five conversations are included with certainty, and say so; then the rate decides again."""
    floors = Floors(5)
    found = [lifted(floors, talk=number, exchange=f"{number}") for number in range(8)]
    assert found == [Draw(drawn=True, probability=1.0)] * 5 + [LEFT_OUT] * 3


def test_every_segment_has_a_floor_of_its_own():
    """A busy segment takes nothing from a thin one."""
    floors = Floors(1)
    lifted(floors, place=1, talk=1)
    assert lifted(floors, place=2, talk=2).probability == 1.0
    assert lifted(floors, place=1, talk=3) == LEFT_OUT


def test_the_next_hour_has_a_floor_again():
    """It begins with the segment's first exchange after the last hour ended."""
    floors = Floors(1)
    lifted(floors, talk=1, now=100.0)
    assert lifted(floors, talk=2, now=99.0 + HOUR_S) == LEFT_OUT
    assert lifted(floors, talk=3, now=100.0 + HOUR_S).probability == 1.0


def test_the_turns_of_a_conversation_go_together():
    """A certain conversation stays so in any hour and segment; one that the rate decided on is never lifted later."""
    floors = Floors(1)
    lifted(floors, talk=1)
    lifted(floors, talk=2, exchange="b")
    later = 5 * HOUR_S
    assert lifted(floors, talk=2, exchange="c", now=later) == LEFT_OUT
    assert lifted(floors, talk=1, exchange="d", now=later, place=9).probability == 1.0


def test_the_turns_of_a_certain_conversation_fill_the_floor():
    """A floor is counted in exchanges, hence in pairs."""
    floors = Floors(3)
    for turn in "abc":
        lifted(floors, talk=1, exchange=turn)
    assert lifted(floors, talk=2, exchange="d") == LEFT_OUT


def test_an_endless_conversation_is_left_to_the_rate():
    """A program that gives one session id to all it asks has a hundred exchanges replayed for certain, and no more."""
    floors = Floors(1)
    certain = [lifted(floors, exchange=f"{number}").drawn for number in range(300)]
    assert certain == [True] * MAX_TURNS + [False] * 200
    assert lifted(floors, exchange="x", now=HOUR_S) == LEFT_OUT


def test_an_exchange_handed_over_again_counts_once():
    """A store in trouble has the same batch decided on again and again: the floor is not used up by that."""
    floors = Floors(2)
    for _ in range(5):
        lifted(floors, talk=1, exchange="a")
    assert lifted(floors, talk=2, exchange="b").probability == 1.0


@pytest.mark.parametrize(
    "drawn", [Draw(False, 0.0), Draw(False, None, asked=True), Draw(True, 1.0, asked=True)], ids=["rate 0", "no", "yes"]
)
def test_some_draws_are_left_alone(drawn):
    """A rate of 0 means never, and what the application asked for is neither lifted nor counted."""
    floors = Floors(1)
    assert lifted(floors, drawn=drawn, talk=1) == drawn
    assert lifted(floors, talk=2).probability == 1.0


def test_made_up_segments_get_no_floor_beyond_a_bound():
    """Random model names cannot have everything replayed; when hours end there is room again."""
    floors = Floors(1, max_segments=10)
    certain = [lifted(floors, place=number, talk=number).drawn for number in range(30)]
    assert (certain, floors.segments) == ([True] * 10 + [False] * 20, 10)
    assert lifted(floors, place=99, talk=99, now=HOUR_S).drawn
    assert floors.segments == 1


def test_what_is_remembered_of_conversations_is_bounded():
    """The longest silent is forgotten first; a forgotten one is decided on anew."""
    floors = Floors(1, max_conversations=10)
    for number in range(30):
        lifted(floors, talk=number, place=number)
        lifted(floors, talk=0, place=0, exchange=f"{number}")
    assert len(floors._conversations) == 10
    assert lifted(floors, talk=0, place=50).drawn
    assert lifted(floors, talk=5, place=5) == LEFT_OUT


def test_what_may_not_be_sent_uses_up_no_floor():
    """An exchange without consent or that no model is mapped for has no place in it."""
    sample = {"rate": 1e-9, "floor_per_hour": 1}
    denied = decided(config(sample=sample, head="consent_default: deny"))
    unmapped = decided(config(sample=sample, models={}))
    assert (denied.reason, denied.probability, unmapped.probability) == ("not_drawn", 0.0, None)
    assert decided(config(sample=sample)).probability == 1.0


FLOOR = 3
SAMPLE = Sample(rate=0.15, floor_per_hour=FLOOR, rules=(SampleRule(where=Where(feature="summaries"), rate=0.5),))
ASKED = ((), (("x-shadow-sample", "always"),), (("x-shadow-sample", "never"),))


def population(chances, name):
    """Some hours of exchanges in the order of time: a busy segment, middling ones and thin ones; skewed costs that
    rise towards the end of each hour; conversations of several turns, some over hours; now and then a wish."""
    sizes = {("acme", "chat"): 120, ("acme", "summaries"): 40, ("zeta", "chat"): 25, ("thin", "agents"): 6}
    for place, (who, talks) in enumerate(sizes.items()):
        for number in range(talks):
            begun = chances.uniform(0, 3 * HOUR_S)
            asked = chances.choices(ASKED, (90, 5, 5))[0]
            exchange = chat(attribution=Attribution(*who), request_headers=JSON + asked)
            key = f"{name} {place} {number}".encode()
            level = chances.lognormvariate(0, 1)
            for turn in range(chances.choice((1, 1, 1, 2, 5))):
                at = begun + turn * chances.expovariate(1 / 1500)
                yield at, exchange, key, f"{turn}", level * (1 + at % HOUR_S / HOUR_S) * chances.uniform(0.5, 1.5)


def estimated(name, **bounds):
    """A population's true total; its sample's, weighted by the inverse of what was stored, and by that of the rate;
    and how many exchanges of the thin segment are in the sample."""
    chances = random.Random(name)  # noqa: S311 (a simulation)
    floors, rates, model = Floors(FLOOR, **bounds), Rates(SAMPLE), "m"
    truth = stored = by_rate = 0.0
    thin = 0
    for at, exchange, key, turn, cost in sorted(population(chances, name), key=lambda one: one[0]):
        plain = wish(exchange) or draw("ferry", key, rates.of(exchange.attribution, model))
        drawn = floors.lift(plain, segment(exchange.attribution, model), number_of(key), turn, at)
        if drawn.probability is None:
            continue  # `never`: no estimate speaks for it
        truth += cost
        if drawn.drawn:
            stored += cost / drawn.probability
            by_rate += cost / plain.probability
            thin += exchange.attribution.tenant == "thin"
    return truth, stored, by_rate, thin


def bias(estimates, truths):
    """The mean relative error of estimates, in standard errors of that mean; and such a standard error."""
    errors = [estimate / truth - 1 for estimate, truth in zip(estimates, truths, strict=True)]
    standard_error = stdev(errors) / len(errors) ** 0.5
    return fmean(errors) / standard_error, standard_error


@pytest.mark.parametrize("bounds", [{}, {"max_segments": 2, "max_conversations": 5}], ids=["roomy", "forgetful"])
def test_weighting_by_the_inverse_probability_gives_the_population(bounds):
    """Over 300 populations the weighted total is off by no bias that can be seen, floors included, `always` with a
    weight of one, and also where nearly everything is forgotten at once. A wrong weight would be seen."""
    truths, stored, by_rate, _ = zip(*(estimated(f"{number}", **bounds) for number in range(300)), strict=True)
    off, standard_error = bias(stored, truths)
    assert abs(off) < 3
    assert standard_error < 0.02
    assert bias(by_rate, truths)[0] > 6


def test_a_thin_segment_gets_its_floor():
    """A segment with six conversations in three hours has at least its floor in every population, which the rate
    alone gives in few."""
    assert min(estimated(f"{number}")[3] for number in range(30)) >= FLOOR
