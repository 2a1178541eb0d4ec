"""Which headers cross the sidecar: pure functions over raw header lists, in which order, case and repeats are kept.

Hop-by-hop headers end here (RFC 9110, section 7.6.1), and so do tags meant for the sidecar alone. All else goes on
as it came.
"""

from collections.abc import Iterable, Mapping, Sequence
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
    passed, present = [], set()
    for lower, name, value in _end_to_end(headers):
        if not lower.startswith(OWN_PREFIX):
            passed.append((name, host if lower == b"host" else value))
            present.add(lower)
    passed += [(name, value) for name, value in tags.items() if name.lower() not in present]
    return passed


def response_headers(headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    """What goes back to the client: an upstream cannot set the mark of the sidecar's own answers."""
    return [(name, value) for lower, name, value in _end_to_end(headers) if lower != OWN_ERROR.lower()]


def by_name(headers: RawHeaders) -> dict[bytes, list[bytes]]:
    """All values under each name in lower case, in order."""
    found: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(value)
    return found


def members(values: Iterable[bytes]) -> frozenset[bytes]:
    """The members of a comma-separated header, lower case."""
    found = (member.strip().lower() for value in values for member in value.split(b","))
    return frozenset(member for member in found if member)


def kept(headers: RawHeaders, allowed: frozenset[str]) -> Headers:
    """The headers on an allow-list as text, names in lower case, values bounded, for the record of the exchange."""
    found = ((name.decode("latin-1").lower(), value) for name, value in headers)
    return tuple((name, text(value)) for name, value in found if name in allowed)


def text(value: bytes) -> str:
    """A header's value as text that any encoder takes: UTF-8 with the rest marked as replaced, and bounded."""
    return value[: KEPT_VALUE_CHARACTERS * 4].decode("utf-8", "replace")[:KEPT_VALUE_CHARACTERS]


def _end_to_end(headers: RawHeaders) -> list[tuple[bytes, bytes, bytes]]:
    """The headers that go on, each with its name in lower case before it."""
    lowered = [(name.lower(), name, value) for name, value in headers]
    listed = members(value for lower, _, value in lowered if lower == b"connection")
    dropped = HOP_BY_HOP | (listed - END_TO_END) if listed else HOP_BY_HOP
    return [one for one in lowered if one[0] not in dropped and not one[0].startswith(b"proxy-")]
