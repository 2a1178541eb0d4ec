"""What a spreadsheet would compute is text to it."""

import pytest

from shadow.spreadsheet import inert


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_a_formula_is_text(name: str) -> None:
    """An apostrophe says so to every spreadsheet, and shows in none."""
    assert inert(name) == f"'{name}"


@pytest.mark.parametrize("name", ["", "acme", "a=1", "'quoted'", " =1"])
def test_any_other_text_is_left_alone(name: str) -> None:
    """Names come out as they went in."""
    assert inert(name) == name
