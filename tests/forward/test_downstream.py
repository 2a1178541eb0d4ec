"""The client's side: from one request's head to the next, without a network."""

import asyncio

import pytest

from shadow.forward.downstream import MAX_HELD
from tests.forward.fakes import bare
from tests.forward.reading import ways

GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_requests_sent_ahead_wait_their_turn_however_they_arrive() -> None:
    """Whole, byte by byte, and split at every offset: one is upstream at a time, in order."""
    async with bare() as it:
        for pieces in ways(GET % 1 + GET % 2 + GET % 3):
            client, client_side = it.client()
            for piece in pieces:
                client.data_received(piece)
            upstream, upstream_side = await it.upstream()
            for number in (1, 2, 3):
                assert upstream_side.taken().startswith(b"GET /%d " % number)
                upstream.data_received(PLAIN)
            assert client_side.written == PLAIN * 3
            upstream.abort()


async def test_what_is_sent_ahead_is_bounded() -> None:
    """The client is read no further until its first request is answered."""
    async with bare() as it:
        client, client_side = it.client()
        client.data_received(GET % 1)
        client.data_received(GET % 2 * (MAX_HELD // len(GET % 2) + 1))
        assert client_side.paused


@pytest.mark.parametrize("broken", [b"GET /\x00 HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", b"A\n"])
async def test_a_broken_head_is_refused_however_it_arrives(broken: bytes) -> None:
    """Whole, byte by byte, and split at every offset: one 400, the sending half closed, nothing upstream."""
    async with bare() as it:
        for pieces in ways(broken):
            client, client_side = it.client()
            for piece in pieces:
                client.data_received(piece)
            assert client_side.written.startswith(b"HTTP/1.1 400 ")
            assert client_side.written.count(b"HTTP/1.1 ") == 1
            assert client_side.eof
            client.data_received(GET % 1)
            client.connection_lost(None)
        assert it.dialled.empty()


async def test_a_connection_is_idle_between_requests_only() -> None:
    """Draining closes idle ones: one on which a head has begun is none."""
    async with bare() as it:
        client, _ = it.client()
        assert client.idle
        client.data_received(b"GET")
        assert not client.idle
        client.data_received((GET % 1)[3:])
        assert not client.idle
        upstream, _ = await it.upstream()
        upstream.data_received(PLAIN)
        assert client.idle


async def test_a_client_that_goes_is_forgotten() -> None:
    """And so is its timer for a slow head."""
    async with bare() as it:
        client, _ = it.client()
        client.data_received(b"GET")
        client.connection_lost(None)
        assert not it.server.clients
        assert client._timer is None


async def test_a_slow_head_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """From its first byte to its last it has a minute; bytes that trickle in do not extend it."""
    monkeypatch.setattr("shadow.forward.downstream.HEAD_S", 0)
    async with bare() as it:
        client, client_side = it.client()
        client.data_received(b"GET")
        await asyncio.sleep(0.01)  # a turn of the loop, in which timers that are due run
        assert client_side.written.startswith(b"HTTP/1.1 408 ")
