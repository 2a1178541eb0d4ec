from decimal import Decimal

import pytest

from shadow.report.layout import (
    Cell,
    columns,
    count,
    dollars,
    duration,
    estimated_dollars,
    many,
    painter,
    percent,
    safe,
    table,
    wrapped,
)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("acme", "acme"),
        ("Zoë & 株式会社", "Zoë & 株式会社"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("two\nlines\t", "two\\nlines\\t"),
        ("\x9b31m", "\\x9b31m"),
        ("txt.\u202eexe", "txt.\\u202eexe"),
        ("a\u200bb", "a\\u200bb"),
        ("a\xa0b", "a\\xa0b"),
        ("back\\x1b", "back\\\\x1b"),
        ("", '""'),
    ],
)
def test_names_are_shown_safely(name: str, shown: str) -> None:
    """What a terminal would act on or hide is written out; what people write is left alone."""
    assert safe(name) == shown


@pytest.mark.parametrize("name", ["x" * 1000, "株" * 30, "\x00" * 30, "e" + "\u0301" * 5000])
def test_long_names_are_cut_to_the_columns_they_take(name: str) -> None:
    """The cut is marked, and no name takes more than its column or holds unbounded marks."""
    shown = safe(name, 20)
    assert (columns(shown) <= 20, len(shown) <= 81, shown[-1]) == (True, True, "…")


def test_columns_line_up() -> None:
    """Names to the left, numbers to the right, wide characters counted as two."""
    rows = [[Cell(""), Cell("pairs")], [Cell("株"), Cell("7")], [Cell("acme"), Cell("1,000")]]
    assert table(rows, painter(False)) == ["        pairs", "  株        7", "  acme  1,000"]


def test_colour_does_not_move_columns() -> None:
    """Control sequences take no room, and no style is left open."""
    rows = [[Cell("a"), Cell("−1", "good")], [Cell("b"), Cell("−10", "bad")]]
    assert table(rows, painter(True)) == ["  a   \x1b[32m−1\x1b[0m", "  b  \x1b[31m−10\x1b[0m"]


def test_words_are_wrapped() -> None:
    """At the last space that fits; later lines are indented as told."""
    assert wrapped("one two three", 9, "", "  ") == ["one two", "  three"]


def test_a_number_stays_with_its_unit() -> None:
    """A line does not begin with a per cent sign."""
    assert wrapped("errors (2.5 %), or so", 12) == ["errors", "(2.5 %), or", "so"]


def test_nothing_to_wrap() -> None:
    """No words, no lines."""
    assert wrapped("", 10) == []


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("0", "0.00"),
        ("1234.567", "1,234.57"),
        ("0.5", "0.500"),
        ("0.00012345", "0.000123"),
        ("-0.0042", "−0.00420"),
        ("1e-15", "0.000000000000"),
    ],
)
def test_dollars_have_digits_that_say_something(amount: str, shown: str) -> None:
    """Cents for sums, three significant digits for what one call costs."""
    assert dollars(Decimal(amount)) == shown


@pytest.mark.parametrize(("amount", "shown"), [("1234.5", "+1,234"), ("-12.345", "−12.34"), ("0.0012345", "+0.00123")])
def test_estimated_dollars_claim_no_cents_of_hundreds(amount: str, shown: str) -> None:
    """An estimate is not exact to the cent."""
    assert estimated_dollars(Decimal(amount)) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (2.345, "+2.35"),
        (-123.44, "−123.4"),
        (0.0123, "+0.012"),
        (0.004123, "+0.00412"),
        (-0.0000123, "−0.0000123"),
        (1e-9, "0.000"),
        (0.0, "0.000"),
    ],
)
def test_durations(value: float, shown: str) -> None:
    """Three digits, of which none is below a millisecond unless there are only a few; nothing has no sign."""
    assert duration(value, signed=True) == shown


@pytest.mark.parametrize(
    ("share", "shown"), [(0.123, "12.3 %"), (-0.25, "−25.0 %"), (0.0, "0.0 %"), (0.0004, "0.04 %")]
)
def test_percentages(share: float, shown: str) -> None:
    """To a tenth; what is rare but there does not become zero."""
    assert percent(share) == shown


def test_counts() -> None:
    """Thousands apart."""
    assert count(1234567) == "1,234,567"


def test_so_many_of_something() -> None:
    """One is not several."""
    assert [many(number, "pair") for number in (0, 1, 2000)] == ["0 pairs", "1 pair", "2,000 pairs"]
