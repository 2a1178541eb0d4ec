"""Finished exchanges on their way to the recorder: kept until acknowledged, bounded in bytes, every loss counted."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import islice
from typing import Final

from shadow.events import Event
from shadow.forward.metrics import Metrics
from shadow.forward.recorder_client import ACCEPTED, AWAY, DOWN
from shadow.frames import Frame, join
from shadow.log import tell
from shadow.tasks import spawn

BATCH_FRAMES: Final = 400  # with 200 the way to the recorder costs a twentieth more, with 1,000 caches are too small
BATCH_BYTES: Final = 1 << 20  # held twice while it is sent, and soon read; a larger frame travels alone
FIRST_PAUSE_S: Final = 0.05  # a restarted recorder is back within a second
LONGEST_PAUSE_S: Final = 2.0
# An exchange of which the recorder dies would be sent for ever, and nothing behind it. Deliveries of the same oldest
# exchange that end with the recorder, in a row: after the first number, those of the batch travel alone. After the
# second, which the recorder's back-off spreads over three quarters of a minute, whatever else kills it would have let
# one commit of milliseconds pass: the exchange is given up.
DEATHS: Final = 3
DEATHS_ALONE: Final = 10
NEVER_ACCEPTABLE: Final = frozenset({400, 413})  # the frame itself is at fault: sending it again cannot help

Send = Callable[[bytes], Awaitable[int]]


class Handoff:
    """A queue of packed exchanges, and the task that sends them. `send` posts frames and returns the status."""

    def __init__(self, send: Send, metrics: Metrics, max_bytes: int, max_delay_s: float) -> None:
        self._send = send
        self._metrics = metrics
        self._max_bytes = max_bytes
        self._max_delay_s = max_delay_s
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        metrics.handoff_bytes.set_function(lambda: self._bytes)
        self._most = BATCH_FRAMES  # fewer while a refused frame is being singled out
        self._alone = 0  # so many of the oldest frames travel alone: the recorder may have died of one of them
        self._deaths = 0  # deliveries in a row, of the oldest frame, that ended with the recorder
        self._some = asyncio.Event()  # there is a frame
        self._urgent = asyncio.Event()  # a batch is full, or there is no time left to wait for one
        self._empty = asyncio.Event()
        self._empty.set()
        self._draining = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = spawn(self._run(), "handoff")

    def offer(self, frame: Frame) -> None:
        """Take a packed exchange. Never waits and never raises: where there is no room, it is dropped and counted."""
        if self._bytes + frame.size > self._max_bytes:
            self._count("dropped", 1)
            return
        if not self._frames:
            self._empty.clear()
            self._some.set()
        self._frames.append(frame)
        self._bytes += frame.size
        if len(self._frames) >= BATCH_FRAMES or self._bytes >= BATCH_BYTES:
            self._urgent.set()

    async def drain(self, deadline_s: float) -> None:
        """Send what is held without further delay, for at most `deadline_s`."""
        self._draining = True
        self._urgent.set()
        try:
            await asyncio.wait_for(self._empty.wait(), deadline_s)
        except TimeoutError:
            tell(Event.HANDOFF_OVERDUE, exchanges=len(self._frames))

    async def close(self) -> None:
        """Stop sending; what is still held is lost and counted."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._count("abandoned", len(self._frames))
        self._release(len(self._frames))

    async def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            await self._some.wait()
            await self._gather()
            if await self._send_batch():
                pause_s = FIRST_PAUSE_S
            else:
                self._metrics.handoff_resends.inc()
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _gather(self) -> None:
        """Wait until a batch is full or its oldest exchange has waited long enough."""
        if self._draining or self._alone:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._urgent.wait(), self._max_delay_s)

    async def _send_batch(self) -> bool:
        """Send the oldest frames; True if the queue is shorter for it or the batch must be cut smaller."""
        count = self._batch()
        try:
            status = await self._send(join(islice(self._frames, count)))
        except AWAY:
            return False
        except DOWN:
            self._died(count)
            return False
        self._deaths = 0
        if status == ACCEPTED:
            self._count("acknowledged", count)
            self._release(count)
            self._most = BATCH_FRAMES
        elif status not in NEVER_ACCEPTABLE:
            return False
        elif count > 1:
            self._most = count // 2
        else:
            tell(Event.EXCHANGE_REFUSED)
            self._count("refused", 1)
            self._release(1)
        return True

    def _died(self, count: int) -> None:
        """The recorder ended with this batch in its hands, of which it may have died."""
        self._deaths += 1
        if count == 1 and self._deaths >= DEATHS_ALONE:
            tell(Event.EXCHANGE_GIVEN_UP, deaths=self._deaths)
            self._count("refused", 1)
            self._release(1)
        elif self._deaths >= DEATHS:
            self._alone = max(self._alone, count)

    def _batch(self) -> int:
        """How many of the oldest frames go into one batch: at least one."""
        most = 1 if self._alone else self._most
        count, size = 0, 0
        for frame in self._frames:
            size += frame.size
            if count == most or (count and size > BATCH_BYTES):
                break
            count += 1
        return count

    def _release(self, count: int) -> None:
        self._deaths, self._alone = 0, max(0, self._alone - count)
        for _ in range(count):
            self._bytes -= self._frames.popleft().size
        if not self._frames:
            self._some.clear()
            self._empty.set()
        if not self._draining and len(self._frames) < BATCH_FRAMES and self._bytes < BATCH_BYTES:
            self._urgent.clear()

    def _count(self, result: str, count: int) -> None:
        self._metrics.handoff.labels(result).inc(count)
