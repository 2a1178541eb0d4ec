"""The vocabulary: what its records can tell of themselves."""

from shadow.exchange import header


def test_a_header_is_found_by_its_name() -> None:
    """An absent header is None, not empty."""
    assert header((("retry-after", "2"),), "retry-after") == "2"
    assert header((), "retry-after") is None


def test_the_first_of_several_headers_counts() -> None:
    """Two values are not one: joined, neither would be a number or an id any more."""
    assert header((("retry-after", "2"), ("retry-after", "7")), "retry-after") == "2"
