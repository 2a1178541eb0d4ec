"""Requests read off the bytes of a connection, strictly: what HTTP/1.1 leaves open to doubt is refused.

A sidecar that smuggles, merges or repairs anything is found out here. Sans I/O: bytes are fed, heads and bodies taken.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

MAX_HEAD_BYTES: Final = 256 << 10  # more than any test of large headers sends
KEPT_BODY_BYTES: Final = 8 << 20  # a 5 MiB image request stays readable; of larger bodies the hash is enough

REQUEST_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP/1\.([01])")
HEADER_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00\r\n]*?)[ \t]*")
CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[^\r\n]*)?")


class BadRequestError(Exception):
    """The bytes are no well-formed HTTP/1.1 request. The text says what is wrong, with none of the bytes in it."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request line and its headers, raw and in their order."""

    method: str
    target: str
    minor_version: int
    headers: tuple[tuple[bytes, bytes], ...]

    def values(self, name: str) -> tuple[str, ...]:
        """Every value of a header, in any case of its name."""
        wanted = name.lower().encode()
        return tuple(value.decode("latin-1") for key, value in self.headers if key.lower() == wanted)

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        return next(iter(self.values(name)), None)

    @property
    def path(self) -> str:
        """The target up to the `?`."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        """The parameters after the `?`."""
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))


@dataclass(frozen=True)
class Request:
    """A complete request. `body` holds its first `KEPT_BODY_BYTES`; the size and SHA-256 are of all of it."""

    head: RequestHead
    body: bytes
    size: int
    sha256: str

    @cached_property
    def json(self) -> dict[str, Any]:
        """The body as a JSON object; empty where it is none."""
        try:
            found = orjson.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


class BodyCopy:
    """What has come of a body so far: how much, its hash, and its first bytes."""

    def __init__(self) -> None:
        self.size = 0
        self.kept = bytearray()
        self._hash = hashlib.sha256()

    def add(self, data: bytes) -> None:
        """Take note of the next bytes."""
        self.size += len(data)
        self._hash.update(data)
        self.kept += data[: KEPT_BODY_BYTES - len(self.kept)]

    @property
    def sha256(self) -> str:
        """The hash of all bytes so far, in hexadecimal."""
        return self._hash.hexdigest()


class RequestReader:
    """Heads and bodies off one connection: `feed`, then `take_head`, then `take_body` until it is done, and again."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._chunked = False
        self._sized = True  # False: the size of a chunk comes next
        self._left = 0  # bytes missing of the body or of the chunk
        self._trailing = False

    def feed(self, data: bytes) -> None:
        """Add bytes from the connection."""
        self._buffer += data

    @property
    def pending(self) -> bool:
        """Whether bytes wait to be taken."""
        return bool(self._buffer)

    def drain(self) -> bytes:
        """Every byte that waits, whatever it means: for tunnels."""
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    def take_head(self) -> RequestHead | None:
        """The next request's head, or None until it is all there. Raises BadRequestError."""
        lines = self._take_block()
        if lines is None:
            return None
        found = REQUEST_LINE.fullmatch(lines[0])
        if found is None:
            raise BadRequestError("the request line is malformed")
        head = RequestHead(found[1].decode(), found[2].decode(), int(found[3]), _headers(lines[1:]))
        self._frame(head)
        return head

    def take_body(self, into: BodyCopy) -> bool:
        """Move what is there of the body into `into`; True once it is complete. Raises BadRequestError."""
        while True:
            if self._trailing:
                return self._take_trailers()
            if not self._sized and not self._take_chunk_size():
                return False
            if self._trailing:
                continue
            if not self._take_bytes(into):
                return False
            if not self._chunked:
                return True

    def _take_block(self) -> list[bytes] | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise BadRequestError("the head is too long")
            return None
        lines = bytes(self._buffer[:end]).split(b"\r\n")
        del self._buffer[: end + 4]
        return lines

    def _frame(self, head: RequestHead) -> None:
        lengths, codings = head.values("content-length"), head.values("transfer-encoding")
        if head.minor_version == 1 and len(head.values("host")) != 1:
            raise BadRequestError("there must be exactly one Host")
        if len(lengths) + len(codings) > 1:
            raise BadRequestError("the length of the body is given more than once")
        if codings and (codings[0].lower() != "chunked" or head.minor_version == 0):
            raise BadRequestError("the transfer coding is not understood")
        if lengths and not re.fullmatch(r"[0-9]{1,15}", lengths[0]):
            raise BadRequestError("the length of the body is no number")
        self._chunked = bool(codings)
        self._sized = not codings
        self._left = int(lengths[0]) if lengths else 0

    def _take_chunk_size(self) -> bool:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return False
        found = CHUNK_SIZE.fullmatch(self._buffer[:end])
        if found is None:
            raise BadRequestError("the size of a chunk is malformed")
        del self._buffer[: end + 2]
        self._left, self._sized = int(found[1], 16), True
        self._trailing = self._left == 0
        return True

    def _take_bytes(self, into: BodyCopy) -> bool:
        """Take the rest of the body or of the chunk; True once none of it is missing."""
        if self._left:
            data = bytes(self._buffer[: self._left])
            del self._buffer[: len(data)]
            into.add(data)
            self._left -= len(data)
        if self._left or (self._chunked and len(self._buffer) < 2):
            return False
        if self._chunked:
            if self._buffer[:2] != b"\r\n":
                raise BadRequestError("a chunk is longer than its size")
            del self._buffer[:2]
            self._sized = False
        return True

    def _take_trailers(self) -> bool:
        if self._buffer[:2] == b"\r\n":
            del self._buffer[:2]
        else:
            lines = self._take_block()
            if lines is None:
                return False
            _headers(lines)
        self._trailing = False
        return True


def _headers(lines: list[bytes]) -> tuple[tuple[bytes, bytes], ...]:
    found = [HEADER_LINE.fullmatch(line) for line in lines]
    if None in found:
        raise BadRequestError("a header is malformed")
    return tuple((match[1], match[2]) for match in found if match)
