"""Connections to the upstream that wait for their next exchange."""

import asyncio
import re
from typing import Final

from shadow.forward.dial import Dialler
from shadow.forward.heads import AnswerHead
from shadow.forward.upstream import Upstream

IDLE_S: Final = 15.0  # shorter than load balancers keep theirs, so that few requests meet a dead connection
MARGIN_S: Final = 1.0  # before the moment at which the upstream said that it closes
SWEEP_S: Final = 1.0
MAX_IDLE: Final = 1024  # a burst of streams leaves no more than this behind
TIMEOUT: Final = re.compile(rb"(?:^|[,\s])timeout=([0-9]{1,6})", re.IGNORECASE)


class Pool:
    """Idle connections, the one used last on top: in quiet times the others grow old and are closed.

    It bounds no exchanges: as many connections are open as there are requests under way.
    """

    def __init__(self, dialler: Dialler) -> None:
        self._dialler = dialler
        self._loop = asyncio.get_running_loop()
        self._idle: list[Upstream] = []
        self._sweeping: asyncio.TimerHandle | None = None

    def take(self) -> Upstream | None:
        """An idle connection that is open as far as anyone can know; None where there is none."""
        now = self._loop.time()
        while self._idle:
            upstream = self._idle.pop()
            if now < upstream.idle_until and upstream.usable:
                return upstream
            upstream.abort()
        return None

    async def dial(self) -> Upstream:
        """A new connection. Raises DialError."""
        return await self._dialler.connect(Upstream)

    def put(self, upstream: Upstream, idle_s: float) -> None:
        """Keep a connection on which an exchange ended exactly, for at most so long; for no time, close it."""
        if idle_s <= 0 or len(self._idle) >= MAX_IDLE:
            upstream.close()
            return
        upstream.used = True
        upstream.idle_until = self._loop.time() + idle_s
        upstream.resume()
        self._idle.append(upstream)
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(SWEEP_S, self._sweep)

    def close(self) -> None:
        """Close what is idle."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for upstream in self._idle:
            upstream.close()
        self._idle.clear()

    def _sweep(self) -> None:
        now = self._loop.time()
        for upstream in self._idle:
            if now >= upstream.idle_until:
                upstream.close()
        self._idle = [upstream for upstream in self._idle if now < upstream.idle_until]
        self._sweeping = self._loop.call_later(SWEEP_S, self._sweep) if self._idle else None


def idle_s(answer: AnswerHead) -> float:
    """For how long the upstream is trusted to keep a connection open after this answer: 0 if it said that it closes."""
    if answer.closes:
        return 0.0
    keep_alive = answer.fields.get(b"keep-alive")
    told = None if keep_alive is None else TIMEOUT.search(keep_alive)
    return IDLE_S if told is None else min(IDLE_S, int(told[1]) - MARGIN_S)
