"""One request's way through the sidecar, as the relay tells it: attributed, tagged, captured, handed over."""

import logging
import os
import time
from dataclasses import dataclass

from shadow.config import Config
from shadow.exchange import Outcome
from shadow.forward.attribution import Attributor
from shadow.forward.handoff import Handoff
from shadow.forward.heads import Fields
from shadow.forward.identity import RANDOM_BYTES, uuid7
from shadow.forward.metrics import Metrics
from shadow.forward.refusals import Refusal
from shadow.forward.tap import Asked, Capture, Room

log = logging.getLogger("shadow.forward")


@dataclass(slots=True)
class Passage:
    """What a relay needs to forward one request, and where it says what passed."""

    capture: Capture
    tags: list[tuple[bytes, bytes]]  # headers to add on the way upstream
    overhead_s: float = 0.0  # the relay adds what it spends on heads
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
        now = time.time()
        attribution = self._attributor.attribute(target, fields)
        asked = Asked(uuid7(int(now * 1000), os.urandom(RANDOM_BYTES)), now, method, target, fields, attribution)
        self._metrics.requests.begun()
        capture = Capture(asked, self._max_bytes, self._room, time.monotonic)
        return Passage(capture, self._attributor.tags(attribution, fields))

    def close(self, passage: Passage, outcome: Outcome, failure: str | None = None) -> None:
        """The request has ended, one way or another. Called once; never raises."""
        metrics = self._metrics
        metrics.requests.ended(outcome.value, passage.answered, passage.overhead_s)
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
