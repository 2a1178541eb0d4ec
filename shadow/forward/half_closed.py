"""A client that sends no more: it has left, or merely closed its half of the connection.

Only writing to it tells: a machine resets what comes for a client that has left. A stream that is silent just then is
therefore given up: an upstream that goes on generating for nobody costs more than the few clients that close their half
early.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from shadow.forward.tap import Capture

if TYPE_CHECKING:
    from shadow.forward.downstream import Downstream

HALF_CLOSED_S: Final = 0.5  # for more of an answer to a client that sends no more: most that do so have left


class HalfClosed:
    """Looks after one such client until it is cancelled, and calls `left` once it has to be given up."""

    __slots__ = ("_begun_with", "_capture", "_client", "_left", "_loop", "_timer")

    def __init__(
        self, client: "Downstream", capture: Capture, loop: asyncio.AbstractEventLoop, left: Callable[[], None]
    ) -> None:
        self._client, self._capture, self._loop, self._left = client, capture, loop, left
        self._begun_with = self._passed
        self._timer = loop.call_later(HALF_CLOSED_S, self._look)

    def cancel(self) -> None:
        self._timer.cancel()

    @property
    def _passed(self) -> tuple[int | None, int]:
        """How much of the answer has been written: its status, and bytes of its body."""
        return self._capture.told, self._capture.response.size

    def _look(self) -> None:
        """Give up unless the client was written to since, or has yet to take all that was, and did not reset it."""
        silent = self._passed == self._begun_with
        if self._client.gone or (silent and not self._client.full):
            self._left()
        else:
            self._timer = self._loop.call_later(HALF_CLOSED_S, self._look)
