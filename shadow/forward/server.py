"""The data port: aiohttp's server, set so that it changes nothing, and the loop that moves chunks both ways."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final, cast

import aiohttp
from aiohttp import web

from shadow.exchange import Outcome
from shadow.forward.framing import Framing, framing, head
from shadow.forward.headers import RawHeaders, by_name, members, response_headers
from shadow.forward.listener import Listener, Outgoing, abort, own_answer
from shadow.forward.passage import Passage, Passages
from shadow.forward.refusals import BAD_HEADER, FAILED, GARBLED, MALFORMED, STOPPED, TIMED_OUT, Refusal, refusal
from shadow.forward.tap import Capture
from shadow.forward.upstream import BROKEN, Upstream, UpstreamError

BROKE_OFF: Final = "upstream_broke_off"
CLIENT_LEFT: Final = "client_left"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
CUT_S: Final = 1.0  # cancelled streams need a few turns of the loop to record their end


class Server:
    """Accepts, forwards, and knows what is under way. `listener` is what the socket is bound to."""

    def __init__(self, passages: Passages, upstream: Upstream) -> None:
        self._passages = passages
        self._upstream = upstream
        self._running: set[asyncio.Task[Any]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False
        self.listener = Listener(self.serve, passages.refused)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request, from its head to the end of its answer."""
        method, target = request.method.encode(), request.raw_path.encode("utf-8", "surrogateescape")
        version = (request.version.major, request.version.minor)
        declined = refusal(method, target, version, request.raw_headers) or _inexpressible(request.raw_headers)
        if declined is not None:
            self._passages.refused(declined)
            return own_answer(request, declined, close=True)
        passage = self._passages.open(method, target, request.raw_headers)
        crossing = _Crossing(request, passage, self._upstream)
        task = cast("asyncio.Task[Any]", asyncio.current_task())  # never None inside of a coroutine
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

    def _entered(self, task: asyncio.Task[Any]) -> None:
        self._running.add(task)
        self._idle.clear()

    def _left(self, task: asyncio.Task[Any]) -> None:
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
        abort(self._request)

    def _failed(self, said: Refusal) -> web.StreamResponse:
        if self._upload.broken:
            said = MALFORMED
            self._end(Outcome.CLIENT_CANCELLED, "request_body_broken")
        else:
            self._end(Outcome.UPSTREAM_FAILED, said.code)
        self._passage.answered = said.status
        return own_answer(self._request, said, close=not self._upload.finished)

    async def _pass_on(self, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        here_at, capture = time.monotonic(), self._passage.capture
        try:
            how = self._framing(answer)
        except ValueError:
            return self._failed(GARBLED)
        capture.answered(answer.status, answer.raw_headers)
        reason = (answer.reason or "").encode("utf-8", "surrogateescape")
        outgoing = Outgoing(head(answer.status, reason, response_headers(answer.raw_headers), how), how)
        self._passage.answered = answer.status
        try:
            await outgoing.prepare(self._request)
        except ConnectionError:
            return self._client_left(outgoing)
        self._passage.overhead_s += time.monotonic() - here_at
        return await self._stream(answer, outgoing, how)

    async def _stream(self, answer: aiohttp.ClientResponse, outgoing: Outgoing, how: Framing) -> web.StreamResponse:
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

    def _client_left(self, outgoing: Outgoing) -> web.StreamResponse:
        self._end(Outcome.CLIENT_CANCELLED, CLIENT_LEFT)
        return outgoing

    def _truncated(self, outgoing: Outgoing, failure: str) -> web.StreamResponse:
        self._end(Outcome.UPSTREAM_TRUNCATED, failure)
        abort(self._request)
        return outgoing

    def _end(self, outcome: Outcome, failure: str | None) -> None:
        self.outcome, self.failure = outcome, failure


class _Upload:
    """The request's body as upstream reads it."""

    def __init__(self, request: web.BaseRequest, capture: Capture) -> None:
        self._request = request
        self._capture = capture
        named = by_name(request.raw_headers)
        self._chunked = b"transfer-encoding" in named
        self._awaited = b"100-continue" in members(named.get(b"expect", ()))
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
        if self._awaited and transport is not None:
            transport.write(CONTINUE)
        try:
            while chunk := await content.readany():
                self._capture.request.feed(chunk)
                yield chunk
        except (web.RequestPayloadError, aiohttp.ClientError, OSError):
            self.broken = True
            raise


def _inexpressible(headers: RawHeaders) -> Refusal | None:
    """aiohttp's client drops bytes that are not UTF-8 in silence; such a request is refused instead."""
    for _, value in headers:
        try:
            value.decode()
        except UnicodeDecodeError:
            return BAD_HEADER
    return None
