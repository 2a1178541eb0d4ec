"""Agreement: how alike two answers are."""

import pytest

from shadow.exchange import Agreement, Answer, Observation, ToolCall
from shadow.wire.agreement import agreement


def answered(*calls: ToolCall, text: str = "", finish: str | None = "stop", json: bool = False) -> Observation:
    """An observation of this answer."""
    features = frozenset({"json_object"} if json else ())
    return Observation(finish_reason=finish, features=features, answer=Answer(text, tool_calls=calls))


def calls_same(ones: list[ToolCall], others: list[ToolCall]) -> bool | None:
    """Whether two lists of tool calls are the same."""
    return agreement(answered(*ones), answered(*others)).tool_calls_same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("stop", "stop", True), ("stop", "length", False), ("stop", None, None), (None, None, None)],
)
def test_finish_reasons_are_compared_where_both_are_known(
    one: str | None, other: str | None, same: bool | None
) -> None:
    """An unknown reason is not a different one."""
    assert agreement(answered(finish=one), answered(finish=other)).finish_reason_same is same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('{"a": 1, "b": [true, null]}', '{ "b":[true,null],"a":1.0}', True),
        ('{"a": "\\u00e9"}', '{"a": "é"}', True),
        ('{"a": 1}', '{"a": 2}', False),
        ('{"a": 1}', '{"a": true}', False),
        ('{"a": 0}', '{"a": false}', False),
        ('{"a": 1}', '{"a": "1"}', False),
        ('{"a": [1, 2]}', '{"a": [2, 1]}', False),
        ('{"a": [1]}', '{"a": [1, 1]}', False),
        ('{"a": null}', "{}", False),
        ("{}", "", True),
        ("{half", "{half", True),
        ("{half", "{ha", False),
        ("{half", "{}", False),
        ("[" * 5000, "[" * 5000, True),
        ("[" * 900 + "]" * 900, "[ " * 900 + "]" * 900, False),
    ],
)
def test_arguments_are_compared_as_values(one: str, other: str, same: bool) -> None:
    """Spaces, order of members, escapes and 1.0 are no difference; types and order of elements are."""
    assert calls_same([ToolCall("f", one)], [ToolCall("f", other)]) is same


def test_parallel_calls_have_no_order() -> None:
    """The same calls in another order are the same; one of them twice is not both of them."""
    f, g = ToolCall("f", '{"x": 1}'), ToolCall("g", "{}")
    assert calls_same([f, g], [g, f]) is True
    assert calls_same([f, f], [f, g]) is False
    assert calls_same([f], [f, g]) is False
    assert calls_same([f], [ToolCall("g", '{"x": 1}')]) is False


def test_ids_of_calls_do_not_matter() -> None:
    """Each provider makes its own."""
    assert calls_same([ToolCall("f", "{}", "call_1")], [ToolCall("f", "{}", "toolu_1")]) is True


def test_where_nothing_was_called_there_is_nothing_to_compare() -> None:
    """Neither made a call: the question does not arise. One did: they differ."""
    assert calls_same([], []) is None
    assert calls_same([], [ToolCall("f", "{}")]) is False


@pytest.mark.parametrize(
    ("text", "valid"), [('{"a": 1}', True), (' {"a": 1}\n', True), ("[1]", False), ("Sure! {}", False), ("", False)]
)
def test_json_is_checked_where_it_was_asked_for(text: str, valid: bool) -> None:
    """A request for a JSON object wants an object and nothing around it."""
    assert agreement(answered(json=True), answered(text=text)).json_valid is valid


def test_a_schema_may_ask_for_any_json() -> None:
    """Under a schema an array can be right."""
    primary = Observation(features=frozenset({"json_schema"}))
    assert agreement(primary, answered(text="[1]")).json_valid is True


def test_json_is_not_checked_elsewhere() -> None:
    """Not where text was asked for, nor where a tool was called instead, nor of an error."""
    assert agreement(answered(), answered(text="{}")).json_valid is None
    assert agreement(answered(json=True), answered(ToolCall("f", "{}"))).json_valid is None
    assert agreement(answered(json=True), Observation(error_kind="timeout")).json_valid is None


def test_nothing_known_is_nothing_agreed() -> None:
    """Two observations without an answer agree on nothing and differ in nothing."""
    assert agreement(Observation(), Observation()) == Agreement()
