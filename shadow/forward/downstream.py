"""The client's side: one connection, from one request's head to the next."""

import asyncio
from typing import TYPE_CHECKING, Final, cast

from shadow.forward.framing import request_framing
from shadow.forward.heads import HeadReader, RefusedError, read_request
from shadow.forward.refusals import HEAD_TOO_SLOW, Refusal
from shadow.forward.relay import Relay
from shadow.forward.sockets import keep_alive, reset, tells
from shadow.forward.upstream import Party

if TYPE_CHECKING:
    from shadow.forward.server import Server

HEAD_S: Final = 60.0  # from a head's first byte to its last
LINGER_S: Final = 5.0  # how long a client that is being turned away may go on sending before it reads why
MAX_HELD: Final = 64 << 10  # of requests sent ahead of the answers to those before them


class Downstream(asyncio.Protocol):
    """A connection from a client.

    Between requests it looks for a head. A whole and unambiguous one becomes a `Relay`, which takes all that follows
    until its exchange has ended and `finish` is called. What a client sends ahead of that waits here.
    """

    __slots__ = (
        "_descriptor",
        "_heads",
        "_held",
        "_leaving",
        "_server",
        "_timer",
        "_transport",
        "ended",
        "full",
        "party",
    )

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._transport: asyncio.Transport
        self._descriptor = -1
        self._heads = HeadReader()
        self._held = b""  # of the requests after the one under way
        self._timer: asyncio.TimerHandle | None = None
        self._leaving = False  # nothing of what still arrives is read as a request
        self.ended = False  # the client has sent all that it will
        self.full = False  # what was written waits for the client to take it
        self.party: Party | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._descriptor = keep_alive(transport)
        self._server.clients.add(self)

    def data_received(self, data: bytes) -> None:
        if self.party is not None:
            self.party.client_sent(data)
        elif not self._leaving:
            self._read(data)

    def eof_received(self) -> bool:
        self.ended = True
        if self.party is None:
            return False
        self.party.client_ended()
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (either way it is gone)
        self._server.clients.discard(self)
        self._stop_timer()
        if (party := self.party) is not None:
            self.party = None
            party.client_lost()

    def pause_writing(self) -> None:
        self.full = True
        if self.party is not None:
            self.party.client_full()

    def resume_writing(self) -> None:
        self.full = False
        if self.party is not None:
            self.party.client_ready()

    @property
    def idle(self) -> bool:
        """Whether it waits for a request of which nothing has arrived."""
        return self.party is None and not self._heads.holding

    @property
    def gone(self) -> bool:
        """Whether the client has reset the connection, as far as the kernel knows: a loop that reads no more is not
        told before it writes."""
        return self._transport.is_closing() or tells(self._descriptor)

    def write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def write_eof(self) -> None:
        if not self._transport.is_closing():
            self._transport.write_eof()

    def pause(self) -> None:
        """Read no more: the upstream does not keep up."""
        self._transport.pause_reading()

    def resume(self) -> None:
        self._transport.resume_reading()

    def hold(self, data: bytes) -> None:
        """Keep what belongs to later requests until this one's exchange has ended."""
        self._held += data
        if len(self._held) > MAX_HELD:
            self.pause()

    def release(self) -> bytes:
        """What was held: from here on, it belongs to whoever takes part."""
        held, self._held = self._held, b""
        return held

    def finish(self, *, keep: bool, sending: bool = False) -> None:
        """The exchange has ended, and all of its answer is written. `keep`: another may follow on this connection.
        `sending`: the client was not done with its request."""
        self.party = None
        if self._transport.is_closing():
            return
        if not keep or self.ended or self._server.draining:
            self._turn_away() if sending or self._held else self._transport.close()
            return
        self.resume()
        if self._held:
            self._read(self.release())

    def cut(self, *, lie: bool) -> None:
        """The answer broke off. `lie`: an orderly end of the connection would pass for the answer's own."""
        self.party = None
        self._leaving = True
        if lie and not self._transport.is_closing():
            reset(self._transport)
        else:
            self._transport.close()

    def close(self) -> None:
        self._transport.close()

    def _read(self, data: bytes) -> None:
        """Look for a request's head, and let a relay begin with it."""
        at = self._server.clock()
        try:
            whole = self._heads.feed(data)
            if whole is None:
                self._await_head()
                return
            head = read_request(whole[0])
            body = request_framing(head)
        except RefusedError as refused:
            self._refuse(refused.refusal)
            return
        self._stop_timer()
        self.party = relay = Relay(self._server, self, head, body)
        relay.begin(head, whole[1], at)

    def _await_head(self) -> None:
        if self._timer is None:
            self._timer = self._server.loop.call_later(HEAD_S, self._refuse, HEAD_TOO_SLOW)

    def _refuse(self, refusal: Refusal) -> None:
        self._server.passages.refused(refusal)
        self.write(refusal.answer(close=True))
        self._turn_away()

    def _turn_away(self) -> None:
        """Say no more, and give the client time to read what was said: closing at once would reset the connection
        while it still sends, and take the answer away from it."""
        self._leaving, self._held = True, b""
        self._stop_timer()
        if self.ended:
            self._transport.close()
            return
        self.write_eof()
        self.resume()
        self._timer = self._server.loop.call_later(LINGER_S, self._transport.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
