"""What an answer is made of: steps that a stand-in provider performs on a connection, one after the other.

A script is data: the very bytes of the answer, with pauses, resets and closings between them. `whole` and `chunked`
write the two framings of HTTP/1.1 that providers use; whoever needs a broken one strings the steps together by hand.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

Headers = tuple[tuple[str | bytes, str | bytes], ...]


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes, in one write of their own."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Pause:
    """Send nothing for so many seconds, times the pace of the stand-in."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hold:
    """Send nothing until the test says `release()` or the client leaves."""


@dataclass(frozen=True, slots=True)
class Echo:
    """Send every further byte of the connection back: the far end of a tunnel."""


@dataclass(frozen=True, slots=True)
class Reset:
    """End the connection with a TCP reset."""


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection in the ordinary way, wherever in the message that is."""


@dataclass(frozen=True, slots=True)
class CloseOnReuse:
    """Keep the connection open, and close it unanswered as soon as another request comes over it."""


Step = Send | Pause | Hold | Echo | Reset | Close | CloseOnReuse
Script = tuple[Step, ...]
Part = bytes | Pause | Hold

LAST_CHUNK: Final = b"0\r\n\r\n"


def whole(status: int, headers: Headers, body: bytes = b"") -> Script:
    """An answer with its length in front, in one write."""
    return (Send(head(status, (*headers, ("content-length", str(len(body))))) + body),)


def chunked(status: int, headers: Headers, parts: Iterable[Part]) -> Script:
    """A chunked answer: each part that is bytes is a chunk in a write of its own."""
    return (*unfinished(status, headers, parts), Send(LAST_CHUNK))


def unfinished(status: int, headers: Headers, parts: Iterable[Part]) -> Script:
    """A chunked answer without its end."""
    opening = Send(head(status, (*headers, ("transfer-encoding", "chunked"))))
    return (opening, *(Send(chunk(part)) if isinstance(part, bytes) else part for part in parts))


def head(status: int, headers: Headers, reason: str | None = None) -> bytes:
    """The status line and headers, as given and in the order given."""
    lines = [f"HTTP/1.1 {status} {_reason(status) if reason is None else reason}".encode("latin-1")]
    lines += [_raw(name) + b": " + _raw(value) for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body. Raises ValueError for no bytes at all: that would be the last one."""
    if not data:
        raise ValueError("an empty chunk ends the body")
    return b"%x\r\n%s\r\n" % (len(data), data)


def _raw(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:  # 520 to 529 are an edge network's own
        return "Unknown"
