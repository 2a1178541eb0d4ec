"""Agreement: how alike two answers are."""

import orjson
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
    ],
)
def test_arguments_are_compared_as_values(one: str, other: str, same: bool) -> None:
    """Spaces, order of members, escapes and 1.0 are no difference; types and order of elements are."""
    assert calls_same([ToolCall("f", one)], [ToolCall("f", other)]) is same


def test_arguments_nested_too_deep_to_compare_are_different(monkeypatch: pytest.MonkeyPatch) -> None:
    """How deep that is depends on the interpreter; it is no error."""

    def too_deep(*_: object) -> bool:
        raise RecursionError

    monkeypatch.setattr("shadow.wire.agreement.same_json", too_deep)
    assert calls_same([ToolCall("f", "[1]")], [ToolCall("f", "[1]")]) is False


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


def test_names_of_calls_are_compared_apart() -> None:
    """The same functions with other arguments: names agree, calls do not."""
    f, other = ToolCall("f", '{"x": 1}'), ToolCall("f", '{"x": 2}')
    g = ToolCall("g", "{}")
    names = [
        agreement(answered(*ones), answered(*others)).tool_names_same
        for ones, others in (([f], [other]), ([f, g], [g, other]), ([f], [g]), ([f], [f, f]), ([], []), ([], [f]))
    ]
    assert names == [True, True, False, False, None, False]


def asked(text: str, schema: object = None) -> bytes:
    """The body of a request for an answer that fits a schema."""
    return orjson.dumps({"response_format": {"type": "json_schema", "json_schema": {"name": text, "schema": schema}}})


NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def fitting(primary: str, replay: str, request: bytes) -> Agreement:
    wanted = Observation(features=frozenset({"json_schema"}), answer=Answer(primary))
    return agreement(wanted, answered(text=replay), request)


def test_answers_of_both_arms_are_held_against_the_schema() -> None:
    """Broken JSON fits no schema; JSON may be valid and not fit."""
    found = fitting('{"n": "1"}', "{", asked("n", NUMBER))
    assert (found.primary_json_valid, found.primary_schema_valid) == (True, False)
    assert (found.json_valid, found.schema_valid) == (False, False)
    assert fitting('{"n": 1}', '{"n": 2}', asked("n", NUMBER)).schema_valid is True


@pytest.mark.parametrize("request_", [b"", b"{}", b"{half", b'{"response_format": {"type": "json_schema"}}'])
def test_schema_that_was_not_sent_is_noted(request_: bytes) -> None:
    """A dialect that takes no schema: the answer is JSON or not, and more is not said."""
    found = fitting('{"n": 1}', '{"n": 1}', request_)
    assert (found.json_valid, found.schema_valid, found.notes) == (True, None, ("schema_missing",))


def test_schema_that_cannot_be_judged_is_noted() -> None:
    """The word for why is there once, for both arms."""
    assert fitting("{}", "{}", asked("n", {"type": "nonsense"})).notes == ("schema_unusable",)


@pytest.mark.parametrize(
    ("one", "other", "similarity"),
    [
        ("", "", None),
        ("yes", "yes", 1.0),
        ("yes", "", 0.0),
        ("abcd", "abXd", 0.75),
        ("Grüße", "Grüsse", 2 * 4 / 11),
        ("a" * 8000 + "b" * 10, "a" * 8000 + "c" * 10, 1.0),
    ],
)
def test_texts_are_as_similar_as_they_share_characters(one: str, other: str, similarity: float | None) -> None:
    """Twice the longest common subsequence by both lengths, of their first 8,000 characters."""
    assert agreement(answered(text=one), answered(text=other)).text_similarity == (
        None if similarity is None else pytest.approx(similarity)
    )


def test_cut_texts_are_noted() -> None:
    """Whoever reads the similarity can tell that it is of a part."""
    assert agreement(answered(text="a" * 8001), answered(text="a")).notes == ("text_cut",)
    assert agreement(answered(text="a" * 8000), answered(text="a")).notes == ()


def test_refusals_of_both_arms() -> None:
    """In words of its own or by a filter; an answer without an end tells nothing."""
    refused = Observation(finish_reason="stop", answer=Answer(refusal="I cannot help with that."))
    filtered, silent = answered(finish="content_filter"), answered(finish=None)
    found = [agreement(one, other) for one, other in ((refused, answered()), (answered(), filtered), (silent, silent))]
    assert [(one.primary_refused, one.refused) for one in found] == [(True, False), (False, True), (None, None)]


def test_refusal_is_not_invalid_json() -> None:
    """It is counted as what it is."""
    declined = Observation(finish_reason="stop", answer=Answer(refusal="No."))
    assert agreement(answered(json=True, text="{}"), declined).json_valid is None
