"""A scripted origin, a recorder that remembers, and a forwarder between them; clients speak raw HTTP."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from aiohttp import web
from pydantic import TypeAdapter

from shadow.config import Config
from shadow.exchange import Exchange
from shadow.exposition import style_for
from shadow.forward.forwarder import Forwarder
from shadow.frames import FrameError, unpack
from shadow.reload import Reloaded

PATIENCE_S = 10  # a guard against a hang, never what a test waits for
SECRET = b"a secret of the tests"
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def read_head(reader: asyncio.StreamReader) -> bytes:
    return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)


class Origin:
    """An upstream that follows a script for every connection; `script` may be replaced at any time."""

    def __init__(self) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        self.script: Script = self.answer_plainly
        self.ended = asyncio.Event()  # a script was left, by its end or by an error
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=1 << 20)

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def answer_plainly(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def answering(self, answer: bytes) -> None:
        """From now on read one request a connection, answer with these bytes, and close."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self.read_request(reader)
            writer.write(answer)

        self.script = script

    async def read_request(self, reader: asyncio.StreamReader) -> bytes:
        """One request, with a body of known or chunked length, as the bytes that came."""
        head = await reader.readuntil(b"\r\n\r\n")
        lower = head.lower()
        body = b""
        if b"\r\ncontent-length: " in lower:
            length = int(lower.split(b"\r\ncontent-length: ")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
        elif b"transfer-encoding: chunked" in lower:
            while not body.endswith(b"0\r\n\r\n"):
                body += await reader.readuntil(b"\r\n")
        self.requests.append(head + body)
        return head + body

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self.script(reader, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.ended.set()
            self._tasks.discard(task)
            writer.close()


class Inbox:
    """A recorder that keeps what it is handed. `status` is what it answers; `pages` are its other pages."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.status = 204
        self.exchanges: list[Exchange] = []
        self.bytes = b""  # the frames in which they came
        self.requests: list[tuple[str, str]] = []
        self.reloaded = Reloaded()
        self.metrics: Callable[[web.Request], web.Response] = one_metric
        self._changed = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    async def reload(self) -> Reloaded:
        """What the service does when it is told to read its configuration again."""
        return self.reloaded

    async def start(self) -> None:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/exchanges", self._take)
        app.router.add_route("*", "/{page:.*}", self._page)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.UnixSite(self._runner, str(self.path)).start()

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def holds(self, count: int) -> list[Exchange]:
        """Wait until `count` exchanges are here."""
        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(lambda: len(self.exchanges) >= count), PATIENCE_S)
        return self.exchanges

    async def _take(self, request: web.Request) -> web.Response:
        received = await request.read()
        try:
            batch = list(unpack(received))
        except FrameError:
            return web.Response(status=400)
        if self.status == 204:
            async with self._changed:
                self.bytes += received
                self.exchanges += batch
                self._changed.notify_all()
        return web.Response(status=self.status)

    async def _page(self, request: web.Request) -> web.Response:
        self.requests.append((request.method, request.raw_path))
        if request.path == "/metrics":
            return self.metrics(request)
        return web.Response(text="<p>a page</p>", content_type="text/html", headers={"X-Inner": "1"})


def one_metric(request: web.Request) -> web.Response:
    """A recorder's metrics in the style that is asked for."""
    style = style_for(request.headers["Accept"])
    page = b"shadow_exchanges_total 1\n" + style.end
    return web.Response(body=page, headers={"Content-Type": style.content_type})


class Client:
    """A raw connection to the data port."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, request: bytes) -> None:
        self.writer.write(request)
        await asyncio.wait_for(self.writer.drain(), PATIENCE_S)

    async def head(self) -> bytes:
        return await read_head(self.reader)

    async def exactly(self, count: int) -> bytes:
        return await asyncio.wait_for(self.reader.readexactly(count), PATIENCE_S)

    async def rest(self) -> bytes:
        """Everything up to the end of the connection. Raises ConnectionResetError on a reset."""
        return await asyncio.wait_for(self.reader.read(-1), PATIENCE_S)

    def leave(self) -> None:
        self.writer.transport.abort()


class Bench:
    """Origin, recorder and forwarder, running."""

    def __init__(self, origin: Origin, inbox: Inbox, forwarder: Forwarder) -> None:
        self.origin, self.inbox, self.forwarder = origin, inbox, forwarder
        self._clients: list[Client] = []

    async def connect(self) -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.forwarder.port, limit=1 << 20)
        self._clients.append(Client(reader, writer))
        return self._clients[-1]

    async def ask(self, request: bytes) -> bytes:
        """Send a request on a connection of its own, with `Connection: close` added; the whole answer."""
        client = await self.connect()
        await client.send(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        return await client.rest()

    async def recorded(self) -> Exchange:
        return (await self.inbox.holds(1))[0]

    def metric(self, name: str, **labels: str) -> float | None:
        return self.forwarder.metrics.registry.get_sample_value(name, labels)

    def leave(self) -> None:
        for client in self._clients:
            client.leave()


def configuration(**more: Any) -> Config:
    base = {
        "listen": "127.0.0.1:0",
        "admin": {"listen": "127.0.0.1:0"},
        "upstream": {"url": "http://127.0.0.1:9"},
        "handoff": {"max_delay_ms": 5},
        "drain_s": 5,
    }
    return TypeAdapter(Config).validate_python(base | more)


@asynccontextmanager
async def running(directory: Path, with_recorder: bool = True, **more: Any) -> AsyncIterator[Bench]:
    origin, inbox = Origin(), Inbox(directory / "recorder.sock")
    await origin.start()
    if with_recorder:
        await inbox.start()
    upstream = more.pop("upstream", {})
    config = configuration(upstream={"url": origin.url} | upstream, **more)
    forwarder = Forwarder(config, SECRET, inbox.path, inbox.reload)
    await forwarder.start()
    bench = Bench(origin, inbox, forwarder)
    try:
        yield bench
    finally:
        bench.leave()
        await forwarder.close()
        await origin.close()
        await inbox.close()


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Production runs on uvloop; asyncio's own loop differs in how it closes and resets."""
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path) as bench:
        yield bench
