"""Which headers a record keeps."""

from shadow.forward.headers import KEPT_OF_ANSWER, KEPT_OF_REQUEST, KEPT_VALUE_CHARACTERS, kept


def test_kept_headers_are_text_of_the_allow_list() -> None:
    """Only allowed names are kept; bytes that are no text are marked as replaced."""
    fields = {b"user-agent": b"caf\xe9", b"authorization": b"Bearer k"}
    assert kept(fields, KEPT_OF_REQUEST) == (("user-agent", "caf\ufffd"),)


def test_kept_values_are_bounded() -> None:
    """A huge value does not fill the store."""
    ((_, value),) = kept({b"content-type": b"a" * 100_000}, KEPT_OF_ANSWER)
    assert len(value) == KEPT_VALUE_CHARACTERS
