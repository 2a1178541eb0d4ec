"""One exchange, without a network: in whatever pieces its bytes arrive, and at whichever point a side goes."""

import asyncio
import itertools
from collections.abc import Iterable

import pytest

from shadow.exchange import Outcome
from shadow.forward.dial import DialError
from shadow.forward.downstream import Downstream
from shadow.forward.refusals import UNREACHABLE
from shadow.forward.upload import MAX_UNSENT
from shadow.forward.upstream import Upstream
from tests.forward.fakes import Bare, FakeTransport, bare
from tests.forward.reading import ways

HEAD = b"POST /v1 HTTP/1.1\r\nHost: a\r\n"
SENT_HEAD = b"POST /v1 HTTP/1.1\r\nHost: 127.0.0.1:9\r\n"
COUNTED = b"Content-Length: 5\r\n\r\nhello"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nT: 1\r\n\r\n"
GET = b"GET /v1 HTTP/1.1\r\nHost: a\r\n\r\n"
PLAIN = b"HTTP/1.1 200 Fine\r\nContent-Length: 2\r\n\r\nok"
STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
BEGUN = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"


async def asking(it: Bare, request: bytes = GET) -> tuple[Downstream, FakeTransport, Upstream, FakeTransport]:
    """A client that has asked, and the new connection on which it did."""
    it.server.pool.close()
    client, client_side = it.client()
    client.data_received(request)
    return client, client_side, *await it.upstream()


def feed(protocol: Downstream | Upstream, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        protocol.data_received(piece)


@pytest.mark.parametrize("body", [COUNTED, CHUNKED], ids=["counted", "chunked"])
async def test_a_request_goes_up_whole_however_it_arrives(body: bytes) -> None:
    """Whole, byte by byte, and split at every offset: the same bytes but for Host, and the next request waits."""
    async with bare() as it:
        for pieces in ways(HEAD + body):
            client, _ = it.client()
            feed(client, pieces)
            client.data_received(b"GET /next")
            upstream, upstream_side = await it.upstream()
            assert upstream_side.written == SENT_HEAD + body
            upstream.connection_lost(None)


@pytest.mark.parametrize(
    "answer", [PLAIN, STREAM, b"HTTP/1.1 103 Early\r\n\r\n" + PLAIN], ids=["plain", "stream", "1xx"]
)
async def test_an_answer_comes_back_whole_however_it_arrives(answer: bytes) -> None:
    """Whole, byte by byte, and split at every offset: the same bytes, and both connections are free for the next."""
    async with bare() as it:
        client, client_side, upstream, _ = await asking(it)
        for pieces in ways(answer):
            feed(upstream, pieces)
            assert client_side.taken() == answer
            assert (client.party, upstream.party) == (None, None)
            client.data_received(GET)
            assert upstream.party is client.party is not None


async def test_an_answer_for_an_old_client_has_no_chunks() -> None:
    """Whatever the pieces, HTTP/1.0 gets the payload, and its end with the connection's."""
    async with bare() as it:
        for pieces in ways(STREAM):
            _, client_side, upstream, _ = await asking(it, b"GET / HTTP/1.0\r\n\r\n")
            feed(upstream, pieces)
            assert client_side.written == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcde"
            assert client_side.closed


async def test_an_upstream_that_goes_at_any_byte_leaves_no_whole_answer() -> None:
    """Before the head is whole the client gets a marked 502; afterwards what there was, and the connection's end."""
    headed = BEGUN.index(b"\r\n\r\n") + 4
    async with bare() as it:
        for at in range(len(BEGUN)):
            client, client_side, upstream, _ = await asking(it, HEAD + COUNTED)
            if at:
                upstream.data_received(BEGUN[:at])
            upstream.connection_lost(ConnectionResetError())
            assert client.party is None
            if at < headed:
                assert client_side.written.startswith(b"HTTP/1.1 502 ")
                assert b"X-Shadow-Error: upstream_disconnected" in client_side.written
            else:
                assert client_side.written == BEGUN[:at]
                assert client_side.closed
        assert it.ended(Outcome.UPSTREAM_FAILED) == headed
        assert it.ended(Outcome.UPSTREAM_TRUNCATED) == len(BEGUN) - headed


async def test_a_client_that_goes_at_any_byte_cancels_the_upstream() -> None:
    """Nobody is asked where the head was not whole; else the connection is dropped, and nothing invented on it."""
    request = HEAD + CHUNKED
    headed = request.index(b"\r\n\r\n") + 4
    async with bare() as it:
        for at in range(headed, len(request) + 1):
            client, client_side, _, upstream_side = await asking(it, request[:at])
            client.connection_lost(None)
            assert upstream_side.aborted
            assert (SENT_HEAD + CHUNKED).startswith(upstream_side.written)
            assert client_side.written == b""
        for at in range(1, headed):
            client, _ = it.client()
            client.data_received(request[:at])
            client.connection_lost(None)
        assert it.dialled.empty()
        assert it.ended(Outcome.CLIENT_CANCELLED) == len(request) + 1 - headed


async def test_a_client_that_goes_while_dialling_is_nobodys_failure() -> None:
    """The dial is given up, and no connection is left over."""
    async with bare() as it:
        client, _ = it.client()
        client.data_received(GET)
        client.connection_lost(None)
        await asyncio.sleep(0)
        assert it.dialled.empty()
        assert it.ended(Outcome.CLIENT_CANCELLED) == 1


async def test_an_upstream_that_cannot_be_reached_is_told() -> None:
    """A marked 502; the client's connection goes on."""
    async with bare() as it:
        it.refusing = DialError(UNREACHABLE)
        client, client_side = it.client()
        client.data_received(GET)
        await asyncio.wait([relay._dialling for relay in it.server.running if relay._dialling])
        assert b"X-Shadow-Error: upstream_unreachable" in client_side.written
        assert not client_side.closed


async def test_a_stale_connection_costs_a_read_nothing_and_a_post_a_502() -> None:
    """What can be repeated is, once, on a new connection; what cannot is never sent twice."""
    async with bare() as it:
        client, client_side, upstream, _ = await asking(it)
        upstream.data_received(PLAIN)
        client.data_received(GET)
        upstream.connection_lost(None)
        second, second_side = await it.upstream()
        assert second_side.written.startswith(b"GET /v1 ")
        second.data_received(PLAIN)
        assert client_side.taken() == PLAIN * 2
        client.data_received(HEAD + COUNTED)
        second.connection_lost(None)
        assert client_side.written.startswith(b"HTTP/1.1 502 ")
        assert it.dialled.empty()


async def test_a_client_that_does_not_read_stops_the_upstream() -> None:
    """And the other way round; each goes on when there is room again."""
    async with bare() as it:
        client, client_side, upstream, upstream_side = await asking(it, HEAD + b"Content-Length: 99\r\n\r\n")
        client.pause_writing()
        upstream.pause_writing()
        assert (upstream_side.paused, client_side.paused) == (True, True)
        client.resume_writing()
        upstream.resume_writing()
        assert (upstream_side.paused, client_side.paused) == (False, False)


async def test_a_client_waits_while_there_is_no_connection() -> None:
    """What it may send ahead is bounded, and goes first once there is one."""
    async with bare() as it:
        client, client_side = it.client()
        body = bytes(MAX_UNSENT)
        client.data_received(HEAD + b"Content-Length: 100000\r\n\r\n" + body)
        assert client_side.paused
        _, upstream_side = await it.upstream()
        assert upstream_side.written.endswith(body)
        assert not client_side.paused


async def test_a_client_that_filled_what_may_wait_goes_on_with_a_kept_connection() -> None:
    """Where none need be dialled, nothing else would let it go on."""
    async with bare() as it:
        client, client_side, upstream, _ = await asking(it)
        upstream.data_received(PLAIN)
        client.data_received(HEAD + b"Content-Length: 100000\r\n\r\n" + bytes(MAX_UNSENT))
        assert not client_side.paused


async def test_an_upstream_that_has_spoken_is_heard_before_more_is_written() -> None:
    """It may have refused the request and closed: writing on would lose its answer."""
    async with bare() as it:
        client, client_side, upstream, upstream_side = await asking(it, HEAD + b"Content-Length: 99\r\n\r\n")
        upstream_side.peer.send(b"HTTP/1.1 413 Too Large\r\n")
        before = upstream_side.written
        client.data_received(b"more")
        assert (upstream_side.written, client_side.paused) == (before, True)
        upstream.data_received(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        assert client_side.written.endswith(b"\r\n\r\nbig")
        assert client.party is None


async def test_both_heads_count_as_the_sidecars_own_time() -> None:
    """The answer's, too, where it comes in one piece and ends the exchange."""
    async with bare() as it:
        it.server.clock = itertools.count().__next__  # a second passes between any two looks at it
        _, _, upstream, _ = await asking(it)
        upstream.data_received(PLAIN)
        assert it.requests._overhead_s == 2


async def test_silence_is_given_up() -> None:
    """An upstream that says nothing is a 504, a client that sends nothing more is cut; a slow reader has its time."""
    async with bare() as it:
        now = it.server.clock()
        client, client_side, _, upstream_side = await asking(it)
        relay = next(iter(it.server.running))
        relay.overdue(now + 5, 10)
        assert client.party is not None
        client.pause_writing()
        relay.overdue(now + 20, 10)
        assert client.party is not None
        client.resume_writing()
        relay.overdue(now + 20, 10)
        assert b"X-Shadow-Error: upstream_timed_out" in client_side.written
        assert upstream_side.aborted
        uploading, uploading_side, _, _ = await asking(it, HEAD + b"Content-Length: 99\r\n\r\n")
        next(iter(it.server.running)).overdue(now + 20, 10)
        assert uploading_side.closed
        assert uploading.party is None


async def test_an_ambiguous_body_stops_where_it_is() -> None:
    """What has gone up stays without its end, and the client is told and turned away."""
    async with bare() as it:
        client, client_side, _, upstream_side = await asking(
            it, HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
        )
        client.data_received(b"5 \r\n")
        assert upstream_side.aborted
        assert upstream_side.written.endswith(b"hello\r\n")
        assert b"X-Shadow-Error: bad_chunk" in client_side.written
        assert client_side.eof
