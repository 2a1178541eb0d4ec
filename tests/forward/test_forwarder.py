"""Start and stop of the request path, and its independence of the recorder."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from shadow.exchange import Outcome
from tests.forward.conftest import Bench, read_head, running

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Stream:
    """An answer under way: begun, and finished when told."""

    def __init__(self, bench: Bench) -> None:
        self.finish = asyncio.Event()
        bench.origin.script = self._script

    async def _script(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
        await self.finish.wait()
        writer.write(b"half")


async def test_draining_lets_a_stream_finish(bench: Bench) -> None:
    """A stream that is under way ends whole; the connection then closes, and its exchange is handed over."""
    stream = Stream(bench)
    client = await bench.connect()
    await client.send(GET)
    await client.head()
    await client.exactly(4)
    draining = asyncio.create_task(bench.forwarder.drain())
    await asyncio.sleep(0)
    assert not bench.forwarder.ready
    stream.finish.set()
    assert await client.rest() == b"half"
    await draining
    assert (await bench.recorded()).outcome is Outcome.COMPLETE


async def test_draining_refuses_new_connections(bench: Bench) -> None:
    """The listener is closed."""
    await bench.forwarder.drain()
    with pytest.raises(ConnectionRefusedError):
        await bench.connect()


async def test_draining_closes_idle_connections(bench: Bench) -> None:
    """A connection kept alive does not hold the stop up."""
    client = await bench.connect()
    await client.send(GET)
    await client.head()
    await client.exactly(2)
    await bench.forwarder.drain()
    assert await client.rest() == b""


async def test_upload_under_way_survives_draining(bench: Bench) -> None:
    """A request whose body is still coming when draining starts is forwarded whole."""
    client = await bench.connect()
    started = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        started.set()
        await bench.origin.answer_plainly(reader, writer)

    bench.origin.script = script
    await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
    await started.wait()
    draining = asyncio.create_task(bench.forwarder.drain())
    await asyncio.sleep(0)
    await client.send(b"world")
    assert (await client.rest()).endswith(b"\r\n\r\nok")
    await draining
    assert bench.origin.requests[0].endswith(b"helloworld")


async def test_stream_past_the_grace_period_is_cut_and_never_ends_cleanly(tmp_path: Path) -> None:
    """What does not finish in time is truncated for the client and recorded as the sidecar's doing."""
    async with running(tmp_path, drain_s=0.05) as bench:
        Stream(bench)
        client = await bench.connect()
        await client.send(GET)
        await client.head()
        await client.exactly(4)
        await bench.forwarder.drain()
        assert await client.rest() == b""
        exchange = await bench.recorded()
    assert (exchange.outcome, exchange.failure) == (Outcome.UPSTREAM_TRUNCATED, "sidecar_stopped")


async def test_traffic_needs_no_recorder_and_nothing_is_lost_when_it_comes_late(tmp_path: Path) -> None:
    """With the recorder down clients are served, and what they did is handed over once it is up."""
    async with running(tmp_path, with_recorder=False) as bench:
        for _ in range(5):
            assert (await bench.ask(GET)).endswith(b"ok")
        await bench.inbox.start()
        exchanges = await bench.inbox.holds(5)
        assert len({one.exchange_id for one in exchanges}) == 5


async def test_recorder_that_fails_gets_the_same_exchanges_again(bench: Bench) -> None:
    """An exchange is kept until it is acknowledged."""
    bench.inbox.status = 503
    await bench.ask(GET)
    bench.inbox.status = 204
    assert (await bench.recorded()).outcome is Outcome.COMPLETE


def test_forwarder_loads_none_of_the_shadow_path() -> None:
    """The request path stays small: it imports no room that parses, prices, stores or replays."""
    code = "import sys, shadow.forward.forwarder; print(*sorted(m for m in sys.modules if m.startswith('shadow.')))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    rooms = {name.split(".")[1] for name in ran.stdout.split()}
    assert not rooms & {"cli", "demo", "mirror", "record", "report", "service", "store", "wire"}
