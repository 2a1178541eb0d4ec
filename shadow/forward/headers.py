"""Which headers cross the sidecar: pure functions over raw header lists, in which order, case and repeats are kept.

Hop-by-hop headers end here (RFC 9110, section 7.6.1), and so do tags meant for the sidecar alone. All else goes on
as it came.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from shadow.exchange import Headers

RawHeaders = Sequence[tuple[bytes, bytes]]

HOP_BY_HOP: Final = frozenset({b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"})
# A client that lists one of these in Connection would otherwise strip its own credentials or change the framing.
END_TO_END: Final = frozenset(
    {
        b"accept", b"accept-encoding", b"api-key", b"authorization", b"content-encoding", b"content-length",
        b"content-type", b"cookie", b"host", b"location", b"set-cookie", b"user-agent", b"x-api-key",
    }
)  # fmt: skip
OWN_PREFIX: Final = b"x-shadow-"
OWN_ERROR: Final = b"X-Shadow-Error"  # only on answers that the sidecar made itself
KEPT_VALUE_CHARACTERS: Final = 1024  # of a header on the allow-lists: far above any sane content type or user agent


def request_headers(headers: RawHeaders, host: bytes, tags: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """What goes upstream: `Host` is the upstream's, and a tag is added where the client did not send that header."""
    kept = []
    for name, value in _end_to_end(headers):
        lower = name.lower()
        if lower == b"host":
            value = host
        if not lower.startswith(OWN_PREFIX):
            kept.append((name, value))
    present = {name.lower() for name, _ in kept}
    kept += [(name, value) for name, value in tags.items() if name.lower() not in present]
    return kept


def response_headers(headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    """What goes back to the client: an upstream cannot set the mark of the sidecar's own answers."""
    return [(name, value) for name, value in _end_to_end(headers) if name.lower() != OWN_ERROR.lower()]


def values(headers: RawHeaders, lower_name: bytes) -> list[bytes]:
    """All values of one header, in order."""
    return [value for name, value in headers if name.lower() == lower_name]


def kept(headers: RawHeaders, allowed: frozenset[str]) -> Headers:
    """The headers on an allow-list as text, names in lower case, values bounded, for the record of the exchange."""
    found = ((name.decode("latin-1").lower(), value) for name, value in headers)
    return tuple((name, text(value)) for name, value in found if name in allowed)


def text(value: bytes) -> str:
    """A header's value as text that any encoder takes: UTF-8 with the rest marked as replaced, and bounded."""
    return value[: KEPT_VALUE_CHARACTERS * 4].decode("utf-8", "replace")[:KEPT_VALUE_CHARACTERS]


def listed(headers: RawHeaders, lower_name: bytes) -> frozenset[bytes]:
    """The members of a comma-separated header, lower case."""
    members = b",".join(values(headers, lower_name)).split(b",")
    return frozenset(member.strip().lower() for member in members if member.strip())


def _end_to_end(headers: RawHeaders) -> Iterator[tuple[bytes, bytes]]:
    dropped = HOP_BY_HOP | (listed(headers, b"connection") - END_TO_END)
    for name, value in headers:
        lower = name.lower()
        if lower not in dropped and not lower.startswith(b"proxy-"):
            yield name, value
