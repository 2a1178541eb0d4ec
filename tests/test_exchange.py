"""The vocabulary: what its records can tell of themselves."""

from shadow.exchange import Body, Usage, header


def test_a_header_is_found_by_its_name() -> None:
    """An absent header is None, not empty."""
    assert header((("retry-after", "2"),), "retry-after") == "2"
    assert header((), "retry-after") is None


def test_the_first_of_several_headers_counts() -> None:
    """Two values are not one: joined, neither would be a number or an id any more."""
    assert header((("retry-after", "2"), ("retry-after", "7")), "retry-after") == "2"


def test_records_are_values() -> None:
    """Two of the same content are one, as a key too, and none has room for what is not a field of it."""
    assert Body(b"a", size=1) == Body(b"a", size=1) != Body(b"b", size=1)
    assert len({Usage(3, 2), Usage(3, 2), Usage(3, 1)}) == 2
    assert not hasattr(Body(), "__dict__")
