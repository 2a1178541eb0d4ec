"""The little language model says the same to the same, and counts what it says."""

from decimal import Decimal
from typing import Any

import orjson
import pytest

from shadow.demo.catalogue import FLAKY, OPENROUTER, THRIFTY
from shadow.demo.model import generate

HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}]}
TOOL = {
    "type": "function",
    "function": {
        "name": "look",
        "parameters": {"properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
    },
}
FAST = OPENROUTER[0]
REASONER = next(model for model in OPENROUTER if model.reasons)


def test_the_same_request_and_seed_give_the_same_answer() -> None:
    """Nothing but model, messages and seed decides."""
    assert generate(FAST, HELLO, 1) == generate(FAST, {**HELLO, "stream": True}, 1)
    assert generate(FAST, HELLO, 1).text != generate(FAST, HELLO, 2).text
    assert generate(FAST, HELLO).text != generate(FAST, {"messages": [{"role": "user", "content": "Bye"}]}).text


def test_models_mostly_agree() -> None:
    """Two models asked the same say nearly the same words, and not quite."""
    one, other = generate(FAST, HELLO), generate(THRIFTY[0], HELLO)
    same = sum(1 for ours, theirs in zip(one.pieces, other.pieces, strict=True) if ours == theirs)
    assert len(one.pieces) * 0.8 < same < len(one.pieces)


def test_cost_is_tokens_times_price() -> None:
    """Exactly, in Decimal, by hand: 9 prompt tokens at $0.15 and the words at $0.60 a million."""
    said = generate(FAST, HELLO)
    assert said.prompt_tokens == 9
    assert said.completion_tokens == len(said.text.split())
    assert said.cost_usd == (9 * Decimal("0.15") + said.completion_tokens * Decimal("0.60")) / 1_000_000


def test_tokens_are_counted_by_kind() -> None:
    """Reasoning and arguments are completion tokens, too."""
    thinking = generate(REASONER, HELLO)
    assert thinking.completion_tokens == len(thinking.pieces) + len(thinking.thoughts) > len(thinking.pieces)
    calling = generate(FAST, {**HELLO, "tools": [TOOL]})
    assert calling.completion_tokens == -(-len(calling.arguments) // 4)


def test_a_limit_cuts_it_short() -> None:
    """`max_tokens`, under either name, ends it with `length`."""
    for name in ("max_tokens", "max_completion_tokens"):
        said = generate(FAST, {**HELLO, name: 5})
        assert (len(said.pieces), said.finish_reason) == (5, "length")


def test_it_calls_the_first_tool() -> None:
    """With arguments of the declared types, and only until it has a result."""
    said = generate(FAST, {**HELLO, "tools": [TOOL]})
    arguments = orjson.loads(said.arguments)
    assert (said.tool, said.finish_reason, said.text) == ("look", "tool_calls", "")
    assert [type(arguments[name]) for name in ("city", "days")] == [str, int]
    answered = {"messages": [*HELLO["messages"], {"role": "tool", "content": "sunny"}], "tools": [TOOL]}
    assert generate(FAST, answered).tool is None


def test_json_is_json() -> None:
    """Asked for a JSON object it gives one."""
    said = generate(FAST, {**HELLO, "response_format": {"type": "json_object"}})
    assert orjson.loads(said.text)["summary"]


@pytest.mark.parametrize("model", [*OPENROUTER, *THRIFTY, *FLAKY], ids=lambda model: model.name)
def test_costs_fit_a_json_number(model: Any) -> None:
    """Any cost up to a million tokens each way has at most fifteen digits: JSON carries it exactly."""
    cost = model.cost(999_999, 999_999)
    assert Decimal(repr(float(cost))) == cost


def test_the_thrifty_one_is_cheaper_and_slower() -> None:
    """Which is what the demo's report is to show."""
    assert max(model.input_usd for model in THRIFTY[:1]) < min(model.input_usd for model in OPENROUTER)
    assert min(model.first_token_s for model in THRIFTY) > max(model.first_token_s for model in OPENROUTER)
