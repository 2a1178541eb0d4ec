"""Framing: where a body ends, found in the bytes as they are, however they arrive."""

import pytest

from shadow.forward import refusals
from shadow.forward.framing import MAX_CHUNK_LINE, MAX_TRAILERS, Chunked, Counted, Framing, UntilClose
from shadow.forward.heads import RefusedError
from shadow.forward.refusals import Refusal
from tests.forward.reading import answer, one_by_one, request, ways

CHUNKS = b"5\r\nhello\r\n1A;name=value;x\r\n" + b"w" * 26 + b"\r\n0;last\r\nX-Checksum: 1\r\nX-Two:\r\n\r\n"
NEXT = b"POST /next HTTP/1.1\r\n\r\n"


def test_chunks_are_followed_to_their_end() -> None:
    """Sizes, extensions and trailers belong to the body as written; the payload is what they carry."""
    for pieces in ways(CHUNKS + NEXT):
        framing: Framing = Chunked()
        raw = payload = b""
        for piece in pieces:
            taken, more = (0, b"") if framing.complete else framing.feed(piece)
            raw, payload = raw + piece[:taken], payload + more
        assert (raw, payload, framing.complete) == (CHUNKS, b"hello" + b"w" * 26, True)


@pytest.mark.parametrize(
    "body",
    [
        b"-5\r\nhello\r\n",
        b"+5\r\nhello\r\n",
        b" 5\r\nhello\r\n",
        b"5 \r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"5_\r\nhello\r\n",
        b"\r\nhello\r\n",
        b"g\r\nhello\r\n",
        b"5\nhello\r\n",
        b"5\rhello\r\n",
        b"5\r\r\nhello\r\n",
        b"5\r\nhelloX\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhello\rX",
        b"5;a\0b\r\nhello\r\n",
        b"5;a\nb\r\nhello\r\n",
        b"5;a\rb\r\nhello\r\n",
        b"1234567890abcdef0\r\nhello\r\n",
        b"5;" + b"x" * MAX_CHUNK_LINE + b"\r\n",
        b"f" * (MAX_CHUNK_LINE + 1),
        b"0\r\nno trailer\r\n\r\n",
        b"0\r\n folded: 1\r\n\r\n",
        b"0\r\nA : 1\r\n\r\n",
        b"0\r\nA: 1\n\r\n",
        b"0\r\nA: 1\0\r\n\r\n",
        b"0\r\n\n",
        b"0\r\nContent-Length: 5\r\n\r\n",
        b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"0\r\nhost: a\r\n\r\n",
        b"0\r\n" + b"A: %s\r\n" % (b"x" * 1000) * (MAX_TRAILERS // 1000 + 1) + b"\r\n",
    ],
)
def test_malformed_chunks_are_refused(body: bytes) -> None:
    """Each is refused, whether it arrives whole or byte by byte."""
    for pieces in ([body], one_by_one(body)):
        framing = Chunked()
        with pytest.raises(RefusedError):
            [framing.feed(piece) for piece in pieces]


def test_a_counted_body_ends_at_its_length() -> None:
    """What follows the last byte is not the body's."""
    for pieces in ways(b"hello" + NEXT):
        framing, raw = Counted(5), b""
        for piece in pieces:
            raw += piece[: framing.feed(piece)[0]]
        assert (raw, framing.complete) == (b"hello", True)


def test_a_body_until_close_never_ends_by_itself() -> None:
    """Only the connection's end is its end."""
    framing = UntilClose()
    assert (framing.feed(b"anything"), framing.complete, framing.lasting) == ((8, b"anything"), False, False)


def framed(headers: bytes, version: bytes = b"HTTP/1.1") -> list[bytes]:
    """A request with these headers of framing."""
    return [b"POST / %s\r\nHost: a\r\n%s\r\n" % (version, headers)]


@pytest.mark.parametrize(
    ("pieces", "refusal"),
    [
        (framed(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), refusals.BAD_FRAMING),
        (framed(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), refusals.BAD_FRAMING),
        (framed(b"Content-Length: +5\r\n"), refusals.BAD_FRAMING),
        (framed(b"Content-Length: -5\r\n"), refusals.BAD_FRAMING),
        (framed(b"Content-Length: 5 5\r\n"), refusals.BAD_FRAMING),
        (framed(b"Content-Length: 5, 5\r\n"), refusals.BAD_FRAMING),
        (framed(b"Content-Length: 0x5\r\n"), refusals.BAD_FRAMING),
        (framed(b"Content-Length: 5_0\r\n"), refusals.BAD_FRAMING),
        (framed(b"Content-Length:\r\n"), refusals.BAD_FRAMING),
        (framed(b"Content-Length: 9999999999999999999\r\n"), refusals.BAD_FRAMING),
        (framed(b"Transfer-Encoding: xchunked\r\n"), refusals.BAD_FRAMING),
        (framed(b"Transfer-Encoding:\r\n"), refusals.BAD_FRAMING),
        (framed(b"Transfer-Encoding: chunked, gzip\r\n"), refusals.BAD_FRAMING),
        (framed(b"Transfer-Encoding: chunked;a=b\r\n"), refusals.BAD_FRAMING),
        (framed(b'Transfer-Encoding: "chunked"\r\n'), refusals.BAD_FRAMING),
        (framed(b"Transfer-Encoding: chunked\r\n", b"HTTP/1.0"), refusals.BAD_FRAMING),
        (framed(b"Transfer-Encoding: gzip, chunked\r\n"), refusals.BAD_CODING),
    ],
)
def test_ambiguous_framing_is_refused(pieces: list[bytes], refusal: Refusal) -> None:
    """A request whose body two parsers could delimit differently does not go on."""
    with pytest.raises(RefusedError) as refused:
        request(pieces)
    assert refused.value.refusal is refusal


@pytest.mark.parametrize("coding", [b"chunked", b"Chunked", b" CHUNKED\t"])
def test_chunked_is_known_in_any_case(coding: bytes) -> None:
    """Names of codings have no case."""
    [head] = framed(b"Transfer-Encoding:" + coding + b"\r\n")
    assert request([head + CHUNKS]).complete


def test_a_request_without_framing_has_no_body() -> None:
    """Bytes after it are the next request's."""
    read = request([framed(b"")[0] + NEXT])
    assert (read.complete, read.raw, read.rest) == (True, b"", NEXT)


def answered(line: bytes, headers: bytes, body: bytes, method: bytes = b"GET") -> tuple[bool, bytes, bytes]:
    """Whether an answer is complete, its payload, and what is left over."""
    read = answer([b"HTTP/1.1 %s\r\n%s\r\n%s" % (line, headers, body)], method)
    return read.complete, read.payload, read.rest


def test_answers_end_where_their_framing_says() -> None:
    """Length, chunks, or the connection's end, in RFC 9112's order."""
    assert answered(b"200 OK", b"Content-Length: 2\r\n", b"abc") == (True, b"ab", b"c")
    assert answered(b"200 OK", b"Transfer-Encoding: chunked\r\n", b"1\r\na\r\n0\r\n\r\nX") == (True, b"a", b"X")
    assert answered(b"200 OK", b"", b"abc") == (False, b"abc", b"")


@pytest.mark.parametrize(
    ("line", "method"), [(b"200 OK", b"HEAD"), (b"204 No Content", b"GET"), (b"304 Not Modified", b"GET")]
)
def test_answers_without_a_body_keep_their_length(line: bytes, method: bytes) -> None:
    """To HEAD, and with 204 and 304, Content-Length is about a body that does not come."""
    assert answered(line, b"Content-Length: 5\r\n", b"", method) == (True, b"", b"")


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: x\r\n\r\n",
    ],
)
def test_ambiguous_answers_are_refused(head: bytes) -> None:
    """An answer of two lengths is no answer."""
    with pytest.raises(RefusedError):
        answer([head])
