"""The upstream's side: one connection, which carries one exchange after another."""

import asyncio
import select
from typing import Final, Protocol, cast

from shadow.forward.sockets import keep_alive, tells


class Party(Protocol):
    """Who takes part in a connection's traffic now: a relay, or the tunnel that came of it.

    `client_full` and `upstream_full` say that what was written there waits to be taken; `_ready` that it was.
    """

    def client_sent(self, data: bytes) -> None: ...
    def client_ended(self) -> None: ...
    def client_lost(self) -> None: ...
    def client_full(self) -> None: ...
    def client_ready(self) -> None: ...
    def upstream_sent(self, data: bytes) -> None: ...
    def upstream_ended(self) -> bool: ...
    def upstream_lost(self) -> None: ...
    def upstream_full(self) -> None: ...
    def upstream_ready(self) -> None: ...


class Upstream(asyncio.Protocol):
    """A connection to the upstream. Idle while `party` is None; whatever arrives then poisons it.

    The transport's own end is always told: `upstream_ended` for an orderly one, `upstream_lost` for any other.
    """

    __slots__ = ("_descriptor", "_transport", "idle_until", "party", "used")

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._descriptor = -1
        self.party: Party | None = None
        self.used = False  # it has carried an exchange
        self.idle_until = 0.0  # loop time until which the upstream is trusted to keep it open

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._descriptor = keep_alive(transport)

    def data_received(self, data: bytes) -> None:
        if self.party is None:
            self.abort()
        else:
            self.party.upstream_sent(data)

    def eof_received(self) -> bool:
        return self.party is not None and self.party.upstream_ended()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (either way it is gone)
        if (party := self.party) is not None:
            self.party = None
            party.upstream_lost()

    def pause_writing(self) -> None:
        if self.party is not None:
            self.party.upstream_full()

    def resume_writing(self) -> None:
        if self.party is not None:
            self.party.upstream_ready()

    @property
    def usable(self) -> bool:
        """Whether an idle connection is still open and silent: what the kernel knows, before the loop does."""
        return not self._transport.is_closing() and not self.speaks()

    @property
    def flushed(self) -> bool:
        """Whether all that was written has left the process."""
        return self._transport.get_write_buffer_size() == 0

    def speaks(self) -> bool:
        """Whether something has arrived, an end or an error included, that was not read yet."""
        return tells(self._descriptor, ARRIVED)

    def write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def write_eof(self) -> bool:
        """Send no more, and go on reading. False where that cannot be said: TLS has no half of an end."""
        if self._transport.is_closing() or not self._transport.can_write_eof():
            return False
        self._transport.write_eof()
        return True

    def pause(self) -> None:
        """Read no more: the client does not keep up."""
        self._transport.pause_reading()

    def resume(self) -> None:
        self._transport.resume_reading()

    def close(self) -> None:
        """End the connection; nobody takes part in it any more."""
        self.party = None
        self._transport.close()

    def abort(self) -> None:
        """End the connection now, whatever was written and not sent."""
        self.party = None
        self._transport.abort()


ARRIVED: Final = select.POLLIN | select.POLLPRI | select.POLLRDHUP
