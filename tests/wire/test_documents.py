"""JSON as providers send it."""

import orjson
import pytest

from shadow.wire.documents import (
    MAX_PARTS,
    WORD_CHARACTERS,
    JSONError,
    as_json,
    mapping,
    parse,
    sequence,
    text,
    word,
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


def test_a_value_as_text() -> None:
    """What some send as a value is compared with what others send as text."""
    assert as_json({"x": [1, "é"]}) == '{"x":[1,"é"]}'
    assert as_json({"x": 2**70}) == ""


@pytest.mark.parametrize("part", [b"{},", b"[],", b"0,"])
def test_a_text_of_nothing_but_parts_is_refused(part: bytes) -> None:
    """A few megabytes of brackets would become a gigabyte of objects."""
    with pytest.raises(JSONError):
        parse(b"[" + part * (MAX_PARTS // (len(part) - 1)) + b"0]")


def test_a_long_text_is_no_flood_of_parts() -> None:
    """A book in one string, commas included, is read."""
    book = "It was the best of times, it was the worst of times, " * 40_000
    assert parse(orjson.dumps({"content": book})) == {"content": book}
