"""Fragments: what the ends of a cut answer tell."""

import functools
import json
from decimal import Decimal

import orjson
import pytest

from shadow.wire.fragments import exact_usage, usage_in_fragment, word_in_fragment
from shadow.wire.usage import BILLED_APART


@pytest.mark.parametrize(
    ("start", "model"),
    [
        (b'{"id" : "gen-1", "model":"v/m", "choi', "v/m"),
        (b'{"checks": [{"model": "guard"}], "model": "v/m", "choi', "v/m"),
        (b'{"text": "}]\\"", "model": "v/m", "choi', "v/m"),
        (b'{"checks": [{"model": "guard"', None),
        (b'{"id": "gen-1", "mo', None),
        (b'{"model": ["v/m"]', None),
    ],
)
def test_a_word_of_a_fragment_is_the_whole_answers(start: bytes, model: str | None) -> None:
    """The model of something inside the answer is not the answer's."""
    assert word_in_fragment(start, "model") == model


@pytest.mark.parametrize(
    ("end", "usage"),
    [
        (b'half a text"}],"usage":{"prompt_tokens":3}}', {"prompt_tokens": 3}),
        (b'half"}],"usage":{"prompt_tokens":3},"x":[{"y":"}]\\"}"}]}\n', {"prompt_tokens": 3}),
        (b'half"}],"usage":{"prompt_tokens":3},"breakdown":[{"usage":{"prompt_tokens":1}}]}', {"prompt_tokens": 3}),
        (b'half"}],"breakdown":[{"usage":{"prompt_tokens":1}}]}', {}),
        (b'half"}],"usage":{"prompt_tokens":3}', {}),
        (b'half"}],"usage":{"prompt_tok', {}),
        ('é"}],"usage":{"é":1}}'.encode(), {"Ã©": 1}),
    ],
)
def test_the_usage_of_a_fragment_is_the_whole_answers(end: bytes, usage: dict[str, int]) -> None:
    """A count of a part of the answer, or one whose place cannot be told, is not taken for it."""
    assert usage_in_fragment(end) == usage


@pytest.mark.parametrize(
    "text",
    [
        '{"usage": {"cost" : 0.00012104999999999999000, "n": 3}}',
        '{"costs": [1.5], "usage": {"n": 3, "cost":1.2104999999999999e-4}, "note": "\\"cost\\": 7.5"}',
        '{"items": [{"cost": 0.5, "n": 1}], "usage": {"cost": 0.10000000000000000555, "n": 3}}',
        '{"usage": {"cost": {"total_cost": 0.10}, "cost_details": {"upstream_inference_cost": 1e-7}}}',
        '{"usage": {"cost": 0.10, "more": {"of": {"this": [0.5]}}}, "service": {"usage": {"cost": 0.2}}}',
    ],
)
def test_amounts_are_taken_as_they_are_written(text: str) -> None:
    """Digit by digit, wherever else in the text something is called alike."""
    exact = json.loads(text, parse_float=Decimal)["usage"]
    found = exact_usage(text.encode(), json.loads(text)["usage"], BILLED_APART)
    assert [str(found[key]) for key in exact if "cost" in key] == [str(exact[key]) for key in exact if "cost" in key]


@pytest.mark.parametrize("key", ["a", "cost", "cost_details"])
def test_usage_as_deep_as_json_goes_is_looked_through(key: str) -> None:
    """Nesting that no provider sends costs neither the stack nor the amount beside it."""
    deep = json.dumps(functools.reduce(lambda inner, _: {key: inner}, range(900), {}))
    text = b'{"usage":{"estimated_cost":0.10,"cost_details":%s,"cost":%s}}' % (deep.encode(), deep.encode())
    assert str(exact_usage(text, orjson.loads(text)["usage"], BILLED_APART)["estimated_cost"]) == "0.10"
