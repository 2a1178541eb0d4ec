"""The sidecar's own answers: constant text, in the shape that OpenAI's clients read, marked by a header.

Nothing of a request is repeated in them: a malformed header may hold a key.
"""

from dataclasses import dataclass
from typing import Final

import orjson

OWN_ERROR: Final = b"X-Shadow-Error"  # only on answers that the sidecar made itself


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

    def answer(self, *, close: bool, body: bool = True) -> bytes:
        """The whole answer. `close`: the connection ends with it. Without `body`: to HEAD, which has none."""
        content = self.body
        lines = [
            b"HTTP/1.1 %d %b" % (self.status, self.reason),
            b"Content-Type: application/json",
            b"Content-Length: %d" % len(content),
            b"%b: %b" % (OWN_ERROR, self.code.encode()),
        ]
        if close:
            lines.append(b"Connection: close")
        return b"\r\n".join(lines) + b"\r\n\r\n" + (content if body else b"")


# Requests that are not forwarded.
MALFORMED: Final = Refusal(400, b"Bad Request", "malformed_request", "The request is not well-formed HTTP.")
BAD_TARGET: Final = Refusal(400, b"Bad Request", "bad_target", "The request target must be a path on this server.")
BAD_FRAMING: Final = Refusal(400, b"Bad Request", "bad_framing", "The length of the request body is ambiguous.")
BAD_HOST: Final = Refusal(400, b"Bad Request", "bad_host", "The request names no host, or more than one.")
BAD_HEADER: Final = Refusal(400, b"Bad Request", "bad_header", "A header line is malformed.")
REPEATED: Final = Refusal(400, b"Bad Request", "repeated_header", "A header that may stand once stands twice.")
HEAD_TOO_LARGE: Final = Refusal(
    431, b"Request Header Fields Too Large", "head_too_large", "The head of the request is longer than 64 KiB."
)
HEAD_TOO_SLOW: Final = Refusal(408, b"Request Timeout", "head_too_slow", "The head of the request took too long.")
BAD_CHUNK: Final = Refusal(400, b"Bad Request", "bad_chunk", "The request body is not in well-formed chunks.")
BAD_TRAILER: Final = Refusal(400, b"Bad Request", "bad_trailer", "A trailer of the request body is not acceptable.")
BAD_CODING: Final = Refusal(501, b"Not Implemented", "bad_coding", "Only the chunked transfer coding is supported.")
BAD_VERSION: Final = Refusal(505, b"HTTP Version Not Supported", "bad_version", "Only HTTP/1.0 and 1.1 are spoken.")
BAD_UPGRADE: Final = Refusal(400, b"Bad Request", "bad_upgrade", "A request to upgrade has no body.")
TUNNEL: Final = Refusal(501, b"Not Implemented", "tunnel", "CONNECT is not supported.")
REQUEST_REFUSALS: Final = (
    MALFORMED, BAD_TARGET, BAD_FRAMING, BAD_HOST, BAD_HEADER, REPEATED, HEAD_TOO_LARGE, HEAD_TOO_SLOW, BAD_CHUNK,
    BAD_TRAILER, BAD_CODING, BAD_VERSION, BAD_UPGRADE, TUNNEL,
)  # fmt: skip

# Forwarded, and nothing came of it.
UNREACHABLE: Final = Refusal(502, b"Bad Gateway", "upstream_unreachable", "The upstream could not be reached.")
TLS_FAILED: Final = Refusal(502, b"Bad Gateway", "upstream_tls_failed", "TLS with the upstream failed.")
DISCONNECTED: Final = Refusal(502, b"Bad Gateway", "upstream_disconnected", "The upstream closed without an answer.")
GARBLED: Final = Refusal(502, b"Bad Gateway", "upstream_garbled", "The upstream's answer is not well-formed HTTP.")
TIMED_OUT: Final = Refusal(504, b"Gateway Timeout", "upstream_timed_out", "The upstream did not answer in time.")
STOPPED: Final = Refusal(503, b"Service Unavailable", "sidecar_stopped", "The sidecar is stopping.")
FAILED: Final = Refusal(502, b"Bad Gateway", "sidecar_failed", "The sidecar failed to forward the request.")
