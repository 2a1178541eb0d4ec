"""How an answer's body is delimited towards the client, and its head as bytes: pure (RFC 9112, section 6)."""

from dataclasses import dataclass
from typing import Final

from shadow.forward.headers import RawHeaders, by_name

BODILESS: Final = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Framing:
    """`length` is None for a body whose end only its end tells: chunked, or by closing."""

    length: int | None
    chunked: bool
    close: bool


def framing(method: bytes, status: int, version: tuple[int, int], headers: RawHeaders, close: bool) -> Framing:
    """The framing of an answer. Raises ValueError where upstream's own is ambiguous."""
    close = close or version == (1, 0)
    named = by_name(headers)
    lengths = named.get(b"content-length", [])
    if len(lengths) > 1 or (lengths and b"transfer-encoding" in named):
        raise ValueError("more than one framing")
    if method == b"HEAD" or status in BODILESS:
        return Framing(0, False, close)
    if lengths:
        return Framing(int(lengths[0]), False, close)
    return Framing(None, version == (1, 1), close)


def head(status: int, reason: bytes, headers: RawHeaders, how: Framing) -> bytes:
    """Status line and headers, ready to be written. `headers` are those that reach the client."""
    lines = [b"HTTP/1.1 %d %s" % (status, reason)]
    lines += [b"%s: %s" % header for header in headers]
    if how.chunked:
        lines.append(b"Transfer-Encoding: chunked")
    if how.close:
        lines.append(b"Connection: close")
    return b"\r\n".join(lines) + b"\r\n\r\n"
