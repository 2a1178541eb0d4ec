"""P3, promises 21 to 30: no request is read in two ways, and none goes where it was not configured to."""

import pytest

from tests.end_to_end.raw import HOST, Wire, answer, body_of, get, post

AMBIGUOUS = {
    "both lengths": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "two lengths": b"Content-Length: 5\r\nContent-Length: 6\r\n",
    "one length twice": b"Content-Length: 5\r\nContent-Length: 5\r\n",
    "a list of lengths": b"Content-Length: 5, 5\r\n",
    "a sign": b"Content-Length: +5\r\n",
    "a space inside": b"Content-Length: 5 5\r\n",
    "an underscore": b"Content-Length: 5_0\r\n",
    "hexadecimal": b"Content-Length: 0x5\r\n",
    "no number": b"Content-Length: \r\n",
    "two hosts": b"Host: other\r\n",
    "bare line feed": b"A: b\nContent-Length: 5\r\n",
    "bare carriage return": b"A: b\rContent-Length: 5\r\n",
    "folded line": b"A: b\r\n Content-Length: 5\r\n",
    "NUL": b"A: b\0\r\n",
    "space before the colon": b"Content-Length : 5\r\n",
    "xchunked": b"Transfer-Encoding: xchunked\r\n",
    "chunked twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "chunked, then more": b"Transfer-Encoding: chunked, identity\r\n",
    "vertical tab": b"Transfer-Encoding: \x0bchunked\r\n",
}


@pytest.mark.parametrize("lines", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_promise_21_ambiguous_requests_go_nowhere(wire: Wire, lines: bytes) -> None:
    """400, the connection closes, and the upstream hears nothing of it."""
    client = wire.client(b"POST / HTTP/1.1\r\n" + HOST + lines + b"\r\nhello" + get(b"/smuggled"))
    said = client.rest()
    assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"\r\nX-Shadow-Error: " in said
    assert said.count(b"HTTP/1.1 ") == 1
    assert wire.untouched()


def test_promise_22_codings_that_cannot_be_carried_are_refused(wire: Wire) -> None:
    """A transfer coding over the chunks would be lost on the way: 501."""
    client = wire.client(b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n")
    assert client.rest().startswith(b"HTTP/1.1 501 Not Implemented\r\n")
    assert wire.untouched()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n", b"400 Bad Request"),
        (b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", b"505 HTTP Version Not Supported"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"505 HTTP Version Not Supported"),
        (b"GET /\r\n\r\n", b"400 Bad Request"),
    ],
    ids=["chunks in 1.0", "2.0", "preface", "0.9"],
)
def test_promise_23_versions_are_what_they_say(wire: Wire, head: bytes, status: bytes) -> None:
    """Chunks in HTTP/1.0 and versions that are not spoken are refused."""
    assert wire.client(head).rest().startswith(b"HTTP/1.1 " + status)
    assert wire.untouched()


def test_promise_24_connection_names_what_ends_here(wire: Wire) -> None:
    """A header named in Connection ends at this hop, both ways, and so does Connection itself."""
    said = answer(b"", b"Connection: X-Hop, keep-alive", b"X-Hop: 1", b"Keep-Alive: timeout=5", b"X-Stay: 1")
    received, came = wire.exchange(
        get(b"/", b"Connection: X-Hop, TE", b"X-Hop: 1", b"TE: trailers", b"X-Stay: 1"), said
    )
    for message in (received, came):
        assert b"hop" not in message.lower()
        assert b"connection" not in message.lower()
        assert b"\r\nX-Stay: 1\r\n" in message
    assert b"trailers" not in received


@pytest.mark.parametrize("name", [b"authorization", b"content-length", b"host", b"content-type", b"cookie"])
def test_promise_24_connection_takes_nothing_essential(wire: Wire, name: bytes) -> None:
    """A request that names its own credentials or framing in Connection keeps them."""
    lines = (b"Authorization: Bearer k", b"Content-Type: a/b", b"Cookie: c=1", b"Connection: close, " + name)
    received, _ = wire.exchange(post(b"{}", *lines), answer())
    assert b"\r\n" + name + b": " in received.lower()
    assert body_of(received) == b"{}"


@pytest.mark.parametrize(
    ("line", "sent"),
    [
        (b"GET http://other.example/x?y HTTP/1.1", b"GET /x?y HTTP/1.1"),
        (b"GET //other.example/x HTTP/1.1", b"GET //other.example/x HTTP/1.1"),
        (b"OPTIONS * HTTP/1.1", b"OPTIONS * HTTP/1.1"),
    ],
)
def test_promise_25_no_target_changes_the_destination(wire: Wire, line: bytes, sent: bytes) -> None:
    """Whatever host a target names, the request goes to the configured upstream, under its name."""
    received, _ = wire.exchange(line + b"\r\nHost: other.example\r\n\r\n", answer())
    assert received.startswith(sent + b"\r\nHost: 127.0.0.1:")


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"CONNECT other.example:443 HTTP/1.1", b"501"),
        (b"GET other.example/x HTTP/1.1", b"400"),
        (b"GET ftp://other.example/x HTTP/1.1", b"400"),
        (b"GET * HTTP/1.1", b"400"),
    ],
)
def test_promise_25_targets_that_name_no_path_are_refused(wire: Wire, line: bytes, status: bytes) -> None:
    """CONNECT and targets of other kinds go nowhere."""
    assert wire.client(line + b"\r\nHost: other.example\r\n\r\n").rest().startswith(b"HTTP/1.1 " + status)
    assert wire.untouched()


@pytest.mark.parametrize("upstream_speaks", [True, False], ids=["upstream continues", "upstream ignores it"])
def test_promise_26_expect_does_not_deadlock(wire: Wire, upstream_speaks: bool) -> None:
    """A client that waits for 100 gets it, from the upstream or in its stead, and the body arrives."""
    client = wire.client(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    upstream = wire.upstream()
    assert b"\r\nExpect: 100-continue\r\n" in upstream.head()
    if upstream_speaks:
        upstream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert client.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"hello")
    assert upstream.exactly(5) == b"hello"
    late = b"" if upstream_speaks else b"HTTP/1.1 100 Continue\r\n\r\n"  # for a client that has been told already
    upstream.send(late + answer(b"{}"))
    assert client.message() == answer(b"{}")


def test_promise_26_a_refused_expectation_costs_no_upload(wire: Wire) -> None:
    """A final answer instead of 100 reaches the client, which then need not send its body."""
    client = wire.client(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    upstream = wire.upstream()
    upstream.head()
    upstream.send(answer(b"", status=b"417 Expectation Failed"))
    assert client.rest().startswith(b"HTTP/1.1 417 Expectation Failed\r\n")


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"HTTP/1.1 200 OK\r\nA: b\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"not HTTP\r\n\r\n",
    ],
    ids=["both lengths", "two lengths", "bare line feed", "coding", "not HTTP"],
)
def test_promise_27_ambiguous_answers_become_502(wire: Wire, said: bytes) -> None:
    """An answer that two parsers could read differently is replaced: 502 with constant text, nothing of it repeated."""
    client = wire.client(get())
    upstream = wire.upstream()
    upstream.message()
    upstream.send(said)
    came = client.message()
    assert came.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert b"\r\nX-Shadow-Error: upstream_garbled\r\n" in came
    assert b'"message":"The upstream\'s answer is not well-formed HTTP."' in came
    assert upstream.ended()


def test_promise_28_extra_bytes_reach_nobody(wire: Wire) -> None:
    """What follows an answer is dropped with its connection, whether it comes with the answer or later."""
    extra = answer(b"not yours")
    assert wire.exchange(get(), answer(b"mine") + extra)[1] == answer(b"mine")
    client = wire.client(get())
    upstream = wire.upstream()
    upstream.message()
    upstream.send(answer(b"mine"))
    assert client.message() == answer(b"mine")
    upstream.send(extra)
    assert upstream.ended()
    assert wire.exchange(get(), answer(b"fresh"))[1] == answer(b"fresh")
    assert client.silent()


def test_promise_29_trailers_stay_with_their_request(wire: Wire) -> None:
    """Chunks with extensions and trailers, then another request on the same connection: each has only its own."""
    body = b"5;ext=1\r\nhello\r\n0\r\nX-Trailer: canary\r\n\r\n"
    first = b"POST /first HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nTrailer: X-Trailer\r\n\r\n" + body
    client = wire.client(first + get(b"/second"))
    upstream = wire.upstream()
    assert upstream.until(b"canary\r\n\r\n").endswith(body)
    assert upstream.silent()
    upstream.send(answer(b"one"))
    assert client.message() == answer(b"one")
    second = upstream.message()
    assert second.startswith(b"GET /second HTTP/1.1\r\n")
    assert b"canary" not in second
    upstream.send(answer(b"two"))
    assert client.message() == answer(b"two")


def test_promise_29_pipelined_requests_wait_their_turn(wire: Wire) -> None:
    """Requests sent ahead are answered one after another, in order."""
    client = wire.client(get(b"/0") + post(b"1", target=b"/1") + get(b"/2"))
    for number in (b"0", b"1", b"2"):
        upstream = wire.upstream()
        assert b" /" + number + b" HTTP/1.1\r\n" in upstream.message()
        assert upstream.silent()
        upstream.send(answer(number))
    assert client.exactly(len(answer(b"0")) * 3) == answer(b"0") + answer(b"1") + answer(b"2")


UPGRADE = get(
    b"/v1/realtime", b"Connection: keep-alive, Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: x", b"X-Tail: 1"
)


def test_promise_30_websockets_are_tunnelled(wire: Wire) -> None:
    """The handshake passes, then bytes of any kind both ways, then the end of either side."""
    client = wire.client(UPGRADE)
    upstream = wire.upstream()
    asked = upstream.head()
    assert b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" in asked
    assert b"\r\nSec-WebSocket-Key: x\r\n" in asked
    upstream.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nfirst")
    assert client.head().startswith(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    )
    assert client.exactly(5) == b"first"
    frames = bytes(range(256)) * 100
    client.send(frames)
    assert upstream.exactly(len(frames)) == frames
    upstream.send(b"GET / HTTP/1.1\r\n\r\n")
    assert client.exactly(18) == b"GET / HTTP/1.1\r\n\r\n"
    client.finish()
    assert upstream.rest() == b""
    upstream.send(b"last").close()
    assert client.rest() == b"last"


def test_promise_30_a_refused_upgrade_is_a_plain_answer(wire: Wire) -> None:
    """Where the upstream does not switch, its answer passes, and nothing sent ahead of it was taken for frames."""
    client = wire.client(UPGRADE + get(b"/next"))
    upstream = wire.upstream()
    upstream.head()
    assert upstream.silent()
    upstream.send(answer(b"no", status=b"403 Forbidden"))
    assert client.message() == answer(b"no", status=b"403 Forbidden")
    assert upstream.message().startswith(b"GET /next ")


def test_promise_30_a_switch_nobody_asked_for_is_502(wire: Wire) -> None:
    """An upstream that switches on its own does not get a tunnel."""
    client = wire.client(get())
    upstream = wire.upstream()
    upstream.message()
    upstream.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    assert client.message().startswith(b"HTTP/1.1 502 ")
    assert upstream.ended()
