"""aiohttp's server at its edges: connections that repeat nothing they were sent, and heads written as given."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from shadow.forward.framing import Framing, head
from shadow.forward.refusals import FAILED, MALFORMED, Refusal
from shadow.forward.upstream import HEADER_COUNT, LINE_BYTES

RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time

Serve = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Outgoing(web.StreamResponse):
    """An answer whose head is written as given: aiohttp would add to it, take from it and merge names."""

    def __init__(self, head: bytes, how: Framing) -> None:
        super().__init__()
        self._head = head
        self._how = how
        self._keep_alive = not how.close

    async def prepare(self, request: web.BaseRequest) -> Any:
        """Write the head. Raises ConnectionError where the client has left."""
        if self._payload_writer is not None or self._eof_sent:
            return self._payload_writer
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has left")
        self._req = request
        writer = self._payload_writer = request.writer
        writer.length = self._how.length
        if self._how.chunked:
            writer.enable_chunking()
        transport.write(self._head)
        writer.output_size += len(self._head)
        return writer


class Listener(web.Server):
    """Makes a `Connection` of every accepted socket. aiohttp's own would fall back to defaults on a wrong setting."""

    def __init__(self, serve: Serve, refused: Callable[[Refusal], None]) -> None:
        super().__init__(serve, handler_cancellation=True)
        self.refused = refused
        self.retiring = False

    def __call__(self) -> RequestHandler:
        return Connection(
            self,
            loop=asyncio.get_running_loop(),
            auto_decompress=False,
            max_line_size=LINE_BYTES,
            max_field_size=LINE_BYTES,
            max_headers=HEADER_COUNT,
            access_log=None,
        )

    def retire(self) -> None:
        """Close idle connections now, and each busy one after its answer."""
        self.retiring = True
        for connection in self.connections:
            if isinstance(connection, Connection) and connection.idle:
                connection.close()


class Connection(RequestHandler):
    """One client connection. Its own error answers repeat nothing of the request, and nothing of it is logged."""

    __slots__ = ("_listener",)

    def __init__(self, listener: Listener, **settings: Any) -> None:
        super().__init__(listener, **settings)
        self._listener = listener

    @property
    def idle(self) -> bool:
        return not self._request_in_progress and not self._messages

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 (repeats the request)
    ) -> web.StreamResponse:
        """The answer to a request that aiohttp could not parse, or whose handling crashed."""
        if request.writer.output_size > 0:
            abort(request)
            raise ConnectionError("an answer is under way")
        malformed = status == MALFORMED.status or isinstance(exc, HttpProcessingError)
        if not malformed:
            self.logger.error("a request could not be handled", exc_info=exc)
        said = MALFORMED if malformed else FAILED
        self._listener.refused(said)
        return own_answer(request, said, close=True)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """End the answer; a retiring listener's connection takes no further request."""
        finished = await super().finish_response(request, resp, start_time)
        if self._listener.retiring:
            self._close = True
        return finished


class _Whole(Outgoing):
    """An answer of the sidecar's own, with its whole body in hand."""

    def __init__(self, head: bytes, how: Framing, body: bytes) -> None:
        super().__init__(head + body, how)
        self._how = Framing(None, False, how.close)


def own_answer(request: web.BaseRequest, said: Refusal, close: bool) -> web.StreamResponse:
    """An answer of the sidecar's own, which aiohttp writes once it is returned."""
    body = said.body
    headers = [*said.headers, (b"Content-Length", b"%d" % len(body))]
    how = Framing(len(body), False, close or not request.keep_alive)
    shown = b"" if request.method == "HEAD" else body
    return _Whole(head(said.status, said.reason, headers, how), how, shown)


def abort(request: web.BaseRequest) -> None:
    """End the connection so that no client can take what it has for the whole.

    A body that ends with the connection has no other mark of its end: that client is sent a reset.
    """
    transport = request.transport
    if transport is None:
        return
    if request.version.minor == 0 and (sock := transport.get_extra_info("socket")) is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    transport.abort()
