"""Which headers cross the sidecar."""

import pytest

from shadow.forward.headers import KEPT_VALUE_CHARACTERS, kept, request_headers, response_headers

ENDING_HERE = [
    b"Connection", b"Keep-Alive", b"Proxy-Authorization", b"Proxy-X", b"TE", b"Trailer", b"Transfer-Encoding",
    b"Upgrade", b"X-Shadow-Sample", b"x-shadow-anything",
]  # fmt: skip


def test_order_case_and_repeats_are_kept() -> None:
    """Headers go on in the order and spelling in which they came."""
    headers = [(b"b", b"1"), (b"A", b"2"), (b"B", b"3"), (b"b", b"1")]
    assert request_headers(headers, b"up", {}) == headers


def test_host_is_replaced_in_its_place() -> None:
    """Host names the upstream; all around it stays."""
    headers = [(b"A", b"1"), (b"HOST", b"sidecar"), (b"B", b"2")]
    assert request_headers(headers, b"up.example", {}) == [(b"A", b"1"), (b"HOST", b"up.example"), (b"B", b"2")]


@pytest.mark.parametrize("name", ENDING_HERE)
def test_hop_by_hop_and_own_headers_are_removed(name: bytes) -> None:
    """What is meant for this hop, or for the sidecar, ends here."""
    assert request_headers([(name, b"x")], b"up", {}) == []


def test_headers_listed_in_connection_are_removed() -> None:
    """Connection names further headers of this hop, in any case, over several lines."""
    headers = [(b"Connection", b"close, X-Hop"), (b"connection", b"x-other"), (b"x-hop", b"1"), (b"X-Other", b"2")]
    assert request_headers(headers, b"up", {}) == []


@pytest.mark.parametrize("name", [b"Authorization", b"Content-Length", b"Host", b"Content-Type", b"X-Api-Key"])
def test_connection_removes_no_end_to_end_header(name: bytes) -> None:
    """A client cannot be made to lose its credentials or its framing by listing them."""
    headers = [(b"Connection", name.lower()), (name, b"1")]
    assert request_headers(headers, b"1", {}) == [(name, b"1")]


def test_tag_is_added_where_the_client_sent_none() -> None:
    """A resolved value travels as a header at the end."""
    assert request_headers([(b"A", b"1")], b"up", {b"X-Tenant-Id": b"t"}) == [(b"A", b"1"), (b"X-Tenant-Id", b"t")]


def test_clients_own_tag_stays_as_it_is() -> None:
    """A header the client sent is neither replaced nor repeated, whatever its case."""
    headers = [(b"x-tenant-id", b"mine")]
    assert request_headers(headers, b"up", {b"X-Tenant-Id": b"other"}) == headers


def test_upstream_cannot_set_the_sidecars_mark() -> None:
    """The mark of the sidecar's own answers is removed from upstream's; other headers are not."""
    headers = [(b"x-shadow-error", b"1"), (b"X-Shadow-Other", b"2"), (b"Transfer-Encoding", b"chunked")]
    assert response_headers(headers) == [(b"X-Shadow-Other", b"2")]


def test_kept_headers_are_lower_case_text_of_the_allow_list() -> None:
    """Only allowed names are kept; bytes that are no text are marked as replaced."""
    headers = [(b"User-Agent", b"caf\xe9"), (b"Authorization", b"Bearer k")]
    assert kept(headers, frozenset({"user-agent"})) == (("user-agent", "caf\ufffd"),)


def test_kept_values_are_bounded() -> None:
    """A huge value does not fill the store."""
    ((_, value),) = kept([(b"user-agent", b"a" * 100_000)], frozenset({"user-agent"}))
    assert len(value) == KEPT_VALUE_CHARACTERS
