"""The data port: aiohttp's server, set so that it changes nothing, and the loop that moves chunks both ways."""

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import aiohttp
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from shadow.exchange import Outcome
from shadow.forward.framing import Framing, framing, head
from shadow.forward.headers import RawHeaders, listed, response_headers, values
from shadow.forward.passage import Passage, Passages
from shadow.forward.refusals import BAD_HEADER, FAILED, GARBLED, MALFORMED, STOPPED, TIMED_OUT, Refusal, refusal
from shadow.forward.tap import Capture
from shadow.forward.upstream import BROKEN, HEADER_COUNT, LINE_BYTES, Upstream, UpstreamError

BROKE_OFF: Final = "upstream_broke_off"
CLIENT_LEFT: Final = "client_left"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time
CUT_S: Final = 1.0  # cancelled streams need a few turns of the loop to record their end

Serve = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Server:
    """Accepts, forwards, and knows what is under way. `listener` is what the socket is bound to."""

    def __init__(self, passages: Passages, upstream: Upstream) -> None:
        self._passages = passages
        self._upstream = upstream
        self._running: set[asyncio.Task[Any]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False
        self.listener = _Listener(self.serve, passages.refused)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request, from its head to the end of its answer."""
        method, target = request.method.encode(), request.raw_path.encode("utf-8", "surrogateescape")
        version = (request.version.major, request.version.minor)
        declined = refusal(method, target, version, request.raw_headers) or _inexpressible(request.raw_headers)
        if declined is not None:
            self._passages.refused(declined)
            return _own(request, declined, close=True)
        passage = self._passages.open(method, target, request.raw_headers)
        crossing = _Crossing(request, passage, self._upstream)
        task = asyncio.current_task()
        self._entered(task)
        try:
            return await crossing.run()
        except asyncio.CancelledError:
            crossing.interrupted(self._stopping)
            raise
        finally:
            self._passages.close(passage, crossing.outcome, crossing.failure)
            self._left(task)

    async def drain(self, deadline_s: float) -> None:
        """Let what runs finish, for at most `deadline_s`; then cut it short. Idle connections close at once."""
        self.listener.retire()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), deadline_s)
        self._stopping = True
        if cut_short := tuple(self._running):
            for task in cut_short:
                task.cancel()
            await asyncio.wait(cut_short, timeout=CUT_S)
        await self.listener.shutdown(0)

    def _entered(self, task: "asyncio.Task[Any] | None") -> None:
        if task is not None:
            self._running.add(task)
        self._idle.clear()

    def _left(self, task: "asyncio.Task[Any] | None") -> None:
        if task is not None:
            self._running.discard(task)
        if not self._running:
            self._idle.set()


class _Crossing:
    """The two bodies of one request on their way. `outcome` and `failure` say how it went, once `run` is over."""

    def __init__(self, request: web.BaseRequest, passage: Passage, upstream: Upstream) -> None:
        self._request = request
        self._passage = passage
        self._upstream = upstream
        self._upload = _Upload(request, passage.capture)
        self.outcome = Outcome.UPSTREAM_FAILED
        self.failure: str | None = FAILED.code

    async def run(self) -> web.StreamResponse:
        """Forward the request, and its answer as it comes."""
        passage, asked = self._passage, self._passage.capture.asked
        passage.overhead_s += time.monotonic() - passage.opened_at
        passage.capture.sent()
        try:
            answer = await self._upstream.send(asked.method, asked.target, passage.headers, self._upload.body())
        except UpstreamError as error:
            return self._failed(error.refusal)
        try:
            return await self._pass_on(answer)
        finally:
            if not (answer.content.is_eof() and self._upload.finished):
                answer.close()  # a connection with half an exchange on it is never used again
            answer.release()

    def interrupted(self, stopping: bool) -> None:
        """The task was cancelled: the client has left, or the sidecar stops."""
        if not stopping:
            self._end(Outcome.CLIENT_CANCELLED, CLIENT_LEFT)
            return
        begun = self._passage.capture.status is not None
        self._end(Outcome.UPSTREAM_TRUNCATED if begun else Outcome.UPSTREAM_FAILED, STOPPED.code)
        _abort(self._request)

    def _failed(self, said: Refusal) -> web.StreamResponse:
        if self._upload.broken:
            said = MALFORMED
            self._end(Outcome.CLIENT_CANCELLED, "request_body_broken")
        else:
            self._end(Outcome.UPSTREAM_FAILED, said.code)
        self._passage.answered = said.status
        return _own(self._request, said, close=not self._upload.finished)

    async def _pass_on(self, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        here_at, capture = time.monotonic(), self._passage.capture
        try:
            how = self._framing(answer)
        except ValueError:
            return self._failed(GARBLED)
        capture.answered(answer.status, answer.raw_headers)
        reason = (answer.reason or "").encode("utf-8", "surrogateescape")
        outgoing = _Outgoing(head(answer.status, reason, response_headers(answer.raw_headers), how), how)
        self._passage.answered = answer.status
        try:
            await outgoing.prepare(self._request)
        except ConnectionError:
            return self._client_left(outgoing)
        self._passage.overhead_s += time.monotonic() - here_at
        return await self._stream(answer, outgoing, how)

    async def _stream(self, answer: aiohttp.ClientResponse, outgoing: "_Outgoing", how: Framing) -> web.StreamResponse:
        """Chunks from upstream to the client. What upstream breaks and what the client breaks never mix."""
        capture = self._passage.capture
        while True:
            try:
                chunk = await answer.content.readany()
            except BROKEN as error:
                return self._truncated(outgoing, TIMED_OUT.code if isinstance(error, TimeoutError) else BROKE_OFF)
            if not chunk:
                break
            capture.response_chunk(chunk)
            try:
                await outgoing.write(chunk)
            except ConnectionError:
                return self._client_left(outgoing)
        capture.ended()
        if how.length is not None and how.length != capture.response.size:
            return self._truncated(outgoing, BROKE_OFF)
        try:
            await outgoing.write_eof()
        except ConnectionError:
            return self._client_left(outgoing)
        self._end(Outcome.COMPLETE, None)
        return outgoing

    def _framing(self, answer: aiohttp.ClientResponse) -> Framing:
        request = self._request
        close = not request.keep_alive or not self._upload.reusable
        asked = self._passage.capture.asked
        if answer.status < 200:
            raise ValueError("an answer that is none")
        version = (request.version.major, request.version.minor)
        return framing(asked.method, answer.status, version, answer.raw_headers, close)

    def _client_left(self, outgoing: "_Outgoing") -> web.StreamResponse:
        self._end(Outcome.CLIENT_CANCELLED, CLIENT_LEFT)
        return outgoing

    def _truncated(self, outgoing: "_Outgoing", failure: str) -> web.StreamResponse:
        self._end(Outcome.UPSTREAM_TRUNCATED, failure)
        _abort(self._request)
        return outgoing

    def _end(self, outcome: Outcome, failure: str | None) -> None:
        self.outcome, self.failure = outcome, failure


class _Upload:
    """The request's body as upstream reads it."""

    def __init__(self, request: web.BaseRequest, capture: Capture) -> None:
        self._request = request
        self._capture = capture
        self._chunked = bool(values(request.raw_headers, b"transfer-encoding"))
        self.broken = False  # the client sent something that is no body

    @property
    def finished(self) -> bool:
        return self._request.content.is_eof()

    @property
    def reusable(self) -> bool:
        """Whether another request may follow on the connection: not after trailers, nor beside an unread body."""
        return self.finished and not self._chunked

    def body(self) -> AsyncIterator[bytes] | None:
        """The chunks; None for a request without a body."""
        return self._chunks() if self._request.body_exists else None

    async def _chunks(self) -> AsyncIterator[bytes]:
        content = self._request.content
        transport = self._request.transport
        if transport is not None and b"100-continue" in listed(self._request.raw_headers, b"expect"):
            transport.write(CONTINUE)
        try:
            while chunk := await content.readany():
                self._capture.request.feed(chunk)
                yield chunk
        except (web.RequestPayloadError, aiohttp.ClientError, OSError):
            self.broken = True
            raise


class _Outgoing(web.StreamResponse):
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


class _Listener(web.Server):
    """Makes a `_Connection` of every accepted socket. aiohttp's own would fall back to defaults on a wrong setting."""

    def __init__(self, serve: Serve, refused: Callable[[Refusal], None]) -> None:
        super().__init__(serve, handler_cancellation=True)
        self.refused = refused
        self.retiring = False

    def __call__(self) -> RequestHandler:
        return _Connection(
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
            if isinstance(connection, _Connection) and connection.idle:
                connection.close()


class _Connection(RequestHandler):
    """One client connection. Its own error answers repeat nothing of the request, and nothing of it is logged."""

    __slots__ = ("_listener",)

    def __init__(self, listener: _Listener, **settings: Any) -> None:
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
            raise ConnectionError("an answer is under way")
        malformed = status == MALFORMED.status or isinstance(exc, HttpProcessingError)
        if not malformed:
            self.logger.error("a request could not be handled", exc_info=exc)
        said = MALFORMED if malformed else FAILED
        self._listener.refused(said)
        return _own(request, said, close=True)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """End the answer; a retiring listener's connection takes no further request."""
        finished = await super().finish_response(request, resp, start_time)
        if self._listener.retiring:
            self._close = True
        return finished


class _Whole(_Outgoing):
    """An answer of the sidecar's own, with its whole body in hand."""

    def __init__(self, head: bytes, how: Framing, body: bytes) -> None:
        super().__init__(head + body, how)
        self._how = Framing(None, False, how.close)


def _own(request: web.BaseRequest, said: Refusal, close: bool) -> _Whole:
    body = said.body
    headers = [*said.headers, (b"Content-Length", b"%d" % len(body))]
    how = Framing(len(body), False, close or not request.keep_alive)
    shown = b"" if request.method == "HEAD" else body
    return _Whole(head(said.status, said.reason, headers, how), how, shown)


def _inexpressible(headers: RawHeaders) -> Refusal | None:
    """aiohttp's client drops bytes that are not UTF-8 in silence; such a request is refused instead."""
    for name, value in headers:
        if not (value.isascii() and name.isascii()):
            try:
                value.decode()
            except UnicodeDecodeError:
                return BAD_HEADER
    return None


def _abort(request: web.BaseRequest) -> None:
    """End the connection so that no client can take what it has for the whole.

    A body that ends with the connection has no other mark of its end: that client is sent a reset.
    """
    transport = request.transport
    if transport is None:
        return
    if request.version.minor == 0 and (sock := transport.get_extra_info("socket")) is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    transport.abort()
