"""The sidecar's own answers: constant text, in the shape that OpenAI's clients read, marked by a header.

Nothing of a request is repeated in them: a malformed header may hold a key.
"""

import re
from dataclasses import dataclass
from typing import Final

import orjson

from shadow.forward.headers import OWN_ERROR, RawHeaders, by_name, members

ORIGIN_FORM: Final = re.compile(rb"/[\x21\x22\x24-\x7e]*")  # printable ASCII without `#` (RFC 9112, section 3.2.1)
LENGTH: Final = re.compile(rb"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer the sidecar gives itself. `code` is a word for programs, `message` a sentence for people."""

    status: int
    reason: bytes
    code: str
    message: str

    @property
    def body(self) -> bytes:
        error = {"message": self.message, "type": "shadow_sidecar_error", "param": None, "code": self.code}
        return orjson.dumps({"error": error})

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        return [(b"Content-Type", b"application/json"), (OWN_ERROR, self.code.encode())]


# Requests that are not forwarded.
MALFORMED: Final = Refusal(400, b"Bad Request", "malformed_request", "The request is not well-formed HTTP.")
BAD_TARGET: Final = Refusal(400, b"Bad Request", "bad_target", "The request target must be a path on this server.")
BAD_FRAMING: Final = Refusal(400, b"Bad Request", "bad_framing", "The length of the request body is ambiguous.")
BAD_HOST: Final = Refusal(400, b"Bad Request", "bad_host", "The request names no host, or more than one.")
BAD_HEADER: Final = Refusal(400, b"Bad Request", "bad_header", "A header value is not UTF-8.")
BAD_CODING: Final = Refusal(501, b"Not Implemented", "bad_coding", "Only the chunked transfer coding is supported.")
BAD_VERSION: Final = Refusal(505, b"HTTP Version Not Supported", "bad_version", "Only HTTP/1.0 and 1.1 are spoken.")
UPGRADE: Final = Refusal(501, b"Not Implemented", "upgrade", "WebSocket upgrades are not supported.")
TUNNEL: Final = Refusal(501, b"Not Implemented", "tunnel", "CONNECT is not supported.")
REQUEST_REFUSALS: Final = (
    MALFORMED, BAD_TARGET, BAD_FRAMING, BAD_HOST, BAD_HEADER, BAD_CODING, BAD_VERSION, UPGRADE, TUNNEL,
)  # fmt: skip

# Forwarded, and nothing came of it.
UNREACHABLE: Final = Refusal(502, b"Bad Gateway", "upstream_unreachable", "The upstream could not be reached.")
TLS_FAILED: Final = Refusal(502, b"Bad Gateway", "upstream_tls_failed", "TLS with the upstream failed.")
DISCONNECTED: Final = Refusal(502, b"Bad Gateway", "upstream_disconnected", "The upstream closed without an answer.")
GARBLED: Final = Refusal(502, b"Bad Gateway", "upstream_garbled", "The upstream's answer is not well-formed HTTP.")
TIMED_OUT: Final = Refusal(504, b"Gateway Timeout", "upstream_timed_out", "The upstream did not answer in time.")
STOPPED: Final = Refusal(503, b"Service Unavailable", "sidecar_stopped", "The sidecar is stopping.")
FAILED: Final = Refusal(502, b"Bad Gateway", "sidecar_failed", "The sidecar failed to forward the request.")


def refusal(method: bytes, target: bytes, version: tuple[int, int], headers: RawHeaders) -> Refusal | None:
    """Why a request must not be forwarded; None where it may be. Ambiguity is refused, never resolved."""
    if version not in ((1, 0), (1, 1)):
        return BAD_VERSION
    if method == b"CONNECT":
        return TUNNEL
    if not ORIGIN_FORM.fullmatch(target):
        return BAD_TARGET
    named = by_name(headers)
    hosts = len(named.get(b"host", ()))
    if hosts > 1 or (hosts == 0 and version == (1, 1)):
        return BAD_HOST
    if b"websocket" in members(named.get(b"upgrade", ())):
        return UPGRADE
    return _framing(version, named.get(b"content-length", []), named.get(b"transfer-encoding", []))


def _framing(version: tuple[int, int], lengths: list[bytes], codings: list[bytes]) -> Refusal | None:
    if len(lengths) > 1 or any(not LENGTH.fullmatch(length) for length in lengths):
        return BAD_FRAMING
    if codings and (lengths or version == (1, 0)):
        return BAD_FRAMING
    if codings and [coding.strip().lower() for coding in codings] != [b"chunked"]:
        return BAD_CODING
    return None
