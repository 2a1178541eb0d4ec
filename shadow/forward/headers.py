"""Which headers mean something to the sidecar, and which of them a record keeps."""

from collections.abc import Mapping
from typing import Final

from shadow.exchange import KEPT_REQUEST_HEADERS, KEPT_RESPONSE_HEADERS
from shadow.forward.heads import Fields

OWN_PREFIX: Final = b"x-shadow-"
KEPT_VALUE_CHARACTERS: Final = 1024  # of a header on the allow-lists: far above any sane content type or user agent

PRESENT_ONLY: Final = b"x-provider-api-keys"  # a secret: that it was there, and no byte of it
# The allow-lists: a name on the wire → in the record.
KEPT_OF_REQUEST: Final = {name.encode(): name for name in KEPT_REQUEST_HEADERS - {PRESENT_ONLY.decode()}}
KEPT_OF_ANSWER: Final = {name.encode(): name for name in KEPT_RESPONSE_HEADERS}


def kept(fields: Fields, allowed: Mapping[bytes, str]) -> dict[str, str]:
    """The headers on an allow-list as text, values bounded, for the record of the exchange."""
    return {allowed[name]: text(value) for name, value in fields.items() if name in allowed}


def kept_of_request(fields: Fields) -> dict[str, str]:
    """Those of a request; the one whose value is a secret stands there without it."""
    found = kept(fields, KEPT_OF_REQUEST)
    if PRESENT_ONLY in fields:
        found[PRESENT_ONLY.decode()] = "present"
    return found


def text(value: bytes) -> str:
    """A header's value as text that any encoder takes: UTF-8 with the rest marked as replaced, and bounded."""
    return value[: KEPT_VALUE_CHARACTERS * 4].decode("utf-8", "replace")[:KEPT_VALUE_CHARACTERS]
