"""The data port: what all connections and exchanges share.

A request's way: `downstream` reads its head (`heads`) and how its body is framed (`framing`); a `relay` carries it to
the upstream with what `crossing` lets through, on a connection from the `pool` (`dial` makes new ones), and the answer
back the same way. `passage` is told of everything, and keeps the copy.
"""

import asyncio
import os
import time
from contextlib import suppress
from typing import Final

from shadow.config import Upstream as UpstreamConfig
from shadow.egress import egress_proxy
from shadow.forward.crossing import Crossing
from shadow.forward.dial import Dialler
from shadow.forward.downstream import Downstream
from shadow.forward.passage import Passages
from shadow.forward.pool import Pool
from shadow.forward.relay import Relay

WATCH_S: Final = 1.0  # how late an upstream's silence may be noticed, beyond the configured time-out


class Server:
    """Accepts, forwards, and knows what is under way. Made inside a running event loop.

    Raises ValueError for an egress proxy that cannot be used.
    """

    def __init__(self, passages: Passages, upstream: UpstreamConfig) -> None:
        proxy = egress_proxy(upstream.url, os.environ)
        dialler = Dialler(upstream.url, upstream.connect_timeout_s, proxy, upstream.ca_file)
        self.loop = asyncio.get_running_loop()
        self.clock = time.monotonic
        self.passages = passages
        self.crossing = Crossing(upstream.url, dialler.reading_proxy)
        self.pool = Pool(dialler)
        self.clients: set[Downstream] = set()
        self.running: set[Relay] = set()
        self.draining = False
        self._read_timeout_s = upstream.read_timeout_s
        self._finished = asyncio.Event()
        self._watching = self.loop.call_later(WATCH_S, self._watch)

    def listener(self) -> Downstream:
        """A protocol for one accepted connection."""
        return Downstream(self)

    def ended(self, relay: Relay) -> None:
        """An exchange is over."""
        self.running.discard(relay)
        if self.draining and not self.running:
            self._finished.set()

    async def drain(self, deadline_s: float) -> None:
        """Let what runs finish, for at most `deadline_s`; then cut it short. Idle connections close at once."""
        self.draining = True
        for client in tuple(self.clients):
            if client.idle:
                client.close()
        if self.running:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._finished.wait(), deadline_s)
        for relay in tuple(self.running):
            relay.stop()

    def close(self) -> None:
        """Let go of all connections."""
        self._watching.cancel()
        self.pool.close()
        for client in tuple(self.clients):
            client.close()

    def _watch(self) -> None:
        self._watching = self.loop.call_later(WATCH_S, self._watch)  # first: it goes on whatever becomes of this turn
        now = self.clock()
        for relay in tuple(self.running):
            relay.overdue(now, self._read_timeout_s)
