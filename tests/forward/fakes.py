"""The shell driven without a network: transports that note what is done to them, and a server around them.

A transport's socket is one end of a real pair, so that what the kernel knows of it can be changed from `peer`.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import AsyncMock

from shadow.exchange import Outcome
from shadow.forward.dial import DialError
from shadow.forward.downstream import Downstream
from shadow.forward.handoff import Handoff
from shadow.forward.metrics import Metrics
from shadow.forward.passage import Passages
from shadow.forward.server import Server
from shadow.forward.upstream import Upstream
from tests.forward.conftest import PATIENCE_S, SECRET, configuration


class FakeTransport(asyncio.Transport):
    """Notes writes and what else is asked of it. `unsent` is how many bytes its buffer is said to hold."""

    def __init__(self) -> None:
        super().__init__()
        self.sock, self.peer = socket.socketpair()
        self.written = b""
        self.paused = self.closed = self.aborted = self.eof = False
        self.unsent = 0

    def __del__(self) -> None:
        self.sock.close()
        self.peer.close()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.sock if name == "socket" else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def taken(self) -> bytes:
        """What was written since the last call."""
        written, self.written = self.written, b""
        return written

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.eof = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True


def upstream_on(transport: FakeTransport) -> Upstream:
    """A connection to the upstream."""
    upstream = Upstream()
    upstream.connection_made(transport)
    return upstream


class Bare:
    """A server with neither port nor recorder nor network. What it dials is in `dialled`; made inside an event loop."""

    def __init__(self, **settings: Any) -> None:
        config, metrics = configuration(**settings), Metrics(())
        self.requests = metrics.requests
        handoff = Handoff(AsyncMock(), metrics, 1 << 20, 0.0)  # never started
        self.server = Server(Passages(config, SECRET, metrics, handoff), config.upstream)
        self.server.pool._dialler = self  # type: ignore[assignment]
        self.dialled: asyncio.Queue[tuple[Upstream, FakeTransport]] = asyncio.Queue()
        self.refusing: DialError | None = None

    def client(self) -> tuple[Downstream, FakeTransport]:
        """A client that has connected."""
        transport, client = FakeTransport(), self.server.listener()
        client.connection_made(transport)
        return client, transport

    async def upstream(self) -> tuple[Upstream, FakeTransport]:
        """The connection that was dialled, or is dialled next."""
        return await asyncio.wait_for(self.dialled.get(), PATIENCE_S)

    async def connect(self, _protocol: object) -> Upstream:
        """In the dialler's stead."""
        if self.refusing is not None:
            raise self.refusing
        transport = FakeTransport()
        upstream = upstream_on(transport)
        asyncio.get_running_loop().call_soon(self.dialled.put_nowait, (upstream, transport))  # once the relay has it
        return upstream

    def ended(self, outcome: Outcome) -> int:
        """How many exchanges have ended so."""
        return sum(count for (name, _), count in self.requests._ended.items() if name == outcome)


@asynccontextmanager
async def bare(**settings: Any) -> AsyncIterator[Bare]:
    """One of them, and its end."""
    made = Bare(**settings)
    try:
        yield made
    finally:
        await made.server.drain(0)
        made.server.close()
