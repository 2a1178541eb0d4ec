"""A connection that both sides agreed to use as they like: bytes both ways, neither read nor kept."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from shadow.exchange import Outcome
from shadow.forward.upstream import Upstream

if TYPE_CHECKING:
    from shadow.forward.downstream import Downstream


class Tunnel:
    """What became of a relay after `101 Switching Protocols`. `ended` is told once how it went."""

    __slots__ = ("_client", "_client_ended", "_ended", "_upstream", "_upstream_ended")

    def __init__(self, client: "Downstream", upstream: Upstream, ended: Callable[[Outcome, str | None], None]) -> None:
        self._client, self._upstream, self._ended = client, upstream, ended
        self._client_ended = self._upstream_ended = False
        client.party = upstream.party = self

    def begin(self, data: bytes) -> None:
        """`data` came with the upstream's agreement; what the client sent ahead of it was held until now."""
        if data:
            self._client.write(data)
        if held := self._client.release():
            self._upstream.write(held)

    def client_sent(self, data: bytes) -> None:
        self._upstream.write(data)

    def upstream_sent(self, data: bytes) -> None:
        self._client.write(data)

    def client_ended(self) -> None:
        self._client_ended = True
        if self._upstream_ended or not self._upstream.write_eof():
            self.close()

    def upstream_ended(self) -> bool:
        self._upstream_ended = True
        if self._client_ended:
            self.close()
            return False
        self._client.write_eof()
        return True

    def client_lost(self) -> None:
        self.close()

    def upstream_lost(self) -> None:
        self.close()

    def client_full(self) -> None:
        self._upstream.pause()

    def client_ready(self) -> None:
        self._upstream.resume()

    def upstream_full(self) -> None:
        self._client.pause()

    def upstream_ready(self) -> None:
        self._client.resume()

    def close(self) -> None:
        """End both connections."""
        self._ended(Outcome.COMPLETE, None)
        self._upstream.close()
        self._client.close()
