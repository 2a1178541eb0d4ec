"""P2, promises 15 to 20: what was cut short never looks whole."""

from collections.abc import Callable

import pytest

from tests.end_to_end.raw import HOST, Peer, Wire, answer, chunk, get

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CUT = {
    "short of its length": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
    "inside a chunk": CHUNKED + b"a\r\nhello",
    "between chunks": CHUNKED + chunk(b"hello"),
    "before the last line": CHUNKED + chunk(b"hello") + b"0\r\n",
}


@pytest.mark.parametrize("said", CUT.values(), ids=CUT)
@pytest.mark.parametrize("how", [Peer.close, Peer.reset], ids=["closed", "reset"])
def test_promise_15_a_cut_answer_stays_cut(wire: Wire, said: bytes, how: Callable[[Peer], None]) -> None:
    """The client gets what there was, and no end that its framing would take for one."""
    before = wire.metric("shadow_requests_total", outcome="upstream_truncated")
    client = wire.client(get())
    upstream = wire.upstream()
    upstream.message()
    upstream.send(said)
    assert client.exactly(len(said)) == said
    how(upstream)
    assert client.ended()
    assert wire.metric("shadow_requests_total", outcome="upstream_truncated") == before + 1


def test_promise_16_a_reset_stream_without_a_length_is_no_clean_end(wire: Wire) -> None:
    """Where only the connection's end ends the answer, a reset must not become an orderly one."""
    client = wire.client(get())
    upstream = wire.upstream()
    upstream.message()
    upstream.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
    client.until(b"hello")
    upstream.reset()
    with pytest.raises(ConnectionResetError):
        client.rest()


def test_promise_16_an_orderly_end_without_a_length_stays_orderly(wire: Wire) -> None:
    """The other half: where the upstream closed as it should, the client sees a complete answer."""
    said = b"HTTP/1.1 200 OK\r\n\r\nhello"
    assert wire.exchange(get(), said)[1] == said.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


@pytest.mark.parametrize("said", [CUT["short of its length"], CUT["between chunks"]], ids=["counted", "chunked"])
def test_promise_17_an_old_client_sees_a_reset(wire: Wire, said: bytes) -> None:
    """HTTP/1.0 has no other end than the connection's, so that of a cut answer is a reset."""
    client = wire.client(b"GET / HTTP/1.0\r\n\r\n")
    upstream = wire.upstream()
    upstream.message()
    upstream.send(said)
    client.until(b"hello")
    upstream.close()
    with pytest.raises(ConnectionResetError):
        client.rest()


def test_promise_17_an_old_client_gets_chunks_as_plain_bytes(wire: Wire) -> None:
    """The other half: a whole answer in chunks reaches it without them, and ends with the connection."""
    client = wire.client(b"GET / HTTP/1.0\r\n\r\n")
    upstream = wire.upstream()
    assert upstream.message().startswith(b"GET / HTTP/1.1\r\nHost: ")
    upstream.send(CHUNKED + chunk(b"hello") + chunk(b"world") + b"0\r\n\r\n")
    assert client.rest() == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhelloworld"


@pytest.mark.parametrize("broken", [b"zz\r\n", b"5\r\nhelloX", b"-1\r\n"], ids=["no size", "no end", "sign"])
def test_promise_18_no_second_status_line(wire: Wire, broken: bytes) -> None:
    """What goes wrong after the status line never puts another one into the body."""
    client = wire.client(get())
    upstream = wire.upstream()
    upstream.message()
    upstream.send(CHUNKED + chunk(b"hello"))
    came = client.until(chunk(b"hello"))
    upstream.send(broken)
    assert client.ended()
    assert came == CHUNKED + chunk(b"hello")


def test_promise_19_a_connection_with_a_short_answer_is_not_used_again(wire: Wire) -> None:
    """Fewer bytes than announced: the client's connection closes, and the upstream's carries no other request."""
    client = wire.client(get())
    first = wire.upstream()
    first.message()
    first.send(CUT["short of its length"])
    client.until(b"hello")
    first.finish()
    assert client.ended()
    assert first.ended()
    assert wire.exchange(get(b"/next"), answer(b"fresh"))[1].endswith(b"fresh")


@pytest.mark.parametrize("how", [Peer.close, Peer.reset, Peer.finish], ids=["closed", "reset", "half-closed"])
@pytest.mark.parametrize(
    "begun",
    [
        b"Content-Length: 10\r\n\r\nhello",
        b"Transfer-Encoding: chunked\r\n\r\n" + chunk(b"hello"),
        b"Transfer-Encoding: chunked\r\n\r\na\r\nhello",
    ],
    ids=["counted", "between chunks", "inside a chunk"],
)
def test_promise_20_an_aborted_upload_has_no_end(wire: Wire, begun: bytes, how: Callable[[Peer], object]) -> None:
    """The upstream sees exactly what the client sent, then the connection's end: no last chunk, no padding."""
    before = wire.metric("shadow_requests_total", outcome="client_cancelled")
    client = wire.client(b"POST / HTTP/1.1\r\n" + HOST + begun)
    upstream = wire.upstream()
    upstream.head()
    body = begun.partition(b"\r\n\r\n")[2]
    assert upstream.exactly(len(body)) == body
    how(client)
    assert upstream.ended()
    assert wire.metric("shadow_requests_total", outcome="client_cancelled") == before + 1
