"""Heads: what is accepted stays as it came, and what two parsers could read differently is refused."""

import pytest

from shadow.forward import refusals
from shadow.forward.heads import (
    MAX_HEAD,
    MAX_KNOWN_NAME,
    MAX_NAMES,
    HeadReader,
    RefusedError,
    _known,
    members,
    read_answer,
    read_request,
)
from shadow.forward.refusals import Refusal
from tests.forward import reading
from tests.forward.reading import one_by_one, ways

HOST = b"Host: a\r\n"


def request(
    target: bytes = b"/", headers: bytes = HOST, version: bytes = b"HTTP/1.1", method: bytes = b"POST"
) -> bytes:
    """A request's head."""
    return b"%s %s %s\r\n%s\r\n" % (method, target, version, headers)


def test_lines_are_kept_as_they_came() -> None:
    """Case, order, repeats and space around values are in `lines`; `fields` gives first values to look up."""
    head = read_request(request(headers=b"hOST: a\r\nX-b:1\r\nx-B: \t2 \r\nEmpty:\r\nLatin: \xe4\r\n"))
    assert head.lines == [b"hOST: a", b"X-b:1", b"x-B: \t2 ", b"Empty:", b"Latin: \xe4"]
    assert head.names == [b"host", b"x-b", b"x-b", b"empty", b"latin"]
    assert head.fields == {b"host": b"a", b"x-b": b"1", b"empty": b"", b"latin": b"\xe4"}


def test_a_head_is_read_the_same_however_it_arrives() -> None:
    """Whole, byte by byte or split anywhere, the head and what follows it are the same."""
    head, rest = request(headers=HOST + b"A: b\r\n"), b"body \r\n\r\n more"
    for pieces in ways(head + rest):
        reader, found = HeadReader(), None
        for piece in pieces:
            found = reader.feed(piece) if found is None else (found[0], found[1] + piece)
        assert found == (head, rest)
        assert not reader.holding


def test_one_empty_line_before_a_request_is_skipped() -> None:
    """Clients of old send a line too many after a body."""
    assert read_request(b"\r\n" + request()).method == b"POST"
    reader = HeadReader()
    assert (reader.feed(b"\r\n"), reader.holding) == (None, False)


@pytest.mark.parametrize("target", [b"/", b"/a%2Fb/../x//y?b=%2f&c", b"/a?", b"//host/x", b'/{"odd"}|\\^`<>'])
def test_targets_are_kept(target: bytes) -> None:
    """A target in origin form is not normalised, decoded or cut."""
    assert read_request(request(target)).target == target


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        (b"http://other.example/x?y", b"/x?y"),
        (b"HTTPS://other.example:8443//x", b"//x"),
        (b"http://other.example", b"/"),
        (b"http://other.example?q", b"/?q"),
    ],
)
def test_absolute_targets_lose_their_host(target: bytes, sent: bytes) -> None:
    """A client that names a host does not choose the destination."""
    assert read_request(request(target)).target == sent


def test_an_asterisk_is_for_options() -> None:
    """`*` asks about the server, which only OPTIONS does."""
    assert read_request(request(b"*", method=b"OPTIONS")).target == b"*"
    assert refusal_of(request(b"*")) is refusals.BAD_TARGET


@pytest.mark.parametrize(
    ("head", "refusal"),
    [
        (request(b"host:443", method=b"CONNECT"), refusals.TUNNEL),
        (request(b"host/x"), refusals.BAD_TARGET),
        (request(b"ftp://host/x"), refusals.BAD_TARGET),
        (request(b"http://user@host/x"), refusals.BAD_TARGET),
        (request(b"http:///x"), refusals.BAD_TARGET),
        (request(b"/a b"), refusals.MALFORMED),
        (request(b"/a#b"), refusals.MALFORMED),
        (request(b"/\xc3\xa4"), refusals.MALFORMED),
        (request(b""), refusals.MALFORMED),
        (request(method=b"PO ST"), refusals.MALFORMED),
        (request(method=b"P\xd6ST"), refusals.MALFORMED),
        (request(version=b"HTTP/1.1 "), refusals.MALFORMED),
        (request(version=b"http/1.1"), refusals.MALFORMED),
        (request(version=b"HTTP/11"), refusals.MALFORMED),
        (request(version=b"HTTP/2.0"), refusals.BAD_VERSION),
        (request(version=b"HTTP/1.2"), refusals.BAD_VERSION),
        (request(version=b"HTTP/0.9"), refusals.BAD_VERSION),
        (b"PRI * HTTP/2.0\r\n\r\n", refusals.BAD_VERSION),
        (b"\r\n\r\n" + request(), refusals.MALFORMED),
        (b"GET /\r\n\r\n", refusals.MALFORMED),
        (request(headers=b""), refusals.BAD_HOST),
        (request(headers=HOST + HOST), refusals.REPEATED),
        (request(headers=b"Host: a, b\r\n"), refusals.BAD_HOST),
        (request(headers=b"Host: a/b\r\n"), refusals.BAD_HOST),
        (request(headers=b"Host: user@a\r\n"), refusals.BAD_HOST),
        (request(headers=HOST + b"Content-Length: 1\r\nContent-Length: 1\r\n"), refusals.REPEATED),
        (request(headers=HOST + b"Transfer-Encoding: chunked\r\ntransfer-encoding: x\r\n"), refusals.REPEATED),
        (request(headers=HOST + b"A : b\r\n"), refusals.BAD_HEADER),
        (request(headers=HOST + b"A: b\r\n folded\r\n"), refusals.BAD_HEADER),
        (request(headers=HOST + b"\tA: b\r\n"), refusals.BAD_HEADER),
        (request(headers=HOST + b": b\r\n"), refusals.BAD_HEADER),
        (request(headers=HOST + b"A\r\n"), refusals.BAD_HEADER),
        (request(headers=HOST + b"\xc4: b\r\n"), refusals.BAD_HEADER),
        (request(headers=HOST + b"A: b\0c\r\n"), refusals.MALFORMED),
        (request(headers=HOST + b"A: b\x7f\r\n"), refusals.MALFORMED),
        (request(headers=HOST + b"A: b\nB: c\r\n"), refusals.MALFORMED),
        (request(headers=HOST + b"A: b\rB: c\r\n"), refusals.MALFORMED),
        (request(headers=HOST + b"A: b\r\r\n"), refusals.MALFORMED),
    ],
)
def test_ambiguous_requests_are_refused(head: bytes, refusal: Refusal) -> None:
    """Each is refused with its reason, whichever way it arrives."""
    assert refusal_of(head) is refusal


def refusal_of(head: bytes) -> Refusal:
    """Why a request's head is refused, which is the same byte by byte."""
    told = []
    for pieces in ([head], one_by_one(head)):
        with pytest.raises(RefusedError) as refused:
            reading.request(pieces)
        told.append(refused.value.refusal)
    assert told[0] is told[1]
    return told[0]


def test_a_bare_line_feed_is_refused_before_the_head_ends() -> None:
    """A client that ends lines with LF alone never sends what ends a head here: it is told instead of left waiting."""
    with pytest.raises(RefusedError):
        HeadReader().feed(b"GET / HTTP/1.1\nHost: a\n\n")


def test_http_1_0_needs_no_host() -> None:
    """Host came with HTTP/1.1."""
    assert read_request(request(headers=b"", version=b"HTTP/1.0")).version == 0


def test_a_head_may_be_64_kib_and_no_longer() -> None:
    """The bound holds for a whole head and for one that never ends."""
    room = MAX_HEAD - len(request(headers=HOST + b"A: \r\n"))
    fits = request(headers=HOST + b"A: %s\r\n" % (b"x" * room))
    assert HeadReader().feed(fits) == (fits, b"")
    for data in (request(headers=HOST + b"A: %s\r\n" % (b"x" * (room + 1))), b"x" * MAX_HEAD):
        with pytest.raises(RefusedError) as refused:
            HeadReader().feed(data)
        assert refused.value.refusal is refusals.HEAD_TOO_LARGE


def test_repeated_connection_headers_count_together() -> None:
    """Connection is a list, and may be given in parts."""
    head = read_request(request(headers=HOST + b"Connection: a\r\nConnection:  B ,, c\r\n"))
    assert members(head.fields[b"connection"]) == {b"a", b"b", b"c"}


@pytest.mark.parametrize("line", [b"200 OK", b"200", b"200 ", b"299 It's \xe4ll fine", b"999 ?"])
def test_reason_phrases_are_kept(line: bytes) -> None:
    """The status line goes on in the upstream's words."""
    head = read_answer(b"HTTP/1.1 " + line + b"\r\nA: b\r\n\r\n")
    assert (head.status, head.status_line, head.lines) == (int(line[:3]), b" " + line, [b"A: b"])


def test_remembered_lines_are_told_apart() -> None:
    """What was read of one status line or host is not taken for another's that differs in one character."""
    for _ in range(2):
        for line, read in (
            (b"HTTP/1.1 200 OK", (200, b" 200 OK", 1)),
            (b"HTTP/1.0 200 OK", (200, b" 200 OK", 0)),
            (b"HTTP/1.1 200 Ok", (200, b" 200 Ok", 1)),
            (b"HTTP/1.1 201 OK", (201, b" 201 OK", 1)),
        ):
            assert read_answer(line + b"\r\n\r\n")[:3] == read
        assert read_request(request(headers=b"Host: a:1\r\n")).fields[b"host"] == b"a:1"
        with pytest.raises(RefusedError):
            read_request(request(headers=b"Host: a:x\r\n"))


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/1.1 200 O\0K\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
    ],
)
def test_ambiguous_answers_are_refused(head: bytes) -> None:
    """An upstream is read as strictly as a client."""
    with pytest.raises(RefusedError):
        read_answer(head)


def test_long_names_are_not_remembered() -> None:
    """A name of nearly a whole head is read and forgotten, however few are known."""
    name = b"N" * (MAX_KNOWN_NAME + 1)
    head = request(headers=HOST + name + b": x\r\n")
    assert name.lower() in read_request(head).names
    assert name not in _known


def test_invented_names_do_not_grow_the_process() -> None:
    """Names are remembered up to a bound, and read beyond it."""
    lines = b"".join(b"N%d: x\r\n" % number for number in range(MAX_NAMES + 10))
    assert len(read_request(request(headers=HOST + lines)).names) == MAX_NAMES + 11
