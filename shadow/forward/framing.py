"""How long a body is: its framing followed byte by byte, so that the bytes can go on as they are.

A framing is fed what arrived and tells how much of it belongs to the body, and what the payload in it is, for the
capture. It decodes nothing on the way: chunk sizes, extensions and trailers pass as they were written, or not at all.
`request_framing` and `answer_framing` choose one by RFC 9112, section 6, and refuse a head that leaves a choice.
"""

import re
from collections.abc import Callable
from typing import Final, Protocol

from shadow.forward.heads import AnswerHead, RefusedError, RequestHead, trailer_name
from shadow.forward.refusals import BAD_CHUNK, BAD_CODING, BAD_FRAMING, BAD_TRAILER, Refusal

MAX_DIGITS: Final = 18  # of a length: below 2**63, whatever integers the next parser has
CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x7e\x80-\xff]{0,4000}+)?\r\n")
MAX_CHUNK_LINE: Final = 4 << 10  # a size and its extensions, which nobody uses: 15 + 1 + 4000 bytes and their end
MAX_TRAILERS: Final = 8 << 10  # all of them: a checksum or a signature
CODINGS: Final = frozenset({b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress", b"identity", b"br", b"zstd"})
# A recipient may merge trailers into the head: one that would change framing, routing or credentials there is refused.
NEVER_TRAILERS: Final = frozenset(
    {
        b"authorization", b"connection", b"content-encoding", b"content-length", b"content-type", b"cookie", b"expect",
        b"host", b"set-cookie", b"te", b"trailer", b"transfer-encoding", b"upgrade",
    }
)  # fmt: skip


class Framing(Protocol):
    """The end of one body, looked for in the bytes that carry it."""

    complete: bool  # the body has ended by its own framing
    lasting: bool  # the connection can carry another message after this body

    def feed(self, data: bytes) -> tuple[int, bytes]:
        """How many bytes of `data` belong to this body, and the payload in them. Raises RefusedError."""


class Counted:
    """A body of as many bytes as Content-Length says; also the empty one."""

    __slots__ = ("_left", "complete")
    lasting = True

    def __init__(self, length: int) -> None:
        self._left = length
        self.complete = length == 0

    def feed(self, data: bytes) -> tuple[int, bytes]:
        size = len(data)
        if size > self._left:
            size = self._left
            data = data[:size]
        self._left -= size
        self.complete = self._left == 0
        return size, data


class UntilClose:
    """An answer's body that ends with the connection: never complete by itself."""

    __slots__ = ()
    complete = False
    lasting = False

    def feed(self, data: bytes) -> tuple[int, bytes]:
        return len(data), data


class Chunked:
    """A body in chunks (RFC 9112, section 7.1), with its extensions and trailers."""

    __slots__ = ("_left", "_line", "_payload", "_stage", "_trailers", "complete")
    lasting = True

    def __init__(self) -> None:
        self._stage: Stage = Chunked._size
        self._line = b""  # of a line, what has arrived of it
        self._left = 0  # of a chunk's data
        self._trailers = 0
        self._payload: list[bytes] = []  # of the bytes being fed
        self.complete = False

    def feed(self, data: bytes) -> tuple[int, bytes]:
        at, payload = 0, list[bytes]()
        self._payload = payload
        while at < len(data) and not self.complete:
            at = self._stage(self, data, at)
        return at, payload[0] if len(payload) == 1 else b"".join(payload)

    def _size(self, data: bytes, at: int) -> int:
        """A chunk's size line; and its data where all of it is here."""
        if not self._line and (line := CHUNK_SIZE.match(data, at)):
            at = line.end()
        else:
            at = self._take_line(data, at, MAX_CHUNK_LINE, BAD_CHUNK)
            if not self._line.endswith(b"\n"):
                return at
            line, self._line = CHUNK_SIZE.fullmatch(self._line), b""
            if line is None:
                raise RefusedError(BAD_CHUNK)
        self._left = int(line[1], 16)
        self._stage = Chunked._data if self._left else Chunked._trailer
        end = at + self._left
        if self._left and data[end : end + 2] == b"\r\n":  # the whole chunk in one read: the common case of a stream
            self._payload.append(data[at:end])
            self._stage = Chunked._size
            return end + 2
        return at

    def _data(self, data: bytes, at: int) -> int:
        piece = data[at : at + self._left]
        self._payload.append(piece)
        self._left -= len(piece)
        if not self._left:
            self._stage = Chunked._data_end
        return at + len(piece)

    def _data_end(self, data: bytes, at: int) -> int:
        """The CR LF after a chunk's data, one byte at a time: it tells at once where a size and its data disagree."""
        self._line += data[at : at + 1]
        if not b"\r\n".startswith(self._line):
            raise RefusedError(BAD_CHUNK)
        if len(self._line) == 2:
            self._line, self._stage = b"", Chunked._size
        return at + 1

    def _trailer(self, data: bytes, at: int) -> int:
        """A line after the last chunk: a trailer, or the empty one that ends the body."""
        at = self._take_line(data, at, MAX_TRAILERS - self._trailers, BAD_TRAILER)
        if self._line.endswith(b"\n"):
            line, self._line = self._line, b""
            self._trailers += len(line)
            if line == b"\r\n":
                self.complete = True
            elif trailer_name(line[:-2]) in NEVER_TRAILERS:
                raise RefusedError(BAD_TRAILER)
        return at

    def _take_line(self, data: bytes, at: int, most: int, refusal: Refusal) -> int:
        """Collect a line, its end included, and return where it ended in `data`."""
        end = data.find(b"\n", at) + 1 or len(data)
        self._line += data[at:end]
        text, feed = self._line.removesuffix(b"\n"), self._line[-1:] == b"\n"
        if len(text) > most or b"\r" in text[:-1] or (feed and text[-1:] != b"\r"):
            raise RefusedError(refusal)
        return end


# One step of reading chunks: takes `data` from an offset on, adds to the payload, returns where it stopped.
Stage = Callable[[Chunked, bytes, int], int]


def request_framing(head: RequestHead) -> Framing:
    """How the request's body is framed. Raises RefusedError where two parsers could see two different bodies."""
    length, coding = head.fields.get(b"content-length"), head.fields.get(b"transfer-encoding")
    if coding is not None:
        _check_coding(coding, length, head.version)
        return Chunked()
    return Counted(0 if length is None else _number(length))


def answer_framing(head: AnswerHead, method: bytes) -> Framing:
    """How the body of an answer to `method` is framed. Raises RefusedError as `request_framing` does."""
    length, coding = head.fields.get(b"content-length"), head.fields.get(b"transfer-encoding")
    if coding is not None:
        _check_coding(coding, length, head.version)
    size = None if length is None else _number(length)
    if method == b"HEAD" or head.status in (204, 304) or head.status < 200:
        return Counted(0)
    if coding is not None:
        return Chunked()
    return UntilClose() if size is None else Counted(size)


def _check_coding(coding: bytes, length: bytes | None, version: int) -> None:
    if length is not None:
        raise RefusedError(BAD_FRAMING)
    if version == 0:  # HTTP/1.0 knows no transfer codings: some parsers would look for the body's end elsewhere
        raise RefusedError(BAD_FRAMING)
    if coding.lower() == b"chunked":
        return
    codings = [part.strip(b" \t").lower() for part in coding.split(b",")]
    known = codings[-1] == b"chunked" and CODINGS.issuperset(codings[:-1])
    raise RefusedError(BAD_CODING if known else BAD_FRAMING)


def _number(length: bytes) -> int:
    if not length.isdigit() or len(length) > MAX_DIGITS:
        raise RefusedError(BAD_FRAMING)
    return int(length)
