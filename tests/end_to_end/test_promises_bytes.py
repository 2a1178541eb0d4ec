"""P1, promises 1 to 14: bytes unchanged."""

import gzip
import hashlib
import socket
from concurrent.futures import ThreadPoolExecutor

import brotli
import pytest
import zstandard

from tests.end_to_end.raw import HOST, Wire, answer, body_of, chunk, get, post

TEXT = b'{"answer":"The quick brown fox jumps over the lazy dog."}' * 20
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"gzip", gzip.compress(TEXT)),
        (b"br", brotli.compress(TEXT)),
        (b"zstd", zstandard.compress(TEXT)),
    ],
)
def test_promise_01_coded_answers_stay_coded(wire: Wire, coding: bytes, body: bytes) -> None:
    """A compressed answer reaches the client as the same bytes, under the same Content-Encoding."""
    said = answer(body, b"Content-Encoding: " + coding)
    assert wire.exchange(get(), said)[1] == said


def test_promise_02_coded_requests_stay_coded(wire: Wire) -> None:
    """A compressed request reaches the upstream as the same bytes, under the same Content-Encoding."""
    body = gzip.compress(TEXT)
    received, _ = wire.exchange(post(body, b"Content-Encoding: gzip"), answer())
    assert b"\r\nContent-Encoding: gzip\r\n" in received
    assert body_of(received) == body


def test_promise_03_targets_are_not_normalised(wire: Wire) -> None:
    """Escapes, dots, doubled slashes and parameters without a value go on as they are."""
    received, _ = wire.exchange(get(b"/a%2Fb/../x//y?b=%2f&c"), answer())
    assert received.startswith(b"GET /a%2Fb/../x//y?b=%2f&c HTTP/1.1\r\n")


def test_promise_04_an_empty_query_is_kept(wire: Wire) -> None:
    """`/a?` is not `/a`."""
    received, _ = wire.exchange(get(b"/a?"), answer())
    assert received.startswith(b"GET /a? HTTP/1.1\r\n")


def test_promise_05_names_that_differ_in_case_are_both_kept(wire: Wire) -> None:
    """The same name in two spellings: both lines, in order, both ways."""
    said = answer(b"", b"X-b: 1", b"x-B: 2")
    received, came = wire.exchange(get(b"/", b"X-b: 1", b"x-B: 2"), said)
    assert b"\r\nX-b: 1\r\nx-B: 2\r\n" in received
    assert came == said


def test_promise_06_names_repeats_and_reasons_are_kept(wire: Wire) -> None:
    """Case of names, repeated Set-Cookie, space around values and an odd reason phrase: byte for byte."""
    lines = (b"sEt-CoOkIe: a=1; Path=/", b"sEt-CoOkIe: b=2", b"X-Spaces:   two  \t", b"X-None:1")
    said = answer(b"{}", *lines, status=b"299 It's  fine")
    received, came = wire.exchange(get(b"/", *lines[2:]), said)
    assert b"\r\nX-Spaces:   two  \t\r\nX-None:1\r\n" in received
    assert came == said


def test_promise_07_nothing_is_added(wire: Wire) -> None:
    """Neither side gets a header that the other did not send; only Host is the upstream's."""
    received, came = wire.exchange(b"GET /a HTTP/1.1\r\nHost: sidecar\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n")
    host = received.partition(b"\r\nHost: 127.0.0.1:")[2].partition(b"\r\n")[0]
    assert received == b"GET /a HTTP/1.1\r\nHost: 127.0.0.1:" + host + b"\r\n\r\n"
    assert came == b"HTTP/1.1 204 No Content\r\n\r\n"


def test_promise_08_bytes_above_ascii_are_kept(wire: Wire) -> None:
    """A header value in Latin-1, in UTF-8 or in neither goes on as it is."""
    lines = (b"X-Latin: caf\xe9", b"X-Utf: caf\xc3\xa9", b"X-Neither: \xff\x80")
    said = answer(b"", *lines)
    received, came = wire.exchange(get(b"/", *lines), said)
    assert b"\r\n".join(lines) in received
    assert came == said


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\nETag: x\r\n\r\n"),
        (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
    ],
)
def test_promise_09_answers_without_a_body_keep_their_head(wire: Wire, method: bytes, said: bytes) -> None:
    """To HEAD and with 304 the length stands for a body that does not come; nobody waits for it."""
    client = wire.client(get(method=method))
    upstream = wire.upstream()
    upstream.message()
    upstream.send(said)
    assert client.head() == said
    client.send(get())
    assert upstream.message().startswith(b"GET / ")  # on the same connections, so both were in step


def test_promise_10_redirects_are_passed_on(wire: Wire) -> None:
    """A redirect is the client's to follow, and a cookie the client's to keep."""
    said = answer(b"", b"Location: http://127.0.0.1:1/x", b"Set-Cookie: a=1", status=b"302 Found")
    assert wire.exchange(get(), said)[1] == said
    assert wire.untouched()
    received, _ = wire.exchange(get(), answer())
    assert b"cookie" not in received.lower()


def test_promise_11_large_heads_pass(wire: Wire) -> None:
    """32 KB of headers, in many lines or in one, both ways."""
    for lines in ([b"X-%d: %b" % (n, b"v" * 100) for n in range(300)], [b"X-One: " + b"v" * 32_000]):
        said = answer(b"", *lines)
        received, came = wire.exchange(get(b"/", *lines), said)
        assert b"\r\n".join(lines) in received
        assert came == said


@pytest.mark.parametrize(
    "request_",
    [
        get(b"/", b"X-Empty:", b"X-Blank: "),
        b"POST / HTTP/1.1\r\n" + HOST + b"\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nhi",
        b"DELETE / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    ],
    ids=["empty values", "no body", "no bytes", "GET with a body", "DELETE with chunks"],
)
def test_promise_12_nothing_is_read_into_a_request(wire: Wire, request_: bytes) -> None:
    """Empty values, a POST without a body, a GET with one: behind the sidecar all but Host is equal."""
    received, _ = wire.exchange(request_, answer())
    before, _, after = received.partition(b"Host: ")
    assert before + HOST + after.partition(b"\r\n")[2] == request_


ODD_BODIES = {
    "key order": b'{"z":1,"a":2}',
    "duplicate keys": b'{"a":1,"a":2}',
    "number forms": b'{"a":1.0,"b":1,"c":1e0,"d":-0}',
    "escapes": b'{"a":"\\u00e9\xc3\xa9\\/"}',
    "trailing newline": b'{"a":1}\n',
    "not JSON": b"\x00\xff{,,",
    "empty": b"",
    "50 MB": bytes(range(256)) * (50_000_000 // 256),
}


@pytest.mark.parametrize("body", ODD_BODIES.values(), ids=ODD_BODIES)
@pytest.mark.parametrize("chunked", [False, True], ids=["counted", "chunked"])
def test_promise_13_request_bodies_arrive_as_sent(wire: Wire, body: bytes, chunked: bool) -> None:
    """What the upstream receives has the SHA-256 of what the client sent, chunk framing included."""
    sent = chunk(body[:7]) + chunk(body[7:]) + b"0\r\n\r\n" if chunked and len(body) > 7 else body
    if chunked and len(body) <= 7:
        sent = b"0;empty\r\n\r\n"
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    client = wire.client(b"POST / HTTP/1.1\r\n" + HOST + framing + b"\r\n\r\n")
    upstream = wire.upstream()
    upstream.head()
    received = exchange_large(client.sock, upstream.sock, sent)
    upstream.send(answer())
    assert client.head().startswith(b"HTTP/1.1 200 OK")
    assert hashlib.sha256(received).digest() == hashlib.sha256(sent).digest()


def exchange_large(sender: socket.socket, receiver: socket.socket, data: bytes) -> bytes:
    """Send more than any buffer holds, while the other end reads it."""
    received, view = bytearray(), memoryview(data)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(sender.sendall, view)
        while len(received) < len(data):
            received += receiver.recv(1 << 20)
        sending.result()
    return bytes(received)


@pytest.mark.parametrize("coding", [b"Transfer-Encoding: chunked\r\n", b""], ids=["chunked", "until close"])
def test_promise_14_every_chunk_passes_at_once(wire: Wire, coding: bytes) -> None:
    """Each piece of a stream is with the client before the upstream says the next one, comments and padding too."""
    client = wire.client(post(b"{}"))
    upstream = wire.upstream()
    upstream.message()
    upstream.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + coding + b"\r\n")
    client.head()
    for piece in (b": OPENROUTER PROCESSING\n\n", EVENT, b"\n", EVENT[:10], EVENT[10:], EVENT * 3, b"data: [DONE]\n\n"):
        sent = chunk(piece) if coding else piece
        upstream.send(sent)
        assert client.exactly(len(sent)) == sent
