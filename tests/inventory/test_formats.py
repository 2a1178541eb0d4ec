"""The inventory in every format: complete, readable, and safe whatever a name holds."""

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from shadow.inventory import as_csv, as_json, as_markdown, text
from shadow.inventory.document import ROWS_MOST, Column, Document, section
from shadow.inventory.facts import Facts
from shadow.inventory.inventory import inventory

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
COLUMNS = (
    Column("name", "name", "label"),
    Column("calls", "calls", "count"),
    Column("cost_usd", "cost, USD", "usd"),
    Column("share", "share", "share"),
    Column("others", "others", "words"),
    Column("means", "for the move"),
)
HOSTILE = "=<script>|\x1b[31m`x`"


def document(*rows: tuple[object, ...]) -> Document:
    return Document(AT, AT, 7, (section("names", "Names", "What they mean.", COLUMNS, rows),))  # type: ignore[arg-type]


ONE = document(("acme", 1234, Decimal("12.5"), 0.25, ("a", "b"), "moves first"))


def test_text_has_numbers_in_columns_and_words_under_them() -> None:
    """What the row means comes last, after an arrow."""
    lines = text.render(ONE, 80).splitlines()
    assert lines[:2] == ["Inventory", "7 model calls from 2026-11-25 to 2026-11-25, UTC"]
    assert lines[-2:] == ["  acme  1,234      12.50  25.0 %", "      others a, b → moves first"]


def test_unknown_is_a_dash() -> None:
    """Never a zero."""
    assert (
        text.render(document(("acme", 1, None, None, (), None)), 80).splitlines()[-1]
        == "  acme      1          —      —"
    )


def test_an_empty_store_says_what_to_do() -> None:
    """In text and Markdown a sentence, in JSON and CSV no rows."""
    nothing = inventory(Facts(), None)
    assert "No model calls in this period" in text.render(nothing, 80)
    assert "No model calls in this period" in as_markdown.render(nothing)
    assert json.loads(as_json.render(nothing))["calls"] == 0


def test_markdown_is_a_table() -> None:
    """Numbers to the right."""
    lines = as_markdown.render(ONE).splitlines()
    assert lines[-2:] == [
        "|---|---:|---:|---:|---|---|",
        "| acme | 1,234 | 12.50 | 25.0 % | a, b | moves first |",
    ]


def test_json_is_typed() -> None:
    """Money is a decimal string, a share a number, a list a list, unknown null."""
    body = json.loads(as_json.render(ONE))
    assert (body["schema"], body["period"]["first_at"]) == ("shadow-inventory/1", "2026-11-25T12:00:00+00:00")
    assert body["sections"]["names"]["rows"] == [
        {"name": "acme", "calls": 1234, "cost_usd": "12.5", "share": 0.25, "others": ["a", "b"], "means": "moves first"}
    ]


def test_csv_has_a_line_for_each_value() -> None:
    """All sections fit into one sheet."""
    lines = list(csv.DictReader(io.StringIO(as_csv.render(ONE))))
    assert lines[1] == {"section": "names", "row": "1", "column": "calls", "value": "1234"}


@pytest.mark.parametrize(
    "render", [lambda one: text.render(one, 80), as_markdown.render, as_json.render, as_csv.render]
)
def test_a_hostile_name_is_a_name(render: object) -> None:
    """No markup, no escape sequence, no formula comes out of it."""
    rendered = render(document((HOSTILE, 1, None, None, (), None)))  # type: ignore[operator]
    assert "\x1b" not in rendered
    assert "| =<script>" not in rendered
    assert not [line for line in rendered.splitlines() if line.startswith("names,1,name,=")]


def test_rows_that_are_left_out_are_counted() -> None:
    """Five thousand tenants are a table of two hundred and a number."""
    rows = [(f"t{number}", 1, None, None, (), None) for number in range(5000)]
    many = document(*rows)
    assert len(many.sections[0].rows) == ROWS_MOST
    assert "4,800 smaller rows left out" in text.render(many, 80)
    assert "4,800 smaller rows left out" in as_markdown.render(many)
    assert json.loads(as_json.render(many))["sections"]["names"]["omitted"] == 4800
