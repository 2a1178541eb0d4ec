"""JSON as providers send it."""

import pytest

from shadow.wire.documents import (
    WORD_CHARACTERS,
    JSONError,
    as_json,
    mapping,
    parse,
    sequence,
    text,
    usage_in_fragment,
    word,
    word_in_fragment,
)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a": [1, 2.5, null, true, "x"]}', {"a": [1, 2.5, None, True, "x"]}),
        (b' \n\t {"a": 1}\r\n ', {"a": 1}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'{"seed": 18446744073709551616}', {"seed": 2.0**64}),
        ('{"a": "é漢🙂"}'.encode(), {"a": "é漢🙂"}),
        (b'{"a": "\\ud83d\\ude42"}', {"a": "🙂"}),
        (b'{"a": "\\ud83d"}', {"a": "?"}),
        (b'{"a": "\xff"}', {"a": "\ufffd"}),
        (b'{"a": -Infinity}', {"a": float("-inf")}),
    ],
)
def test_json_and_what_is_nearly_json(data: bytes, value: object) -> None:
    """Python's servers write NaN, cut surrogates and odd bytes; the rest of such an answer is still good."""
    assert parse(data) == value


@pytest.mark.parametrize("data", [b"", b"{", b'{"a": 1} x', b"data: {}", b"[" * 100_000, b'{"a":' * 100_000, b"\x00"])
def test_what_is_no_json_raises_one_error(data: bytes) -> None:
    """Whatever is wrong with a text, however deep, it is one error."""
    with pytest.raises(JSONError):
        parse(data)


@pytest.mark.parametrize("value", [None, 1, "x", [], {}, True, 1.5])
def test_a_value_of_another_type_is_an_empty_one(value: object) -> None:
    """Readers ask for what should be there and get nothing where something else is."""
    assert mapping(value) == {}
    assert list(sequence(value)) == []
    assert text(value) == (value if value == "x" else "")
    assert word(value) == ("x" if value == "x" else None)


def test_a_word_is_short() -> None:
    """Names become columns and labels: a hostile one is cut."""
    assert word("x" * 10_000) == "x" * WORD_CHARACTERS


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


def test_a_value_as_text() -> None:
    """What some send as a value is compared with what others send as text."""
    assert as_json({"x": [1, "é"]}) == '{"x":[1,"é"]}'
    assert as_json({"x": 2**70}) == ""
