"""The way up: one request's bytes, to a connection that may not be there yet and may have been spoken on first."""

import asyncio
from typing import TYPE_CHECKING, Final

from shadow.forward.framing import Framing
from shadow.forward.upstream import Upstream

if TYPE_CHECKING:
    from shadow.forward.downstream import Downstream

MAX_UNSENT: Final = 64 << 10  # of a request that waits for its connection; then the client waits, too
LOOK_S: Final = 0.001  # one turn of the loop, in which an early answer is read before more is written
REPEATABLE: Final = frozenset({b"GET", b"HEAD", b"OPTIONS"})  # may be sent again where a kept connection was dead


class Upload:
    """What goes upstream of one request: its head first. `body` is how its body is framed."""

    __slots__ = ("_client", "_looking", "_loop", "_repeatable", "_unsent", "_upstream_full", "body")

    def __init__(
        self, client: "Downstream", body: Framing, loop: asyncio.AbstractEventLoop, head: bytes, method: bytes
    ) -> None:
        self._client, self._loop = client, loop
        self.body = body
        self._unsent = head  # while there is no connection to send it on, or what that said is not heard yet
        # The whole request, where sending it twice does no harm.
        self._repeatable: bytes | None = head if body.complete and method in REPEATABLE else None
        self._looking = self._upstream_full = False

    @property
    def done(self) -> bool:
        """Whether all of the request has been written."""
        return self.body.complete and not self._unsent

    def take(self, data: bytes) -> bytes:
        """More came from the client: what of it belongs to the body is to be sent, what does not is the next request's
        and waits with the client. Returns the payload. Raises RefusedError."""
        taken, payload = self.body.feed(data)
        if taken < len(data):
            self._client.hold(data[taken:])
            data = data[:taken]
        self._unsent = self._unsent + data if self._unsent else data
        return payload

    def wait(self) -> None:
        """There is no connection yet. The client waits, too, once much has gathered."""
        if len(self._unsent) > MAX_UNSENT:
            self._client.pause()

    def send(self, upstream: Upstream) -> None:
        """Write what is unsent."""
        data, self._unsent = self._unsent, b""
        upstream.write(data)

    def send_unless_told(self, upstream: Upstream) -> None:
        """Write what is unsent to an upstream that has not answered yet. One that has spoken is heard first: it may
        have refused the request and closed, and writing to it then would lose the answer."""
        if self._looking:
            self.wait()
        elif upstream.speaks():
            self._looking = True
            self._client.pause()
            self._loop.call_later(LOOK_S, self._looked, upstream)
        else:
            self.send(upstream)

    def settled(self) -> None:
        """An answer has begun: the upstream has seen the request, and must not see it again."""
        self._repeatable = None

    def again(self) -> bool:
        """Make ready to send the whole request once more; False where that could do harm."""
        if self._repeatable is None:
            return False
        self._unsent, self._repeatable = self._repeatable, None
        return True

    def upstream_full(self) -> None:
        self._upstream_full = True
        if not self.body.complete:
            self._client.pause()

    def upstream_ready(self) -> None:
        self._upstream_full = False
        if not self._looking:
            self._client.resume()

    def _looked(self, upstream: Upstream) -> None:
        self._looking = False
        if upstream.party is not None:  # else what it said has ended the exchange
            if self._unsent:
                self.send(upstream)
            if not self._upstream_full:
                self._client.resume()
