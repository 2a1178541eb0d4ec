"""Which headers a record keeps."""

from shadow.forward.headers import KEPT_OF_ANSWER, KEPT_OF_REQUEST, KEPT_VALUE_CHARACTERS, kept, kept_of_request


def test_kept_headers_are_text_of_the_allow_list() -> None:
    """Only allowed names are kept; bytes that are no text are marked as replaced."""
    fields = {b"user-agent": b"caf\xe9", b"authorization": b"Bearer k"}
    assert kept(fields, KEPT_OF_REQUEST) == {"user-agent": "caf\ufffd"}


def test_kept_values_are_bounded() -> None:
    """A huge value does not fill the store."""
    [value] = kept({b"content-type": b"a" * 100_000}, KEPT_OF_ANSWER).values()
    assert len(value) == KEPT_VALUE_CHARACTERS


def test_of_provider_keys_only_their_presence_is_kept() -> None:
    """That they were sent is a fact for the inventory; what they are stays on the wire."""
    fields = {b"x-provider-api-keys": b'{"openai":"sk-canary"}', b"user-agent": b"a"}
    assert kept_of_request(fields) == {"user-agent": "a", "x-provider-api-keys": "present"}
