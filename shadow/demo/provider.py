"""A stand-in provider: an HTTP/1.1 server on loopback that answers by script and remembers what it was asked.

    async with StandIn(answer) as stand_in:
        ...  # stand_in.url is the address, stand_in.received what came

It writes raw bytes because it has to be able to break every rule of HTTP that providers, edges and networks break.
"""

import asyncio
import socket
import ssl
import struct
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self, TypeVar, cast

from shadow.demo.request import BadRequestError, BodyCopy, Request, RequestHead, RequestReader
from shadow.demo.script import Close, CloseOnReuse, Echo, Hold, Pause, Reset, Script, Send, Step, whole

Behaviour = Callable[[Request], Script]  # what a provider answers to a complete request
Early = Callable[[RequestHead], Script | None]  # what it answers before it has read the body, if it does

Taken = TypeVar("Taken")

BACKLOG: Final = 4096  # tests open thousands of connections at once
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
REFUSAL: Final = whole(400, (("content-type", "text/plain"), ("connection", "close")), b"the request is malformed\n")


class Received:
    """One request as it came in, and what became of its connection. Times are of `time.monotonic`."""

    def __init__(self, head: RequestHead, connection: int) -> None:
        self.head = head
        self.connection = connection  # counted from 0: requests on one connection share it
        self.at = time.monotonic()
        self.copy = BodyCopy()
        self.complete = False  # the whole body came
        self.sent = 0  # bytes of the answer written
        self.answered = False  # the script came to its end
        self.closed_at: float | None = None
        self.ended = asyncio.Event()  # answered to the end, or the connection is gone

    @property
    def body(self) -> bytes:
        """The first bytes of the body: all of it, unless it is very large."""
        return bytes(self.copy.kept)

    @property
    def sha256(self) -> str:
        """The hash of all bytes of the body that came, in hexadecimal."""
        return self.copy.sha256

    def request(self) -> Request:
        """What a behaviour is given to answer."""
        return Request(self.head, self.body, self.copy.size, self.sha256)


class StandIn:
    """A provider on a loopback port of its own. `pace` stretches or shrinks every pause of a script; 0 leaves them out.

    `malformed` counts requests refused because they were no well-formed HTTP.
    """

    def __init__(
        self,
        answer: Behaviour,
        *,
        early: Early = lambda _: None,
        host: str = "127.0.0.1",
        port: int = 0,
        pace: float = 1.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.answer = answer
        self.early = early
        self.pace = pace
        self.received: list[Received] = []
        self.connections = 0
        self.malformed = 0
        self._address = (host, port)
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._open: set[Connection] = set()
        self._arrival = asyncio.Condition()
        self._release = asyncio.Semaphore(0)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self), *self._address, ssl=self._tls, backlog=BACKLOG
        )
        self._address = self._server.sockets[0].getsockname()[:2]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        await asyncio.gather(*(connection.abort() for connection in tuple(self._open)), return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    @property
    def url(self) -> str:
        """Scheme, address and port, without a path."""
        return f"http{'s' if self._tls else ''}://{self._address[0]}:{self._address[1]}"

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        return len(self._open)

    def release(self, holds: int = 1) -> None:
        """Let so many holds go on, present or to come."""
        for _ in range(holds):
            self._release.release()

    async def wait_for(self, count: int = 1) -> Received:
        """Wait until so many requests' heads have arrived; the last of them."""
        async with self._arrival:
            await self._arrival.wait_for(lambda: len(self.received) >= count)
        return self.received[count - 1]

    # What connections tell their provider.

    def opened(self, connection: "Connection") -> int:
        """A connection came; its number."""
        self._open.add(connection)
        self.connections += 1
        return self.connections - 1

    def closed(self, connection: "Connection") -> None:
        """A connection went."""
        self._open.discard(connection)

    async def arrived(self, received: Received) -> None:
        """A request's head came."""
        self.received.append(received)
        async with self._arrival:
            self._arrival.notify_all()

    async def held(self) -> None:
        """Wait for a release."""
        await self._release.acquire()


class Connection(asyncio.Protocol):
    """One connection: a task reads requests and plays scripts until either side has had enough."""

    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in
        self._reader = RequestReader()
        self._input = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._current: Received | None = None
        self._closes_on_reuse = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if not transport.get_extra_info("sslcontext"):  # behind TLS a full buffer would never be said to be empty
            self._transport.set_write_buffer_limits(high=0)  # a write is over when the kernel has it
        self._number = self._stand_in.opened(self)
        self._task = asyncio.get_running_loop().create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        self._input.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def eof_received(self) -> None:
        self._leave()

    def connection_lost(self, _: Exception | None) -> None:
        self._leave()
        self._stand_in.closed(self)

    def abort(self) -> "asyncio.Task[None]":
        """Drop the connection; the task that then ends."""
        self._task.cancel()
        self._transport.abort()
        return self._task

    def _leave(self) -> None:
        if self._current is not None and self._current.closed_at is None:
            self._current.closed_at = time.monotonic()
            self._current.ended.set()
        self._task.cancel()

    async def _serve(self) -> None:
        try:
            while await self._converse():
                pass
        except BadRequestError:
            self._stand_in.malformed += 1
            await self._perform(REFUSAL, None)
        finally:
            self._transport.close()

    async def _converse(self) -> bool:
        """Take one request and answer it; whether the connection goes on."""
        head = await self._take(self._reader.take_head)
        received = self._current = Received(head, self._number)
        await self._stand_in.arrived(received)
        if self._closes_on_reuse:
            return False
        script = self._stand_in.early(head)
        if script is not None:
            await self._perform(script, received)
            await self._take_body(received)  # a client that is told so late is still sending
            return False
        if (head.header("expect") or "").lower() == "100-continue":
            self._transport.write(CONTINUE)
        await self._take_body(received)
        goes_on = await self._perform(self._stand_in.answer(received.request()), received)
        return goes_on and head.minor_version == 1 and (head.header("connection") or "").lower() != "close"

    async def _take_body(self, received: Received) -> None:
        await self._take(lambda: self._reader.take_body(received.copy) or None)
        received.complete = True

    async def _take(self, attempt: Callable[[], Taken | None]) -> Taken:
        """What `attempt` finds, once enough bytes have come."""
        while (found := attempt()) is None:
            self._input.clear()
            await self._input.wait()
        return found

    async def _perform(self, script: Script, received: Received | None) -> bool:
        """Play a script to its end; whether the connection goes on."""
        goes_on = True
        for step in script:
            goes_on = await self._step(step, received)
            if not goes_on:
                break
        if received is not None:
            received.answered = True
            received.ended.set()
        return goes_on

    async def _step(self, step: Step, received: Received | None) -> bool:
        match step:
            case Send(data):
                await self._write(data, received)
            case Pause(seconds):
                await asyncio.sleep(seconds * self._stand_in.pace)
            case Hold():
                await self._stand_in.held()
            case Echo():
                while True:
                    await self._write(await self._take(lambda: self._reader.drain() or None), received)
            case CloseOnReuse():
                self._closes_on_reuse = True
            case Reset():
                linger = struct.pack("ii", 1, 0)  # closing then sends a reset
                self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self._transport.abort()
                return False
            case Close():
                return False
        return True

    async def _write(self, data: bytes, received: Received | None) -> None:
        self._transport.write(data)
        await asyncio.sleep(0)  # the next write is another one on the wire, too
        await self._writable.wait()
        if received is not None:
            received.sent += len(data)
