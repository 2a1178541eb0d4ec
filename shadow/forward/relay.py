"""One exchange: a request to the upstream and its answer back, from the head to the one terminal state.

Follow a request through it:

1. `begin`: attributed and tagged, its head goes upstream on an idle connection, or waits for a new one.
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
from shadow.forward.heads import AnswerHead, HeadReader, RefusedError, RequestHead, members, read_answer
from shadow.forward.refusals import BAD_UPGRADE, DISCONNECTED, FAILED, GARBLED, STOPPED, TIMED_OUT, Refusal
from shadow.forward.tunnel import Tunnel
from shadow.forward.upstream import Upstream
from shadow.tasks import spawn

if TYPE_CHECKING:
    from shadow.forward.downstream import Downstream
    from shadow.forward.server import Server

BROKE_OFF: Final = "upstream_broke_off"
CLIENT_LEFT: Final = "client_left"
UPLOAD_STALLED: Final = "upload_stalled"
REQUEST_BROKEN: Final = "request_body_broken"

MAX_UNSENT: Final = 64 << 10  # of a request that waits for its connection; then the client waits, too
HALF_CLOSED_S: Final = 0.5  # for more of an answer to a client that sends no more: most that do so have left
CONTINUE_S: Final = 1.0  # until a client that waits for `100 Continue` gets it from here, if upstream is silent
LOOK_S: Final = 0.001  # one turn of the loop, in which an early answer is read before more is written
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
REPEATABLE: Final = frozenset({b"GET", b"HEAD", b"OPTIONS"})  # may be sent again where a kept connection was dead


class Relay:
    """One exchange under way, between a client's connection and one to the upstream."""

    __slots__ = (
        "_answer", "_answer_head", "_answering", "_body", "_capture", "_client", "_dialling", "_encouraged", "_head",
        "_heads",
        "_heard_at", "_keep", "_looking", "_quiet", "_repeatable", "_sent", "_server", "_started_at",
        "_timer", "_tunnel", "_unsent", "_upgrade", "_upstream", "_upstream_full",
    )  # fmt: skip

    def __init__(
        self, server: "Server", client: "Downstream", head: RequestHead, body: Framing, started_at: float
    ) -> None:
        self._server, self._client = server, client
        self._head, self._body, self._started_at = head, body, started_at
        self._upgrade = _is_websocket(head)
        self._upstream: Upstream | None = None
        self._dialling: asyncio.Task[None] | None = None
        self._unsent = b""  # of the request, while there is no connection to send it on
        self._sent = False  # the head has gone upstream
        self._repeatable: bytes | None = None  # the whole request, where sending it twice does no harm
        self._upstream_full = self._looking = self._encouraged = False
        self._heads = HeadReader()
        self._answer_head: AnswerHead | None = None
        self._answer: Framing | None = None
        self._answering = False  # a byte of the answer's head may have reached the client
        self._quiet = False  # none has been written since the client sends no more
        self._keep = not head.closes
        self._heard_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._tunnel: Tunnel | None = None

    def begin(self, rest: bytes) -> None:
        """The request's head is here, and `rest` came with it."""
        server, head = self._server, self._head
        self._capture, tags = server.passages.open(head.method, head.target, head.fields)
        if self._capture.target is not head.target:
            head = head._replace(target=self._capture.target)
        server.running.add(self)
        if self._upgrade and not self._body.complete:
            self._refuse(BAD_UPGRADE)
            return
        self._unsent = server.crossing.request(head, tags, upgrade=self._upgrade)
        if self._body.complete and head.method in REPEATABLE:
            self._repeatable = self._unsent
        self._capture.overhead_s += server.clock() - self._started_at
        if rest:
            self.client_sent(rest)
        if self._client.party is self:  # and what came with the head is well-formed
            self._connect(server.pool.take())
            if head.fields.get(b"expect", b"").lower() == b"100-continue" and not self._body.complete:
                self._timer = server.loop.call_later(CONTINUE_S, self._encourage)

    # The way up.

    def client_sent(self, data: bytes) -> None:
        """The client sent more: of this request's body, and perhaps of the next request."""
        body = self._body
        if body.complete:
            self._client.hold(data)
            return
        try:
            taken, payload = body.feed(data)
        except RefusedError as refused:
            self._refuse(refused.refusal)
            return
        self._capture.request.feed(payload)
        if taken < len(data):
            self._client.hold(data[taken:])
            data = data[:taken]
        self._heard_at = self._server.loop.time()
        self._unsent = self._unsent + data if self._unsent else data
        self._send()

    def client_ended(self) -> None:
        """The client sends no more: it has left, or merely closed its half. Only writing to it tells: a machine
        resets what comes for a client that has left. A stream that is silent just then is therefore given up: an
        upstream that goes on generating for nobody costs more than the few clients that close their half early."""
        if self._body.complete:
            self._quiet = True
            self._stop_timer()
            self._timer = self._server.loop.call_later(HALF_CLOSED_S, self._look_for_client)
        else:
            self._client_left()

    def _look_for_client(self) -> None:
        """Give up unless the client was written to since, or has yet to take all that was, and did not reset it."""
        self._timer = None
        if self._client.gone or (self._quiet and not self._client.full):
            self._client_left()
        else:
            self._timer = self._server.loop.call_later(HALF_CLOSED_S, self._look_for_client)

    def client_lost(self) -> None:
        self._client_left()

    def upstream_full(self) -> None:
        self._upstream_full = True
        if not self._body.complete:
            self._client.pause()

    def upstream_ready(self) -> None:
        self._upstream_full = False
        self._heard_at = self._server.loop.time()
        if not self._looking:
            self._client.resume()

    def _connect(self, upstream: Upstream | None) -> None:
        """Go on with a connection that is there, or dial."""
        if upstream is None:
            self._dialling = spawn(self._dial(), "dial")
            return
        self._upstream, upstream.party = upstream, self
        self._heard_at = self._server.loop.time()
        if self._client.full:
            upstream.pause()
        self._capture.sent()
        self._send()
        self._sent = True

    async def _dial(self) -> None:
        try:
            upstream = await self._server.pool.dial()
        except DialError as error:
            self._dialling = None
            self._fail(error.refusal)
            return
        self._dialling = None
        self._client.resume()
        self._connect(upstream)

    def _send(self) -> None:
        """Write what is unsent, if there is a connection. An upstream that has spoken is heard first: it may have
        refused the request and closed, and writing to it then would lose the answer."""
        upstream = self._upstream
        if upstream is None or self._looking:
            if len(self._unsent) > MAX_UNSENT:
                self._client.pause()
        elif self._sent and self._answer is None and upstream.speaks():
            self._looking = True
            self._client.pause()
            self._server.loop.call_later(LOOK_S, self._looked)
        else:
            data, self._unsent = self._unsent, b""
            upstream.write(data)

    def _looked(self) -> None:
        self._looking = False
        if self._upstream is not None:
            data, self._unsent = self._unsent, b""
            self._upstream.write(data)
            if not self._upstream_full:
                self._client.resume()

    def _encourage(self) -> None:
        """The upstream ignores `Expect`, and the client waits for a word before it sends its body."""
        self._timer = None
        if self._answer is None and self._head.version == 1:
            self._encouraged = True
            self._client.write(CONTINUE)

    # The way back.

    def upstream_sent(self, data: bytes) -> None:
        """The upstream sent more of its answer."""
        self._heard_at = self._server.loop.time()
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
        if self._repeatable is not None and upstream is not None and upstream.used and self._unanswered:
            self._unsent, self._repeatable, self._sent = self._repeatable, None, False
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
            self._heard_at = self._server.loop.time()
            self._upstream.resume()

    def _begin_answer(self, data: bytes) -> None:
        """Look for the answer's head, past interim ones."""
        started_at = self._server.clock()
        while data and (whole := self._heads.feed(data)) is not None:
            head, data = read_answer(whole[0]), whole[1]
            self._repeatable = None
            if head.status == 101:
                self._switch(head, data)
                return
            if head.status >= 200:
                self._answer_with(head, data)
                self._capture.overhead_s += self._server.clock() - started_at
                return
            if self._head.version == 1 and not (head.status == 100 and self._encouraged):
                self._client.write(crossing.answer(head, close=False))

    def _answer_with(self, head: AnswerHead, data: bytes) -> None:
        framing = answer_framing(head, self._head.method)
        self._answer_head, self._answer = head, framing
        self._capture.answered(head.status, head.fields)
        self._keep = self._keep and framing.lasting and self._body.complete and not self._server.draining
        chunks = self._head.version == 1 or not isinstance(framing, Chunked)
        self._pass_on(framing, crossing.answer(head, close=not self._keep, chunks=chunks), data)

    def _pass_on(self, framing: Framing, head: bytes, data: bytes) -> None:
        """Write `head` and what of `data` belongs to the answer, in one piece. Raises RefusedError."""
        taken = 0
        if data and not framing.complete:
            taken, payload = framing.feed(data)
            if payload:
                self._capture.response_chunk(payload)
            if self._head.version == 0 and isinstance(framing, Chunked):
                head += payload
            else:
                head = head + data[:taken] if head else data[:taken]
        if not self._answering:
            self._answering = True
            self._capture.told = self._capture.status
        self._quiet = False
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
        self._capture.ended()
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.party = None
            if surplus or not self._reusable(upstream):
                upstream.close()
            else:
                self._server.pool.put(upstream, self._answer_head)
        self._end(Outcome.COMPLETE, None)
        self._client.finish(keep=self._keep, sending=not self._body.complete)

    def _reusable(self, upstream: Upstream) -> bool:
        """Whether both messages ended exactly, so that the next exchange on this connection begins with its own."""
        head, framing = self._answer_head, self._answer
        return (
            head is not None
            and framing is not None
            and framing.lasting
            and not head.closes
            and self._body.complete
            and not self._unsent
            and upstream.flushed
        )

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
        self._client.write(refusal.answer(close=not keep, body=self._head.method != b"HEAD"))
        self._end(outcome, failure)
        self._client.finish(keep=keep, sending=not keep)

    def _client_left(self, failure: str = CLIENT_LEFT) -> None:
        """The client takes no answer any more, so the upstream need not give one."""
        self._drop_upstream()
        self._end(Outcome.CLIENT_CANCELLED, failure)
        self._cut()

    def _cut(self) -> None:
        """End the client's connection so that an answer which has begun does not look whole."""
        self._client.cut(lie=self._answering and (self._head.version == 0 or isinstance(self._answer, UntilClose)))

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


def _is_websocket(head: RequestHead) -> bool:
    """Whether the client asks to speak WebSocket (RFC 6455, section 4.1). Other upgrades end at this hop."""
    upgrade = head.fields.get(b"upgrade")
    if upgrade is None or head.method != b"GET" or head.version == 0:
        return False
    return b"websocket" in members(upgrade) and b"upgrade" in members(head.fields.get(b"connection", b""))
