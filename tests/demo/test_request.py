"""Requests are read strictly, however their bytes arrive."""

import hashlib

import pytest

from shadow.demo.request import BadRequestError, BodyCopy, RequestHead, RequestReader

FIXED = b"POST /a?b=1&c= HTTP/1.1\r\nHost: x\r\nX-Twice: 1\r\nx-twice: 2\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3;note=x\r\nhel\r\n2\r\nlo\r\n0\r\nX-Trailer: 1\r\n\r\n"
)
NEXT = b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n"


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def read(parts: list[bytes]) -> list[tuple[RequestHead, bytes]]:
    """Every complete request in the bytes."""
    reader, found = RequestReader(), []
    head, copy = None, BodyCopy()
    for part in parts:
        reader.feed(part)
        while True:
            if head is None and (head := reader.take_head()) is None:
                break
            if not reader.take_body(copy):
                break
            found.append((head, bytes(copy.kept)))
            head, copy = None, BodyCopy()
    return found


@pytest.mark.parametrize("message", [FIXED, CHUNKED], ids=["fixed", "chunked"])
@pytest.mark.parametrize("size", [1, 7, 10_000], ids=["byte by byte", "in sevens", "whole"])
def test_requests_in_any_pieces(message: bytes, size: int) -> None:
    """A body of known length or in chunks, with another request right behind it, is read alike in any pieces."""
    bodies = [(head.path, body) for head, body in read(pieces(message + NEXT, size))]
    assert bodies == [("/a", b"hello"), ("/next", b"")]


@pytest.mark.parametrize("message", [FIXED, CHUNKED], ids=["fixed", "chunked"])
def test_requests_split_anywhere(message: bytes) -> None:
    """Wherever two pieces meet, the same request comes out."""
    for at in range(1, len(message)):
        assert [body for _, body in read([message[:at], message[at:]])] == [b"hello"], at


def test_headers_are_kept_as_they_came() -> None:
    """Names keep their case and order; lookups ignore the case and give every value."""
    [(head, _)] = read([FIXED])
    assert head.headers[1:3] == ((b"X-Twice", b"1"), (b"x-twice", b"2"))
    assert head.values("X-TWICE") == ("1", "2")
    assert head.query == {"b": "1", "c": ""}


def test_of_a_large_body_the_hash_is_of_all_and_the_start_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What exceeds the bound is counted and hashed, not kept."""
    monkeypatch.setattr("shadow.demo.request.KEPT_BODY_BYTES", 3)
    copy = BodyCopy()
    for part in (b"ab", b"cd", b"ef"):
        copy.add(part)
    assert (copy.size, bytes(copy.kept), copy.sha256) == (6, b"abc", hashlib.sha256(b"abcdef").hexdigest())


@pytest.mark.parametrize(
    "head",
    [
        b"GET /\r\nHost: x",
        b"GET / HTTP/2.0\r\nHost: x",
        b"GET /a b HTTP/1.1\r\nHost: x",
        b"GET / HTTP/1.1",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y",
        b"GET / HTTP/1.1\r\nHost: x\r\n folded: yes",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Bare: a\nb",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Nul: a\0b",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Space : a",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked",
        b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked",
    ],
)
def test_doubtful_heads_are_refused(head: bytes) -> None:
    """Whatever two programs could understand in two ways is refused: a sidecar must not send it."""
    with pytest.raises(BadRequestError):
        read([head + b"\r\n\r\n"])


@pytest.mark.parametrize("chunks", [b"zz\r\n", b"-1\r\n", b"2\r\nabc\r\n0\r\n\r\n", b"1 \r\na\r\n"])
def test_doubtful_chunks_are_refused(chunks: bytes) -> None:
    """A chunk's size is hexadecimal digits and exactly what follows."""
    with pytest.raises(BadRequestError):
        read([b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks])


def test_a_head_without_end_is_refused() -> None:
    """Reading is bounded."""
    with pytest.raises(BadRequestError):
        read([b"GET / HTTP/1.1\r\nX-Long: " + b"a" * (300 << 10)])
