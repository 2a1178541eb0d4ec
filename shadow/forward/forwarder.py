"""The forwarder: the data port, the admin port and the handoff, started and drained together."""

import asyncio
from pathlib import Path
from typing import Final

from aiohttp import web

from shadow.config import Config
from shadow.forward.access import Access
from shadow.forward.admin import Admin, Reload
from shadow.forward.handoff import Handoff
from shadow.forward.metrics import Metrics
from shadow.forward.passage import Passages
from shadow.forward.recorder_client import RecorderClient
from shadow.forward.refusals import FAILED, REQUEST_REFUSALS
from shadow.forward.server import Server
from shadow.reload import Renewed
from shadow.values import Address

BACKLOG: Final = 1024  # a burst of clients at start waits instead of being turned away
FLUSH_S: Final = 5.0  # a healthy recorder commits a full handoff in less
ADMIN_STOP_S: Final = 1.0


class Forwarder:
    """Everything of the request path. Made inside a running event loop; raises ValueError for an unusable egress proxy.

    `port` and `admin_port` are those bound, once `start` has returned; `ready` is what `/-/ready` says.
    """

    def __init__(self, config: Config, fingerprint_secret: bytes, socket_path: Path, reload: Reload) -> None:
        self._config = config
        self._reload = reload
        self.ready = False
        self.port = self.admin_port = 0
        self.metrics = Metrics(tuple(refusal.code for refusal in (*REQUEST_REFUSALS, FAILED)))
        self._recorder = RecorderClient(socket_path)
        handoff = config.handoff
        self.handoff = Handoff(self._recorder.add, self.metrics, int(handoff.max_bytes), handoff.max_delay_ms / 1000)
        self._passages = Passages(config, fingerprint_secret, self.metrics, self.handoff)
        self._server = Server(self._passages, config.upstream)
        self._data_port: asyncio.Server | None = None
        self._admin_runner: web.AppRunner | None = None

    async def adopt(self, renewed: Renewed) -> None:
        """Attribute by this registry from now on."""
        self._passages.adopt(renewed.owners)

    async def start(self) -> None:
        """Bind both ports and begin to serve. Raises OSError where a port cannot be bound."""
        self.handoff.start()
        await self._start_admin(self._config.admin.listen)
        listen = self._config.listen
        loop = asyncio.get_running_loop()
        self._data_port = await loop.create_server(self._server.listener, listen.host, listen.port, backlog=BACKLOG)
        self.port = self._data_port.sockets[0].getsockname()[1]
        self.ready = True

    async def drain(self) -> None:
        """Turn unready, soon accept nothing more, let streams finish within the grace period, flush the handoff."""
        self.ready = False
        await asyncio.sleep(self._config.drain_delay_s)
        if self._data_port is not None:
            self._data_port.close()
        await self._server.drain(self._config.drain_s)
        self._passages.settle()
        await self.handoff.drain(FLUSH_S)

    async def close(self) -> None:
        """Let go of everything. What is not drained by now is cut short."""
        self.ready = False
        if self._data_port is not None:
            self._data_port.close()
        await self._server.drain(0)
        self._passages.settle()
        await self.handoff.close()
        self._server.close()
        if self._admin_runner is not None:
            await self._admin_runner.cleanup()
        await self._recorder.close()

    async def _start_admin(self, listen: Address) -> None:
        access = Access(self._config.admin)
        application = Admin(access, self.metrics, self._recorder, lambda: self.ready, self._reload).application()
        self._admin_runner = web.AppRunner(application, access_log=None, shutdown_timeout=ADMIN_STOP_S)
        await self._admin_runner.setup()
        site = web.TCPSite(self._admin_runner, listen.host, listen.port)
        await site.start()
        self.admin_port = site.port
