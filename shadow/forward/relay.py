"""One exchange: a request to the upstream and its answer back, from the head to the one terminal state.

Follow a request through it:

1. `begin`: attributed and tagged, its head goes upstream on an idle connection, or waits for a new one (`Upload`).
2. `client_sent`: what belongs to its body follows as it comes. What comes after it is the next request's, and waits.
3. `upstream_sent`: the answer's head, then its body, go back as they come; interim answers (1xx) go before.
4. It ends: `_complete`, `_fail` (the upstream did), `_client_left`, or in a `Tunnel` where both agreed to upgrade.

A side that does not keep up stops the other one from being read, so that nothing but what is on its way is held.
"""

import asyncio
from typing import TYPE_CHECKING, Final

from shadow.exchange import Outcome
from shadow.forward import crossing
from shadow.forward.dial import DialError
from shadow.forward.framing import Chunked, Framing, UntilClose, answer_framing
from shadow.forward.half_closed import HalfClosed
from shadow.forward.heads import AnswerHead, HeadReader, RefusedError, RequestHead, read_answer
from shadow.forward.pool import idle_s
from shadow.forward.refusals import BAD_UPGRADE, DISCONNECTED, FAILED, GARBLED, STOPPED, TIMED_OUT, Refusal
from shadow.forward.tunnel import Tunnel
from shadow.forward.upload import Upload
from shadow.forward.upstream import Upstream
from shadow.tasks import spawn

if TYPE_CHECKING:
    from shadow.forward.downstream import Downstream
    from shadow.forward.server import Server

BROKE_OFF: Final = "upstream_broke_off"
CLIENT_LEFT: Final = "client_left"
UPLOAD_STALLED: Final = "upload_stalled"
REQUEST_BROKEN: Final = "request_body_broken"

CONTINUE_S: Final = 1.0  # until a client that waits for `100 Continue` gets it from here, if upstream is silent
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Relay:
    """One exchange under way, between a client's connection and one to the upstream."""

    # Of the heads only what is needed to the end is kept: thousands of streams would hold thousands of them.
    __slots__ = (
        "_answer", "_answering", "_body", "_capture", "_client", "_dialling", "_encouraged", "_heads", "_heard_at",
        "_keep", "_lasts_s", "_method", "_old", "_server", "_timer", "_tunnel", "_upgrade", "_upload", "_upstream",
    )  # fmt: skip

    def __init__(self, server: "Server", client: "Downstream", head: RequestHead, body: Framing) -> None:
        self._server, self._client, self._body = server, client, body
        self._upload: Upload  # from `begin` on, but for an upgrade that is refused
        self._upstream: Upstream | None = None
        self._dialling: asyncio.Task[None] | None = None
        self._method = head.method
        self._old = head.version == 0  # a client of HTTP/1.0: it knows neither chunks nor interim answers
        self._upgrade = head.asks_for_websocket
        self._keep = not head.closes
        self._heads = HeadReader()
        self._answer: Framing | None = None
        self._answering = False  # a byte of the answer's head may have reached the client
        self._lasts_s = 0.0  # how long the upstream's connection may idle once the answer has ended
        self._encouraged = False
        self._heard_at = 0.0  # when anything moved last
        self._timer: asyncio.TimerHandle | HalfClosed | None = None
        self._tunnel: Tunnel | None = None

    def begin(self, head: RequestHead, rest: bytes, at: float) -> None:
        """The request's head is here, and `rest` came with it, at this moment of the clock."""
        server = self._server
        self._capture, tags = server.passages.open(head.method, head.target, head.fields, at)
        if self._capture.target is not head.target:
            head = head._replace(target=self._capture.target)
        server.running.add(self)
        if self._upgrade and not self._body.complete:
            self._refuse(BAD_UPGRADE)
            return
        sent = server.crossing.request(head, tags, upgrade=self._upgrade)
        self._upload = Upload(self._client, self._body, server.loop, sent, head.method)
        self._capture.overhead_s = server.clock() - at
        if rest and not self._take(rest):
            return
        self._connect(server.pool.take())
        if not self._body.complete and head.fields.get(b"expect", b"").lower() == b"100-continue":
            self._timer = server.loop.call_later(CONTINUE_S, self._encourage)

    # The way up.

    def client_sent(self, data: bytes) -> None:
        """The client sent more: of this request's body, and perhaps of the next request."""
        if self._body.complete:
            self._client.hold(data)
            return
        if not self._take(data):
            return
        self._heard_at = self._server.clock()
        if self._upstream is None:
            self._upload.wait()
        elif self._answer is None:
            self._upload.send_unless_told(self._upstream)
        else:
            self._upload.send(self._upstream)

    def _take(self, data: bytes) -> bool:
        """Make what belongs to the body ready to be sent; False where it is malformed and the exchange is over."""
        try:
            payload = self._upload.take(data)
        except RefusedError as refused:
            self._refuse(refused.refusal)
            return False
        if payload:
            self._capture.request.feed(payload)
        return True

    def client_ended(self) -> None:
        """The client sends no more: what it has sent is its whole request, or it has left."""
        if self._body.complete:
            self._stop_timer()
            self._timer = HalfClosed(self._client, self._capture, self._server.loop, self._client_left)
        else:
            self._client_left()

    def client_lost(self) -> None:
        self._client_left()

    def upstream_full(self) -> None:
        self._upload.upstream_full()

    def upstream_ready(self) -> None:
        self._heard_at = self._server.clock()
        self._upload.upstream_ready()

    def _connect(self, upstream: Upstream | None) -> None:
        """Go on with a connection that is there, or dial."""
        if upstream is None:
            self._upload.wait()
            self._dialling = spawn(self._dial(), "dial")
            return
        self._upstream, upstream.party = upstream, self
        if self._client.full:
            upstream.pause()
        self._heard_at = now = self._server.clock()
        self._capture.sent(now)
        self._upload.send(upstream)

    async def _dial(self) -> None:
        try:
            upstream = await self._server.pool.dial()
        except DialError as error:
            self._dialling = None
            self._fail(error.refusal)
            return
        self._dialling = None
        self._client.resume()  # it may have waited, with all that could be held
        self._connect(upstream)

    def _encourage(self) -> None:
        """The upstream ignores `Expect`, and the client waits for a word before it sends its body."""
        self._timer = None
        if self._answer is None and not self._old:
            self._encouraged = True
            self._client.write(CONTINUE)

    # The way back.

    def upstream_sent(self, data: bytes) -> None:
        """The upstream sent more of its answer."""
        self._heard_at = self._server.clock()
        try:
            if self._answer is None:
                self._begin_answer(data)
            else:
                self._pass_on(self._answer, b"", data)
        except RefusedError:
            self._fail(GARBLED)

    def upstream_ended(self) -> bool:
        """The upstream closed in an orderly way. For an answer without a length, that is its end."""
        if isinstance(self._answer, UntilClose):
            self._complete(surplus=False)
        else:
            self.upstream_lost()
        return False  # nothing more will be sent to it either

    def upstream_lost(self) -> None:
        """The connection to the upstream is gone before the answer's end."""
        upstream = self._upstream
        self._drop_upstream()
        stale = upstream is not None and upstream.used and self._unanswered
        if stale and self._upload.again():
            self._connect(None)
        else:
            self._fail(DISCONNECTED)

    @property
    def _unanswered(self) -> bool:
        """Whether the client still waits, and nothing of an answer has come: the upstream need not have seen it."""
        return not self._client.ended and not self._heads.holding

    def client_full(self) -> None:
        if self._upstream is not None:
            self._upstream.pause()

    def client_ready(self) -> None:
        if self._upstream is not None:
            self._heard_at = self._server.clock()
            self._upstream.resume()

    def _begin_answer(self, data: bytes) -> None:
        """Look for the answer's head, past interim ones."""
        while data and (whole := self._heads.feed(data)) is not None:
            head, data = read_answer(whole[0]), whole[1]
            self._upload.settled()
            if head.status == 101:
                self._switch(head, data)
                return
            if head.status >= 200:
                self._answer_with(head, data)
                return
            if not self._old and not (head.status == 100 and self._encouraged):
                self._client.write(crossing.answer(head, close=False))

    def _answer_with(self, head: AnswerHead, data: bytes) -> None:
        self._answer = framing = answer_framing(head, self._method)
        if framing.lasting:
            self._lasts_s = idle_s(head)
        self._capture.answered(head.status, head.fields)
        self._keep = self._keep and framing.lasting and self._body.complete and not self._server.draining
        chunks = not self._old or not isinstance(framing, Chunked)
        back = crossing.answer(head, close=not self._keep, chunks=chunks)
        self._capture.overhead_s += self._server.clock() - self._heard_at
        self._pass_on(framing, back, data)

    def _pass_on(self, framing: Framing, head: bytes, data: bytes) -> None:
        """Write `head` and what of `data` belongs to the answer, in one piece. Raises RefusedError."""
        taken = 0
        if data and not framing.complete:
            taken, payload = framing.feed(data)
            if payload:
                self._capture.response_chunk(payload, self._heard_at)
            if self._old and isinstance(framing, Chunked):
                head += payload
            else:
                head = head + data[:taken] if head else data[:taken]
        if not self._answering:
            self._answering = True
            self._capture.told = self._capture.status
        self._client.write(head)
        if framing.complete:
            self._complete(surplus=taken < len(data))

    def _switch(self, head: AnswerHead, data: bytes) -> None:
        """Both sides agreed to speak WebSocket from here on."""
        if not self._upgrade or self._upstream is None:
            raise RefusedError(GARBLED)
        self._capture.answered(head.status, {})
        self._capture.told = head.status
        self._stop_timer()
        self._client.write(crossing.answer(head, close=False))
        self._tunnel = Tunnel(self._client, self._upstream, self._end)
        self._tunnel.begin(data)

    # The end.

    def overdue(self, now: float, limit_s: float) -> None:
        """Give up where nothing has moved for longer than `limit_s`. A client that reads slowly has all its time."""
        upstream = self._upstream
        if upstream is None:
            if self._dialling is None or self._dialling.done():  # it crashed: a dial that runs has its own limit
                self._fail(FAILED)
            return
        if self._tunnel is not None or self._client.full or now - self._heard_at <= limit_s:
            return
        if not self._body.complete and upstream.flushed:
            self._client_left(UPLOAD_STALLED)
        else:
            self._fail(TIMED_OUT)

    def stop(self) -> None:
        """The sidecar stops, and has waited long enough."""
        if self._tunnel is not None:
            self._tunnel.close()
        else:
            self._fail(STOPPED)

    def _complete(self, *, surplus: bool) -> None:
        """The answer has ended by its own framing. `surplus`: more followed, which belongs to no exchange."""
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.party = None
            if surplus or not self._upload.done or not upstream.flushed:  # the next exchange must begin with its own
                upstream.close()
            else:
                self._server.pool.put(upstream, self._lasts_s)
        self._end(Outcome.COMPLETE, None)
        self._client.finish(keep=self._keep, sending=not self._body.complete)

    def _fail(self, refusal: Refusal) -> None:
        """The upstream gave no answer, or not all of it."""
        self._drop_upstream()
        if self._answering:
            self._end(Outcome.UPSTREAM_TRUNCATED, BROKE_OFF if refusal is DISCONNECTED else refusal.code)
            self._cut()
        else:
            self._answer_itself(refusal, Outcome.UPSTREAM_FAILED, refusal.code, keep=self._keep and self._body.complete)

    def _refuse(self, refusal: Refusal) -> None:
        """The request's body is malformed; what has gone upstream stays without its end."""
        self._drop_upstream()
        self._server.passages.refused(refusal)
        if self._answering:
            self._end(Outcome.CLIENT_CANCELLED, REQUEST_BROKEN)
            self._cut()
        else:
            self._answer_itself(refusal, Outcome.CLIENT_CANCELLED, REQUEST_BROKEN, keep=False)

    def _answer_itself(self, refusal: Refusal, outcome: Outcome, failure: str, *, keep: bool) -> None:
        self._capture.told = refusal.status
        self._client.write(refusal.answer(close=not keep, body=self._method != b"HEAD"))
        self._end(outcome, failure)
        self._client.finish(keep=keep, sending=not keep)

    def _client_left(self, failure: str = CLIENT_LEFT) -> None:
        """The client takes no answer any more, so the upstream need not give one."""
        self._drop_upstream()
        self._end(Outcome.CLIENT_CANCELLED, failure)
        self._cut()

    def _cut(self) -> None:
        """End the client's connection so that an answer which has begun does not look whole."""
        self._client.cut(lie=self._answering and (self._old or isinstance(self._answer, UntilClose)))

    def _drop_upstream(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.abort()

    def _end(self, outcome: Outcome, failure: str | None) -> None:
        """Settle the exchange, whatever became of it: called once."""
        self._stop_timer()
        if self._dialling is not None:
            self._dialling.cancel()
        self._client.party = None
        self._server.ended(self)
        self._server.passages.close(self._capture, outcome, failure)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
