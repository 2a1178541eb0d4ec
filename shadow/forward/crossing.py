"""Heads on their way through: which lines cross the sidecar, and which end here.

Hop-by-hop headers end here (RFC 9110, section 7.6.1), and so do tags meant for the sidecar alone. All other lines go
on byte for byte, in their order. `Transfer-Encoding` and `Trailer` cross although they belong to a hop, because the
chunks that they describe cross as they are.
"""

from collections.abc import Sequence
from itertools import compress
from typing import Final
from urllib.parse import urlsplit

from shadow.egress import Proxy
from shadow.forward.headers import OWN_PREFIX
from shadow.forward.heads import MAX_KNOWN_NAME, MAX_NAMES, AnswerHead, RequestHead, members
from shadow.forward.refusals import OWN_ERROR

HOP_BY_HOP: Final = frozenset({b"connection", b"keep-alive", b"te", b"upgrade", b"http2-settings"})
# What a client that names it in Connection does not take from its own request: it would change what is asked, or who
# asks, or how the body is framed.
KEPT: Final = frozenset(
    {
        b"accept", b"accept-encoding", b"api-key", b"authorization", b"content-encoding", b"content-length",
        b"content-type", b"cookie", b"host", b"location", b"set-cookie", b"trailer", b"transfer-encoding",
        b"user-agent", b"x-api-key",
    }
)  # fmt: skip
CHUNKING: Final = frozenset({b"transfer-encoding", b"trailer"})
NOT_UPSTREAM: Final = (OWN_PREFIX, b"proxy-")  # prefixes
NOT_BACK: Final = (OWN_ERROR.lower(), b"proxy-connection")
SWITCH: Final = [b"Connection: Upgrade", b"Upgrade: websocket"]


class Crossing:
    """Heads for one upstream: requests get its name and base path."""

    def __init__(self, url: str, proxy: Proxy | None = None) -> None:
        """`proxy` is one that reads the requests: it wants whole URLs, and its credentials with each of them."""
        parts = urlsplit(url)
        self._host = b": " + parts.netloc.encode()
        self._base = (url if proxy else parts.path).rstrip("/").encode()
        self._extra = []
        if proxy is not None and proxy.authorization is not None:
            self._extra.append(b"Proxy-Authorization: " + proxy.authorization.encode())

    def request(self, head: RequestHead, tags: Sequence[bytes], *, upgrade: bool) -> bytes:
        """The head that goes upstream, with tags, whole lines, added to it."""
        lines = _crossing(head, _crosses_up)
        if b"host" in head.fields:
            theirs = head.lines[head.names.index(b"host")]
            lines[lines.index(theirs)] = theirs[:4] + self._host
        else:
            lines.insert(0, b"Host" + self._host)
        if upgrade:
            lines += SWITCH
        lines += self._extra
        lines += tags
        base = b"" if head.target == b"*" else self._base
        return b"%b %b%b HTTP/1.1\r\n%b\r\n\r\n" % (head.method, base, head.target, b"\r\n".join(lines))


def answer(head: AnswerHead, *, close: bool, chunks: bool = True) -> bytes:
    """The head that goes back to the client. `close`: the connection ends with this answer. Without `chunks` the
    client is one of HTTP/1.0, which knows none, and the answer lasts until the connection ends."""
    lines = _crossing(head, _crosses_back if chunks else _crosses_without_chunks)
    lines.insert(0, b"HTTP/1.1" + head.status_line)
    if head.status == 101:
        lines += SWITCH
    elif close:
        lines.append(b"Connection: close")
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _crossing(head: RequestHead | AnswerHead, crosses: "_Crosses") -> list[bytes]:
    """The lines that do not end at this hop."""
    lines = list(compress(head.lines, map(crosses.__getitem__, head.names)))
    connection = head.fields.get(b"connection")
    if connection is None or not (listed := members(connection) - HOP_BY_HOP - KEPT):
        return lines
    return [line for line in lines if line.partition(b":")[0].lower() not in listed]


class _Crosses(dict[bytes, bool]):
    """Whether a header crosses, by its lower-case name: found out once for each of the usual ones."""

    def __init__(self, ending: frozenset[bytes], prefixes: tuple[bytes, ...]) -> None:
        super().__init__()
        self._ending, self._prefixes = ending, prefixes

    def __missing__(self, name: bytes) -> bool:
        crosses = name not in self._ending and not name.startswith(self._prefixes)
        if len(self) < MAX_NAMES and len(name) <= MAX_KNOWN_NAME:
            self[name] = crosses
        return crosses


_crosses_up: Final = _Crosses(HOP_BY_HOP, NOT_UPSTREAM)
_crosses_back: Final = _Crosses(HOP_BY_HOP, NOT_BACK)
_crosses_without_chunks: Final = _Crosses(HOP_BY_HOP | CHUNKING, NOT_BACK)
