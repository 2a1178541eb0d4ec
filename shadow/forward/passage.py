"""One request's way through the sidecar, as the relay tells it: attributed, tagged, captured, handed over."""

import asyncio
import os
import time
from collections import deque
from collections.abc import Mapping
from typing import Final

from shadow.config import Config
from shadow.events import Event
from shadow.exchange import Outcome
from shadow.forward.attribution import Attributor
from shadow.forward.credential import entrusted
from shadow.forward.handoff import Handoff
from shadow.forward.heads import Fields
from shadow.forward.identity import RANDOM_BYTES, uuid7
from shadow.forward.metrics import Metrics
from shadow.forward.refusals import Refusal
from shadow.forward.tap import Capture, Room
from shadow.log import tell, where

# Records are made in batches, off the way of any answer: with the code in the processor's cache, at half the cost.
SETTLE_S: Final = 0.01
SETTLE_AT_ONCE: Final = 32  # half a millisecond, then requests have their turn


class Passages:
    """Opens a capture for every request, and closes it in its one terminal state."""

    def __init__(self, config: Config, secret: bytes, metrics: Metrics, handoff: Handoff) -> None:
        self._secret = secret
        self._rules = config.attribution
        self.adopt(config.registry.owners)
        self._delayed_cost = config.upstream.delayed_cost
        self._metrics = metrics
        self._handoff = handoff
        self._room = Room(int(config.capture.max_bytes))
        self._loop = asyncio.get_running_loop()
        self._closed: deque[tuple[Capture, Outcome, str | None]] = deque()
        self._settling = False

    def adopt(self, owners: Mapping[str, str]) -> None:
        """Know these owners of keys from now on, by their fingerprints."""
        self._attributor = Attributor(self._rules, owners, self._secret)

    def open(self, method: bytes, target: bytes, fields: Fields, at: float) -> tuple[Capture, list[bytes]]:
        """A request is here and will be forwarded: the capture that it passes through, and the lines to tag it with on
        the way upstream, but for headers that the client sent itself."""
        attributor = self._attributor
        caller = attributor.caller(target, fields)
        self._metrics.requests.begun()
        asked = (time.time(), method, attributor.forwarded(target), fields, caller.written)
        return Capture(*asked, self._room, at), [line for name, line in caller.tags if name not in fields]

    def close(self, capture: Capture, outcome: Outcome, failure: str | None = None) -> None:
        """The request has ended, one way or another. Called once; never raises."""
        capture.ended(time.monotonic())
        self._metrics.requests.ended(outcome, capture.told, capture.overhead_s)
        self._closed.append((capture, outcome, failure))
        if not self._settling:
            self._settling = True
            self._loop.call_later(SETTLE_S, self._settle)

    def settle(self) -> None:
        """Hand over all that is closed, now."""
        while self._closed:
            self._hand_over(*self._closed.popleft())

    def _settle(self) -> None:
        """Hand over some of what is closed, and leave the rest to the loop's next turn."""
        for _ in range(min(SETTLE_AT_ONCE, len(self._closed))):
            self._hand_over(*self._closed.popleft())
        self._settling = bool(self._closed)
        if self._settling:
            self._loop.call_soon(self._settle)

    def _hand_over(self, capture: Capture, outcome: Outcome, failure: str | None) -> None:
        try:
            name = uuid7(int(capture.started_at * 1000), os.urandom(RANDOM_BYTES))
            key = entrusted(capture, outcome) if self._delayed_cost else None
            frame = capture.packed(name, outcome, failure, key)
        except Exception as error:  # noqa: BLE001 (the copy is lost, the request is not)
            tell(Event.EXCHANGE_UNCAPTURED, error=where(error))
            self._metrics.handoff.labels("refused").inc()
            return
        finally:
            capture.release()
        if capture.cut:
            self._metrics.captures_cut.inc()
        self._handoff.offer(frame)

    def refused(self, refusal: Refusal) -> None:
        """A request was not forwarded."""
        self._metrics.refused.labels(refusal.code).inc()
