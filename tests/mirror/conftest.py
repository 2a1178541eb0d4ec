"""Candidates on loopback: real servers, well-behaved or not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import uvloop
from aiohttp import web

from shadow.config import Config
from shadow.mirror import Mirror
from tests.mirror import making

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]
RawHandler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
ServeRaw = Callable[[RawHandler], Awaitable[str]]


@pytest.fixture(autouse=True)
def candidate_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The candidate's key, where the configuration of these tests says it is."""
    monkeypatch.setenv(making.KEY_VARIABLE, making.KEY)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine that runs the tests may have proxies, which know no loopback."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts an HTTP server for any path, and returns its URL."""
    runners = []

    async def start(handler: Handler) -> str:
        application = web.Application(client_max_size=64 << 20)
        application.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        return f"http://{host}:{port}"

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def serve_raw() -> AsyncIterator[ServeRaw]:
    """Starts a TCP server that may say anything, and returns its URL."""
    servers: list[asyncio.Server] = []
    running: set[asyncio.Task[None]] = set()

    async def start(handler: RawHandler) -> str:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            async def carry() -> None:
                try:
                    await handler(reader, writer)
                except OSError:
                    pass  # the other side went first
                finally:
                    writer.close()

            task = asyncio.get_running_loop().create_task(carry())
            running.add(task)
            task.add_done_callback(running.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=64 << 20)
        servers.append(server)
        host, port = server.sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"

    yield start
    for server in servers:
        server.close()
    for task in tuple(running):
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


@pytest.fixture
async def mirrors() -> AsyncIterator[Callable[..., Awaitable[tuple[Mirror, making.Ledger]]]]:
    """Starts mirrors with a ledger each, and closes them at the end."""
    started = []

    async def start(
        config: Config, ledger: making.Ledger | None = None, **options: object
    ) -> tuple[Mirror, making.Ledger]:
        ledger = ledger or making.Ledger()
        mirror = Mirror(config, ledger, **options)  # type: ignore[arg-type]
        await mirror.start()
        started.append(mirror)
        return mirror, ledger

    yield start
    for mirror in started:
        await mirror.close()


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Production runs on uvloop; asyncio's own loop differs in how it breaks."""
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
