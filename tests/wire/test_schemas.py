"""JSON schemas: what fits, and what is not judged because it would take too long."""

from typing import Any

import pytest

from shadow.wire.agreement import NOTES
from shadow.wire.schemas import SCHEMA_CHARACTERS, STEPS, VALUE_CHARACTERS, UncheckedError, fits

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[A-Z]"},
        "ages": {"type": "array", "items": {"type": "integer"}},
    },
    "required": ["name"],
    "additionalProperties": False,
}


def doubling(levels: int) -> dict[str, Any]:
    """A schema of a few lines whose every level asks for the next one twice, of the same value."""
    ends = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"$ref": "#/$defs/d0", "$defs": {**ends, f"d{levels}": {}}}


@pytest.mark.parametrize(
    ("value", "right"),
    [
        ({"name": "Ada"}, True),
        ({"name": "Ada", "ages": [1, 2.0]}, True),
        ({"name": "ada"}, False),
        ({"name": "Ada", "ages": ["1"]}, False),
        ({"name": "Ada", "more": 1}, False),
        ({}, False),
        ([], False),
    ],
)
def test_values_fit_or_do_not(value: Any, right: bool) -> None:
    """Types, required and additional properties, items and patterns count."""
    assert fits(value, PERSON, 20) is right


def test_references_within_the_schema_are_followed() -> None:
    """A tree is described by a schema that refers to itself."""
    tree = {"type": "object", "properties": {"next": {"$ref": "#"}}}
    assert fits({"next": {"next": {}}}, tree, 20) is True
    assert fits({"next": {"next": 1}}, tree, 20) is False


@pytest.mark.parametrize(
    ("schema", "value", "word"),
    [
        pytest.param(doubling(40), 1, "schema_too_costly", id="references that double"),
        pytest.param({"$ref": "#"}, 1, "schema_too_costly", id="a reference to itself"),
        pytest.param({"pattern": "^(a|aa)+$"}, "a" * 60 + "b", "schema_too_costly", id="a pattern that backtracks"),
        pytest.param({"items": {"pattern": "a"}}, ["b"] * STEPS, None, id="a wrong value is found early"),
        pytest.param({"items": {"pattern": "a"}}, ["a"] * 1000, "schema_too_costly", id="many patterns"),
        pytest.param({"uniqueItems": True}, [{"n": n} for n in range(5000)], "schema_too_costly", id="pairs of items"),
        pytest.param(
            {"items": {"enum": list(range(3000))}}, [2999] * 3000, "schema_too_costly", id="long enumerations"
        ),
        pytest.param({"$ref": "https://example.com/schema"}, 1, "schema_unusable", id="a schema elsewhere"),
        pytest.param({"type": "nonsense"}, 1, "schema_unusable", id="no such type"),
        pytest.param({"pattern": "("}, "a", "schema_unusable", id="no pattern"),
        pytest.param({"minimum": "1"}, 1, "schema_unusable", id="a keyword of the wrong type"),
        pytest.param("object", 1, "schema_unusable", id="no schema"),
        pytest.param({"patternProperties": {"(a+)+$": {}}}, {}, "schema_unbounded", id="patterns of names"),
        pytest.param({"properties": {"x" * SCHEMA_CHARACTERS: {}}}, {}, "schema_too_large", id="a long schema"),
    ],
)
def test_what_cannot_be_judged_in_time_is_not_judged(schema: Any, value: Any, word: str | None) -> None:
    """Hostile schemas end with a word of the closed set; the test's own time limit sees to it that they end."""
    if word is None:
        assert fits(value, schema, 20) is False
        return
    assert word in NOTES
    with pytest.raises(UncheckedError, match=word):
        fits(value, schema, 20)


def test_long_answers_are_not_judged() -> None:
    """Nor is anything read of them."""
    with pytest.raises(UncheckedError, match="schema_too_large"):
        fits({}, {}, VALUE_CHARACTERS + 1)
