"""Token counts and stated costs, from every provider's usage object."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.exchange import Usage
from shadow.wire.usage import ANOMALIES, MAX_TOKENS, Reported, normalise, reported


def counted(**usage: Any) -> Usage:
    """The counts of a usage object with 100 prompt and 20 completion tokens, unless it says otherwise."""
    return normalise({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, **usage})


def stated(text: str) -> Reported | None:
    """The cost that a usage object states, given as JSON text inside an answer."""
    source = f'{{"choices": [], "usage": {text}}}'
    return reported(json.loads(source)["usage"], source.encode())


@pytest.mark.parametrize(
    "usage",
    [
        pytest.param({"prompt_tokens_details": {"cached_tokens": 64}}, id="OpenAI, OpenRouter"),
        pytest.param({"prompt_token_details": {"cached_tokens": 64}}, id="Mistral, once"),
        pytest.param({"num_cached_tokens": 64}, id="Mistral"),
        pytest.param({"prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36}, id="DeepSeek"),
        pytest.param({"cached_tokens": 64}, id="Together"),
        pytest.param({"prompt_tokens_details": None, "cached_tokens": 64}, id="details are null"),
        pytest.param({"prompt_tokens_details": {"cached_tokens": None}, "cached_tokens": 64}, id="count is null"),
        pytest.param({"prompt_tokens_details": {"cached_tokens": 64}, "cached_tokens": 7}, id="the first one counts"),
    ],
)
def test_cached_tokens_have_many_names(usage: dict[str, Any]) -> None:
    """Under each provider's name the cached tokens are found, as a part of the input."""
    assert counted(**usage) == Usage(100, 20, 64)


def test_anthropics_cached_tokens_come_on_top() -> None:
    """Where reads and writes of the cache are left out of the input, they are added to it."""
    usage = {
        "input_tokens": 10,
        "output_tokens": 50,
        "cache_read_input_tokens": 5000,
        "cache_creation_input_tokens": 1000,
    }
    assert normalise(usage) == Usage(6010, 50, 5000, 1000)


def test_anthropics_names_beside_openais_add_nothing() -> None:
    """A gateway that sends both keeps OpenAI's convention; what only the other names say is still read."""
    both = {"cache_read_input_tokens": 64, "cache_creation_input_tokens": 9}
    assert counted(prompt_tokens_details={"cached_tokens": 64}, **both) == Usage(100, 20, 64, 9)


def test_anthropics_names_with_openais_total_are_part_of_the_input() -> None:
    """A server may borrow the name and keep the convention: its own total says so."""
    usage = {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010, "cache_read_input_tokens": 800}
    assert normalise(usage) == Usage(1000, 10, 800)


def test_a_total_that_leaves_the_cache_out_is_no_contradiction() -> None:
    """Where cached tokens come on top, the total may count them or not."""
    usage = {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 90}
    assert normalise({**usage, "total_tokens": 15}).anomalies == ()
    assert normalise({**usage, "total_tokens": 105}).anomalies == ()
    assert normalise({**usage, "total_tokens": 50}).anomalies == ("usage_total_mismatch",)


def test_responses_cached_tokens_are_part_of_the_input() -> None:
    """`/responses` calls its counts input and output and keeps OpenAI's convention."""
    details = {"input_tokens_details": {"cached_tokens": 64}, "output_tokens_details": {"reasoning_tokens": 8}}
    assert normalise({"input_tokens": 100, "output_tokens": 20, "total_tokens": 120, **details}) == Usage(
        100, 20, 64, None, 8
    )


def test_cache_writes_are_part_of_the_input() -> None:
    """OpenRouter counts what was written to a cache inside the prompt."""
    assert counted(prompt_tokens_details={"cached_tokens": 0, "cache_write_tokens": 90}) == Usage(100, 20, 0, 90)


@pytest.mark.parametrize(
    "usage", [{"completion_tokens_details": {"reasoning_tokens": 8}}, {"reasoning_tokens": 8}], ids=["OpenAI", "SGLang"]
)
def test_reasoning_tokens_are_part_of_the_output(usage: dict[str, Any]) -> None:
    """Where the total says so, reasoning is inside the completion."""
    assert counted(**usage) == Usage(100, 20, None, None, 8)


def test_xais_reasoning_tokens_come_on_top() -> None:
    """Where only the total includes the reasoning, it is added to the output."""
    assert counted(total_tokens=128, completion_tokens_details={"reasoning_tokens": 8}) == Usage(100, 28, None, None, 8)


def test_an_embedding_has_no_output() -> None:
    """A total that is the prompt says that nothing was generated: that is zero, and known."""
    assert normalise({"prompt_tokens": 8, "total_tokens": 8}) == Usage(8, 0)


def test_what_is_not_said_is_unknown() -> None:
    """Nothing is filled in."""
    assert normalise({"prompt_tokens": 8}) == Usage(8)
    assert normalise({"something": "else"}) == Usage()


@pytest.mark.parametrize(
    ("usage", "anomaly"),
    [
        ({"total_tokens": 121}, "usage_total_mismatch"),
        ({"cached_tokens": 101}, "usage_cached_exceeds_input"),
        ({"reasoning_tokens": 21}, "usage_reasoning_exceeds_output"),
    ],
)
def test_counts_that_contradict_each_other_are_flagged(usage: dict[str, Any], anomaly: str) -> None:
    """The counts are kept as sent, and the contradiction is named."""
    assert counted(**usage).anomalies == (anomaly,)
    assert anomaly in ANOMALIES


@pytest.mark.parametrize("count", ["100", -1, 1.5, True, [100], {}, MAX_TOKENS + 1, float("nan"), float("inf")])
def test_a_count_that_is_none_is_unknown_and_flagged(count: object) -> None:
    """Texts, fractions and negative or absurd numbers are not counts."""
    usage = normalise({"prompt_tokens": count, "completion_tokens": 20})
    assert usage == Usage(None, 20, anomalies=("usage_malformed",))


def test_a_whole_number_may_be_written_as_a_fraction() -> None:
    """12.0 tokens are 12 tokens."""
    assert normalise({"prompt_tokens": 12.0}).input_tokens == 12


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ('{"cost": 0.00012104999999999999}', "0.00012104999999999999"),
        ('{"cost": 0.000837}', "0.000837"),
        ('{"cost": 1e-7}', "1E-7"),
        ('{"cost": 12345678901234567890.12345678901234567890}', "12345678901234567890.12345678901234567890"),
        ('{"cost": 3}', "3"),
        ('{"cost": 0}', "0"),
        ('{"cost": -0.0}', "0"),
        ('{"cost_in_usd_ticks": 37756000}', "0.0037756000"),
        ('{"estimated_cost": 0.0000126}', "0.0000126"),
        ('{"cost": {"total_cost": 0.006, "input_tokens_cost": 0.001}}', "0.006"),
        ('{"cost": null, "estimated_cost": 0.5}', "0.5"),
    ],
)
def test_a_cost_is_the_decimal_that_was_written(text: str, cost: str) -> None:
    """No digit is lost or invented between the wire and the record."""
    found = stated(text)
    assert found is not None
    assert str(found.cost) == cost


@pytest.mark.parametrize("value", ['"0.1"', "true", "[]", "{}", "-0.5", "1e999999", "1e-999999", "NaN", "Infinity"])
def test_a_cost_that_is_no_amount_is_unknown(value: str) -> None:
    """What is not a non-negative amount is not taken for one."""
    assert stated(f'{{"cost": {value}}}') == Reported()


def test_byok_is_stated_beside_the_cost() -> None:
    """The fee, the mode and what the provider bills apart come out as they were written."""
    text = '{"cost": 0, "is_byok": true, "cost_details": {"upstream_inference_cost": 0.01230}}'
    assert stated(text) == Reported(Decimal(0), True, Decimal("0.01230"))
    assert stated('{"cost": 0.5, "is_byok": null, "cost_details": null}') == Reported(Decimal("0.5"))


def test_no_cost_is_stated() -> None:
    """Most providers state none, and OpenRouter may state null."""
    assert stated('{"prompt_tokens": 3}') is None
    assert stated('{"cost": null, "is_byok": false}') is None


def test_the_right_usage_object_is_read_again() -> None:
    """A tool's arguments, a key that looks alike and another usage object are not mistaken for it."""
    source = (
        r'{"choices": [{"text": "\"usage\": {\"cost\": 9}"}], "x": {"usage": {"cost": 7.5}},'
        r' "usage" : {"cost": 0.10000000000000000001}, "y": {"usage": {"cost": 8.5}}, "z": "usage"}'
    )
    found = reported(json.loads(source)["usage"], source.encode())
    assert found is not None
    assert found.cost == Decimal("0.10000000000000000001")


def test_a_body_of_nothing_but_usage_is_searched_from_its_end() -> None:
    """However often the key stands in a text, only the last few places are tried."""
    source = b'{"x": [' + b'{"usage": {"cost": 1.5}},' * 1000 + b'{}], "usage": {"cost": 0.10}}'
    assert str(reported({"cost": 0.1}, source).cost) == "0.10"  # type: ignore[union-attr]
    assert str(reported({"cost": 7.0}, source).cost) == "7.0"  # type: ignore[union-attr]


def test_ticks_of_one_model_are_not_those_of_all() -> None:
    """A usage object of a part of the answer is not taken for the whole's, though it has the same keys."""
    source = b'{"usage": {"cost_in_usd_ticks": 30}, "models": [{"usage": {"cost_in_usd_ticks": 10}}]}'
    assert reported({"cost_in_usd_ticks": 30}, source) == Reported(Decimal("3.0e-9"))


def test_a_cost_whose_text_is_lost_is_its_shortest_form() -> None:
    """Should the usage object not be found in the text again, the float's own digits are taken."""
    assert reported({"cost": 0.00012104999999999999}, b"") == Reported(Decimal("0.00012104999999999999"))


counts = st.sampled_from([0, 1, 2, 3, 3.0, -1, 1.5, True, "3", None, MAX_TOKENS, MAX_TOKENS + 1])
details = (
    st.none()
    | st.just([])
    | st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("cached_tokens", "cache_write_tokens", "reasoning_tokens"), counts)
    )
)
usages = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), counts),
        **dict.fromkeys(("prompt_tokens_details", "completion_tokens_details"), details),
        **dict.fromkeys(("input_tokens", "cache_read_input_tokens", "cached_tokens", "reasoning_tokens"), counts),
    },
)


@given(usages, st.booleans())
def test_the_usual_form_is_read_as_any_other(usage: dict[str, Any], adds_up: bool) -> None:
    """A name of another provider's, with nothing under it, changes nothing: only whether it is looked for."""
    if adds_up:
        usage |= {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    assert normalise(usage) == normalise({**usage, "num_cached_tokens": None})
