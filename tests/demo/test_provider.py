"""The stand-in performs scripts to the byte and remembers what it was asked."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest

from shadow.demo.provider import Behaviour, StandIn
from shadow.demo.request import Request
from shadow.demo.script import Close, CloseOnReuse, Echo, Hold, Pause, Reset, Script, Send, chunked, head, whole
from tests.demo.wire import converse

ASK = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
OK = whole(200, (), b"fine")


def always(script: Script) -> Behaviour:
    """The same answer to everything."""
    return lambda _: script


@pytest.fixture
async def fine() -> AsyncIterator[StandIn]:
    """A stand-in for which all is well."""
    async with StandIn(always(OK)) as stand_in:
        yield stand_in


async def test_it_remembers_what_came(fine: StandIn) -> None:
    """Method, target, raw headers, body, its hash and the connection of every request."""
    await converse(fine, ASK + ASK, answers=2)
    await converse(fine, ASK)
    first, second, third = fine.received
    assert (first.head.method, first.head.target, first.body, first.complete) == ("POST", "/a", b"hi", True)
    assert first.sha256 == hashlib.sha256(b"hi").hexdigest()
    assert [one.connection for one in (first, second, third)] == [0, 0, 1]
    assert (fine.connections, fine.malformed) == (2, 0)


async def test_a_body_arriving_in_parts_is_hashed_whole(fine: StandIn) -> None:
    """Five mebibytes come in many reads and are one body."""
    body = b"b" * (5 << 20)
    await converse(fine, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert fine.received[0].sha256 == hashlib.sha256(body).hexdigest()


async def test_pipelined_requests_are_answered_in_order() -> None:
    """Two requests in one write get two answers, the first one's first."""

    def mirror(request: Request) -> Script:
        return whole(200, (), request.body)

    async with StandIn(mirror) as stand_in:
        heard = await converse(stand_in, ASK + ASK.replace(b"hi", b"ho"), answers=2)
    assert [one.body for one in heard] == [b"hi", b"ho"]


async def test_malformed_requests_are_refused_and_counted(fine: StandIn) -> None:
    """What is no HTTP gets 400 and the end of the connection, and never counts as received."""
    [heard] = await converse(fine, b"POST / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n")
    assert (heard.status, fine.malformed, fine.received) == (400, 1, [])


async def test_expect_is_answered_before_the_body() -> None:
    """`100 Continue` comes first, and only if it was asked for."""
    head_only = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    async with StandIn(always(OK)) as stand_in:
        host, port = stand_in.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(head_only)
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"hi")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
        writer.close()


async def test_connection_close_is_obeyed(fine: StandIn) -> None:
    """After the answer to `Connection: close` nothing more is read."""
    host, port = fine.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(ASK.replace(b"Host", b"Connection: close\r\nHost") + ASK)
    assert (await reader.read()).count(b"HTTP/1.1 200 OK") == 1
    writer.close()


@pytest.mark.parametrize(("end", "fault"), [(Reset(), "reset"), (Close(), "closed")])
async def test_what_came_before_the_end_of_a_connection_is_heard(end: Reset | Close, fault: str) -> None:
    """A reset or a close in the middle of a body takes nothing away from the chunks before it."""
    begun = chunked(200, (), (b"one", b"two"))[:-1]
    async with StandIn(always((*begun, end))) as stand_in:
        [heard] = await converse(stand_in, ASK)
    assert (heard.status, heard.chunks, heard.fault) == (200, [b"one", b"two"], fault)


async def test_a_hold_waits_for_its_release() -> None:
    """Nothing more comes until the test says so, then the rest does."""
    async with StandIn(always(chunked(200, (), (b"one", Hold(), b"two")))) as stand_in:
        hearing = asyncio.create_task(converse(stand_in, ASK))
        received = await stand_in.wait_for(1)
        assert not received.answered
        stand_in.release()
        [heard] = await hearing
        await received.ended.wait()
    assert (heard.chunks, received.answered) == ([b"one", b"two"], True)


async def test_it_notices_when_the_client_leaves() -> None:
    """A client that hangs up in the middle is noticed at once, with how much had been sent."""
    begun = chunked(200, (), (b"one", Hold()))[:-1]
    async with StandIn(always(begun)) as stand_in:
        host, port = stand_in.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(ASK)
        await reader.readuntil(b"one\r\n")
        writer.close()
        received = await stand_in.wait_for(1)
        await received.ended.wait()
    assert received.closed_at is not None
    assert received.closed_at >= received.at
    assert (received.answered, received.sent) == (
        False,
        sum(len(step.data) for step in begun if isinstance(step, Send)),
    )


async def test_an_upload_that_is_cut_is_incomplete(fine: StandIn) -> None:
    """A client that leaves inside its own body leaves an incomplete request behind."""
    host, port = fine.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(ASK[:-1])
    received = await fine.wait_for(1)
    writer.close()
    await received.ended.wait()
    assert (received.complete, received.copy.size) == (False, 1)


async def test_a_connection_can_close_when_it_is_used_again() -> None:
    """The second request arrives, is counted, and is not answered."""
    async with StandIn(always((*OK, CloseOnReuse()))) as stand_in:
        first, second = await converse(stand_in, ASK + ASK, answers=2)
    assert (first.status, second.fault, len(stand_in.received)) == (200, "closed", 2)


async def test_a_tunnel_sends_every_byte_back() -> None:
    """After its head, an echo is only bytes."""
    async with StandIn(always((Send(head(101, (("Upgrade", "echo"), ("Connection", "Upgrade")))), Echo()))) as stand_in:
        host, port = stand_in.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(ASK)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x00\xff no HTTP \r\n")
        assert await reader.readexactly(13) == b"\x00\xff no HTTP \r\n"
        writer.close()


async def test_an_early_answer_comes_before_the_body() -> None:
    """What is answered from the head alone is heard while the body is still on its way."""
    async with StandIn(always(OK), early=lambda _: whole(413, (("connection", "close"),), b"")) as stand_in:
        [heard] = await converse(stand_in, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this")
    assert heard.status == 413


async def test_a_pace_of_nothing_leaves_pauses_out() -> None:
    """An hour's pause takes no time at all."""
    async with StandIn(always((Pause(3600), *OK)), pace=0) as stand_in:
        [heard] = await converse(stand_in, ASK)
    assert heard.body == b"fine"


async def test_leaving_ends_every_connection() -> None:
    """A stand-in that is left with answers half sent leaves nothing running."""
    async with StandIn(always((Hold(),))) as stand_in:
        hearing = asyncio.create_task(converse(stand_in, ASK))
        await stand_in.wait_for(1)
    [heard] = await hearing
    assert heard.fault is not None
    assert stand_in.open_connections == 0
