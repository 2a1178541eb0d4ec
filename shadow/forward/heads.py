"""Bytes → heads: what a client asks and what the upstream answers, read strictly and kept as they came.

`HeadReader` collects bytes until a head is whole; `read_request` and `read_answer` check it. A head that two parsers
could read differently is refused here, with a reason from a closed set, and goes no further: bare line feeds, folded
lines, spaces around names, control bytes, doubled lengths. What is accepted keeps every line byte for byte.

The grammar is RFC 9112's; where it lets a recipient choose between repairing and refusing, this one refuses.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from shadow.forward.refusals import (
    BAD_HEADER,
    BAD_HOST,
    BAD_TARGET,
    BAD_VERSION,
    HEAD_TOO_LARGE,
    MALFORMED,
    REPEATED,
    TUNNEL,
    Refusal,
)

MAX_HEAD: Final = 64 << 10  # twice what any provider takes; and what one client may hold without sending a request
MAX_NAMES: Final = 2048  # header names known by sight; a client that invents names does not grow the process,
MAX_KNOWN_NAME: Final = 64  # nor one that invents long ones
REMEMBERED: Final = 32  # status lines, and names of this sidecar: an API uses a dozen of the former, one of the latter

TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
NAME: Final = re.compile(TOKEN)
REQUEST_LINE: Final = re.compile(rb"(" + TOKEN + rb") ([\x21\x22\x24-\x7e]++) HTTP/([0-9])\.([0-9])")  # no fragment
STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01])( ([1-9][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*+)?)")
ABSOLUTE_FORM: Final = re.compile(rb"https?://[^/?@]+([/?].*)?", re.IGNORECASE)
HOST: Final = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=%]*+|\[[0-9A-Fa-f:.]++\])(?::[0-9]*+)?")
BARE_LINE_FEED: Final = re.compile(rb"(?<!\r)\n")
TEXT: Final = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])  # what a line may hold

# A header given more than once: refused, joined into one list, or its first value counts.
LISTS: Final = frozenset({b"connection", b"keep-alive", b"upgrade"})
SINGLE: Final = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect"})
# Connection as nearly everybody sends it, read already.
COMMON: Final = {value: frozenset({value}) for value in (b"keep-alive", b"close")}


# Header values by lower-case name, without the space around them; see LISTS for repeated ones.
Fields = Mapping[bytes, bytes]


class RefusedError(ValueError):
    """The bytes are not a message that may go on. `refusal` is what a client is told of it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


class RequestHead(NamedTuple):
    """A request's head. `lines` are its headers as they came, `names` their names in lower case, and `fields` their
    values for looking up. `target` is in origin form or `*`: it names no host."""

    method: bytes
    target: bytes
    version: int  # the minor one: HTTP/1.0 or HTTP/1.1
    names: list[bytes]
    lines: list[bytes]
    fields: Fields

    @property
    def closes(self) -> bool:
        """Whether the client wants no further exchange on this connection."""
        return self.version == 0 or _says_close(self.fields)

    @property
    def asks_for_websocket(self) -> bool:
        """Whether the client asks to speak WebSocket (RFC 6455, section 4.1). Other upgrades end at this hop."""
        upgrade = self.fields.get(b"upgrade")
        if upgrade is None or self.method != b"GET" or self.version == 0:
            return False
        return b"websocket" in members(upgrade) and b"upgrade" in members(self.fields.get(b"connection", b""))


class AnswerHead(NamedTuple):
    """An answer's head. `status_line` is what followed the version: ` 200 OK`, in the upstream's own words."""

    status: int
    status_line: bytes
    version: int
    names: list[bytes]
    lines: list[bytes]
    fields: Fields

    @property
    def closes(self) -> bool:
        """Whether the upstream takes no further exchange on this connection."""
        return self.version == 0 or _says_close(self.fields)


class HeadReader:
    """Collects bytes until a head is whole."""

    __slots__ = ("_held", "_searched")

    def __init__(self) -> None:
        self._held: bytearray | None = None
        self._searched = 0

    @property
    def holding(self) -> bool:
        """Whether a head has begun and is not whole."""
        return self._held is not None

    def feed(self, data: bytes) -> tuple[bytes, bytes] | None:
        """The head (its empty line included) and what came after it; None while more is needed. Raises RefusedError."""
        if self._held is None:
            end = data.find(b"\r\n\r\n") + 4
            if 4 <= end <= MAX_HEAD:
                return data[:end], data[end:]
            if data == b"\r\n":  # a line too many after the last body, not the beginning of a head
                return None
            self._held, self._searched = bytearray(), 0
        self._held += data
        return self._search(self._held)

    def _search(self, held: bytearray) -> tuple[bytes, bytes] | None:
        since = max(0, self._searched - 3)
        end = held.find(b"\r\n\r\n", since) + 4
        if end > MAX_HEAD or (end < 4 and len(held) >= MAX_HEAD):
            raise RefusedError(HEAD_TOO_LARGE)
        if end >= 4:
            self._held = None
            return bytes(held[:end]), bytes(held[end:])
        if BARE_LINE_FEED.search(held, since):  # or the rest of the head would be awaited in vain
            raise RefusedError(MALFORMED)
        self._searched = len(held)
        return None


def read_request(head: bytes) -> RequestHead:
    """The request's head. Raises RefusedError. One empty line before it, a mistake of old clients, is skipped."""
    lines = _lines(head.removeprefix(b"\r\n"))
    line = REQUEST_LINE.fullmatch(lines.pop(0))
    if line is None:
        raise RefusedError(MALFORMED)
    method, target, major, minor = line.groups()
    if major != b"1" or minor > b"1":
        raise RefusedError(BAD_VERSION)
    if target[:1] != b"/":
        target = _origin_form(method, target)
    names, fields = _fields(lines)
    host = fields.get(b"host")
    named = minor == b"0" if host is None else _names_host(host)
    if not named:
        raise RefusedError(BAD_HOST)
    return RequestHead(method, target, int(minor), names, lines, fields)


def read_answer(head: bytes) -> AnswerHead:
    """The answer's head. Raises RefusedError."""
    lines = _lines(head)
    status, status_line, version = _status(lines.pop(0))
    names, fields = _fields(lines)
    return AnswerHead(status, status_line, version, names, lines, fields)


def trailer_name(line: bytes) -> bytes:
    """The lower-case name in one trailer line, its end left out. Raises RefusedError."""
    name, colon, _ = line.partition(b":")
    if not colon or line.translate(None, TEXT):
        raise RefusedError(BAD_HEADER)
    return _known[name]


def members(value: bytes) -> frozenset[bytes]:
    """The members of a comma-separated header, lower case."""
    return COMMON.get(value) or frozenset(part.strip(b" \t") for part in value.lower().split(b",")) - {b""}


def _lines(head: bytes) -> list[bytes]:
    """The lines of a head without their ends, the empty one left out: every CR and LF belongs to a line's end."""
    lines = head[:-4].split(b"\r\n")
    if len(head.translate(None, TEXT)) != 2 * (len(lines) + 1):
        raise RefusedError(MALFORMED)
    return lines


def _fields(lines: list[bytes]) -> tuple[list[bytes], Fields]:
    names: list[bytes] = []
    fields: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        lower = _known[name]
        if not colon:
            raise RefusedError(BAD_HEADER)
        names.append(lower)
        if lower not in fields:
            fields[lower] = value.strip()  # of spaces and tabs: there is no other space in a line
        elif lower in SINGLE:
            raise RefusedError(REPEATED)
        elif lower in LISTS:
            fields[lower] += b"," + value
    return names, fields


# Both are asked of every message, and of few different values: those used last are remembered. No head is longer than
# MAX_HEAD, so that both memories together stay below 8 MB, whatever is sent.
@lru_cache(maxsize=REMEMBERED)
def _names_host(host: bytes) -> bool:
    return HOST.fullmatch(host) is not None


@lru_cache(maxsize=REMEMBERED)
def _status(line: bytes) -> tuple[int, bytes, int]:
    """Status, what followed the version, and the minor version. Raises RefusedError."""
    found = STATUS_LINE.fullmatch(line)
    if found is None:
        raise RefusedError(MALFORMED)
    version, status_line, status = found.groups()
    return int(status), status_line, int(version)


def _says_close(fields: Fields) -> bool:
    connection = fields.get(b"connection")
    return connection is not None and b"close" in members(connection)


def _origin_form(method: bytes, target: bytes) -> bytes:
    """The target without the host that the client named: the configuration alone says where requests go."""
    if method == b"CONNECT":
        raise RefusedError(TUNNEL)
    if target == b"*" and method == b"OPTIONS":
        return target
    absolute = ABSOLUTE_FORM.fullmatch(target)
    if absolute is None:
        raise RefusedError(BAD_TARGET)
    path = absolute[1] or b"/"
    return path if path[:1] == b"/" else b"/" + path


class _Known(dict[bytes, bytes]):
    """A header's name as sent → lower case; each was found to be a token."""

    def __missing__(self, name: bytes) -> bytes:
        if NAME.fullmatch(name) is None:
            raise RefusedError(BAD_HEADER)
        lower = name.lower()
        if len(self) < MAX_NAMES and len(name) <= MAX_KNOWN_NAME:
            self[name] = lower
        return lower


_known: Final = _Known()
