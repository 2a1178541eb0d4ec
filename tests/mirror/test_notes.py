"""What was done to a request, noted."""

import pytest

from shadow.exchange import Rewrite
from shadow.mirror.notes import MAX_CHARACTERS, MAX_NOTES, ODD, Notes


def test_each_fact_is_noted_once_and_in_order():
    """A hundred messages with cache markers are one note."""
    notes = Notes()
    for name in ("b", "a", "b"):
        notes.drop(name, "prompt-cache")
        notes.map(f"{name} → x")
    assert notes.rewrite() == Rewrite(("b → x", "a → x"), ("b", "a"), ("prompt-cache",))


def test_notes_are_bounded():
    """Neither many nor long names swell a row."""
    notes = Notes()
    for number in range(1000):
        notes.drop(f"x{number}")
        notes.map(f"{number}" + "y" * 1000)
    noted = notes.rewrite()
    assert (len(noted.dropped), len(noted.mapped)) == (MAX_NOTES, MAX_NOTES)
    assert max(map(len, noted.mapped)) == MAX_CHARACTERS


@pytest.mark.parametrize("path", ["", "two words", "x" * 200, "né", "a\nb", "sk-or-v1-" + "0" * 80, "1x"])
def test_odd_names_are_not_written_down(path):
    """Where a field's name should be there may be anything, a key or a prompt among it."""
    notes = Notes()
    notes.drop(path)
    assert notes.rewrite().dropped == (ODD,)


@pytest.mark.parametrize("path", ["user", "messages[].content[].cache_control", "X-y.z_1"])
def test_plain_names_are(path):
    """Documented fields have plain names."""
    notes = Notes()
    notes.drop(path)
    assert notes.rewrite().dropped == (path,)
