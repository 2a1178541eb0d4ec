"""One request's way through, whichever engine moves the bytes: attributed, tagged, captured, handed over."""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shadow.config import Config
from shadow.exchange import Outcome
from shadow.forward.attribution import Attributor
from shadow.forward.handoff import Handoff
from shadow.forward.heads import Fields
from shadow.forward.identity import RANDOM_BYTES, uuid7
from shadow.forward.metrics import Metrics, code_class
from shadow.forward.refusals import Refusal
from shadow.forward.tap import Asked, Capture, Room

log = logging.getLogger("shadow.forward")

WALL_CLOCK: Final[Callable[[], float]] = time.time


@dataclass(slots=True)
class Passage:
    """What an engine needs to forward one request, and where it says what passed."""

    capture: Capture
    tags: list[tuple[bytes, bytes]]  # headers to add on the way upstream
    overhead_s: float = 0.0  # the engine adds what it spends on heads
    answered: int | None = None  # the status the client got, from upstream or from the sidecar


class Passages:
    """Opens a passage for every request, and closes it in its one terminal state."""

    def __init__(self, config: Config, secret: bytes, metrics: Metrics, handoff: Handoff) -> None:
        self._attributor = Attributor(config.attribution, config.registry, secret)
        self._max_bytes = int(config.capture.max_bytes)
        self._metrics = metrics
        self._handoff = handoff
        self._room = Room()

    def open(self, method: bytes, target: bytes, fields: Fields) -> Passage:
        """A request is here and will be forwarded."""
        now = WALL_CLOCK()
        attribution = self._attributor.attribute(target, fields)
        asked = Asked(uuid7(int(now * 1000), os.urandom(RANDOM_BYTES)), now, method, target, fields, attribution)
        tags = self._attributor.tags(attribution, fields)
        self._metrics.in_flight.inc()
        return Passage(Capture(asked, self._max_bytes, self._room, time.monotonic), tags)

    def close(self, passage: Passage, outcome: Outcome, failure: str | None = None) -> None:
        """The request has ended, one way or another. Called once; never raises."""
        metrics = self._metrics
        metrics.in_flight.dec()
        metrics.requests.labels(outcome.value, code_class(passage.answered)).inc()
        metrics.overhead.observe(passage.overhead_s)
        try:
            exchange = passage.capture.finish(outcome, failure)
        except Exception:  # the copy is lost, the request is not
            log.exception("an exchange could not be captured")
            metrics.handoff.labels("refused").inc()
            return
        if passage.capture.cut:
            metrics.captures_cut.inc()
        self._handoff.offer(exchange)

    def refused(self, refusal: Refusal) -> None:
        """A request was not forwarded."""
        self._metrics.refused.labels(refusal.code).inc()
