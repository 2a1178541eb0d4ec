"""The core held against h11, an independent parser: what the tests and the fuzzer check, and what they begin with."""

import h11

from shadow.forward.heads import AnswerHead, RefusedError, RequestHead
from tests.forward.reading import Read, answer, one_by_one, request

LIMIT = 1 << 20  # h11's own bound on a head, out of the way

# Whole and broken pieces of HTTP: the strategy strings them together, so that most inputs are nearly valid.
LINES = [
    b"Host: a", b"host: b:80", b"Content-Length: 5", b"Content-Length: 05", b"Content-Length: +5", b"content-length:5",
    b"Transfer-Encoding: chunked", b"transfer-encoding: Chunked", b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: xchunked", b"Connection: close", b"Connection: x-hop", b"X-Hop: 1", b"A: b", b"a:  b\t", b"A:",
    b" folded", b"A : b", b"A: \xff", b"A: \x01", b"A: \0", b"Expect: 100-continue", b"Keep-Alive: timeout=5",
]  # fmt: skip
STARTS = [
    b"GET / HTTP/1.1", b"POST /a?b HTTP/1.1", b"POST /a HTTP/1.0", b"OPTIONS * HTTP/1.1", b"HEAD // HTTP/1.1",
    b"GET / HTTP/2.0", b"GET  / HTTP/1.1", b"GET / HTTP/1.1 ", b"get /%zz HTTP/1.1", b"M-SEARCH /x HTTP/1.1",
]  # fmt: skip
STATUSES = [
    b"HTTP/1.1 200 OK",
    b"HTTP/1.1 204 No",
    b"HTTP/1.0 200 ",
    b"HTTP/1.1 304",
    b"HTTP/1.1 500 \xe4",
    b"HTTP/1.1 2",
]
BODIES = [
    b"", b"hello", b"hello world", b"5\r\nhello\r\n0\r\n\r\n", b"5;a=b\r\nhello\r\n0\r\nT: x\r\n\r\n", b"0\r\n\r\n",
    b"5 \r\nhello\r\n0\r\n\r\n", b"5\nhello\n0\n\n", b"-1\r\n", b"5\r\nhelloX", b"A\r\n0123456789\r\n00\r\n\r\n",
]  # fmt: skip
ENDS = [b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\r\n"]


def by_h11(data: bytes, closed: bool, method: bytes | None = None) -> tuple[h11.Request | h11.Response, bytes, bool]:
    """Head, payload and whether it is complete, as h11 reads a request, or an answer to `method`."""
    peer = h11.Connection(h11.SERVER if method is None else h11.CLIENT, max_incomplete_event_size=LIMIT)
    if method is not None:
        peer.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
        peer.send(h11.EndOfMessage())
    peer.receive_data(data)
    if closed:
        peer.receive_data(b"")
    head, payload = peer.next_event(), b""
    assert isinstance(head, h11.Request | h11.Response | h11.InformationalResponse)
    while isinstance(event := peer.next_event(), h11.Data):
        payload += bytes(event.data)
    return head, payload, isinstance(event, h11.EndOfMessage)


def alike(read: Read, head: h11.Request | h11.Response, payload: bytes, complete: bool) -> None:
    """Both parsers saw one and the same message."""
    assert read.head is not None
    values = [line.partition(b":")[2].strip(b" \t") for line in read.head.lines]
    headers = zip(read.head.names, values, strict=True)
    assert list(head.headers) == [
        (name, value.lower() if name == b"transfer-encoding" else value) for name, value in headers
    ]
    assert (read.payload, read.complete) == (payload, complete)


def accepted(data: bytes, method: bytes | None = None) -> Read | None:
    """What the core reads; None where it refuses or waits for more of the head. Both ways of arriving must agree."""
    found: list[Read | None] = []
    for pieces in ([data], one_by_one(data)):
        try:
            found.append(request(pieces) if method is None else answer(pieces, method))
        except RefusedError:
            found.append(None)
    assert found[0] == found[1]
    return found[0] if found[0] is not None and found[0].head is not None else None


def check_request(data: bytes) -> None:
    """Whatever the core accepts of these bytes as a request, h11 reads the same way."""
    read = accepted(data)
    if read is None or read.head is None:
        return
    head, payload, complete = by_h11(data.removeprefix(b"\r\n"), closed=False)
    assert isinstance(head, h11.Request)
    assert isinstance(read.head, RequestHead)
    assert (read.head.method, read.head.version) == (head.method, int(head.http_version[-1:]))
    assert head.target == read.head.target or not head.target.startswith((b"/", b"*"))
    alike(read, head, payload, complete)


def check_answer(data: bytes, method: bytes) -> None:
    """Whatever the core accepts of these bytes as an answer, h11 reads the same way."""
    read = accepted(data, method)
    if read is None or not isinstance(read.head, AnswerHead) or read.head.status < 200:
        return
    head, payload, complete = by_h11(data, closed=False, method=method)
    assert isinstance(head, h11.Response)
    assert read.head.status == head.status_code
    alike(read, head, payload, complete)
