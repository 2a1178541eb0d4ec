"""One request's way through, whichever engine moves the bytes: attributed, tagged, captured, handed over."""

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from shadow.config import Config
from shadow.exchange import Outcome
from shadow.forward.attribution import Attributor
from shadow.forward.handoff import Handoff
from shadow.forward.headers import RawHeaders, request_headers
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
    headers: Sequence[tuple[bytes, bytes]]  # what goes upstream
    opened_at: float  # monotonic seconds
    overhead_s: float = 0.0  # the engine adds what it spends on heads
    answered: int | None = None  # the status the client got, from upstream or from the sidecar


class Passages:
    """Opens a passage for every request, and closes it in its one terminal state."""

    def __init__(self, config: Config, secret: bytes, metrics: Metrics, handoff: Handoff) -> None:
        self._attributor = Attributor(config.attribution, config.registry, secret)
        self._host = urlsplit(config.upstream.url).netloc.encode()
        self._max_bytes = int(config.capture.max_bytes)
        self._metrics = metrics
        self._handoff = handoff
        self._room = Room()

    def open(self, method: bytes, target: bytes, headers: RawHeaders) -> Passage:
        """A request is here and will be forwarded."""
        opened_at, now = time.monotonic(), WALL_CLOCK()
        attribution = self._attributor.attribute(target, headers)
        asked = Asked(uuid7(int(now * 1000), os.urandom(RANDOM_BYTES)), now, method, target, headers, attribution)
        upstream = request_headers(headers, self._host, self._attributor.tags(attribution))
        self._metrics.in_flight.inc()
        return Passage(Capture(asked, self._max_bytes, self._room, time.monotonic), upstream, opened_at)

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
