"""The forwarder's own metrics. Label sets are closed, and every combination is there from the start, at 0."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from shadow.exchange import Outcome

CODE_CLASSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx", "none")  # none: nothing was answered
HANDOFF_RESULTS: Final = ("acknowledged", "dropped", "refused", "abandoned")
OVERHEAD_BUCKETS: Final = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25)


class Metrics:
    """One registry, and what is counted in it."""

    def __init__(self, refusals: tuple[str, ...]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside every counter, which no dashboard reads
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "shadow_requests", "Requests forwarded, by how they ended.", ("outcome", "code_class"), registry=registry
        )
        self.refused = Counter(
            "shadow_requests_refused", "Requests the sidecar did not forward.", ("reason",), registry=registry
        )
        self.in_flight = Gauge("shadow_requests_in_flight", "Requests being forwarded now.", registry=registry)
        self.overhead = Histogram(
            "shadow_forward_overhead_seconds",
            "Time the sidecar itself spent on the heads of request and answer, without connecting and waiting.",
            buckets=OVERHEAD_BUCKETS,
            registry=registry,
        )
        self.captures_cut = Counter(
            "shadow_captures_cut", "Exchanges of which less was kept because memory was full.", registry=registry
        )
        self.handoff = Counter(
            "shadow_handoff_exchanges", "Finished exchanges, by what became of them.", ("result",), registry=registry
        )
        self.handoff_resends = Counter(
            "shadow_handoff_resends", "Batches the recorder did not acknowledge, sent again.", registry=registry
        )
        self.handoff_bytes = Gauge(
            "shadow_handoff_bytes", "Bytes of exchanges that wait for the recorder.", registry=registry
        )
        self.recorder_up = Gauge("shadow_recorder_up", "1 if the recorder answered this scrape.", registry=registry)
        self._initialise(refusals)

    def expose(self) -> bytes:
        """The registry in Prometheus' text format 0.0.4."""
        return generate_latest(self.registry)

    def _initialise(self, refusals: tuple[str, ...]) -> None:
        for outcome in Outcome:
            for code_class in CODE_CLASSES:
                self.requests.labels(outcome.value, code_class)
        for reason in refusals:
            self.refused.labels(reason)
        for result in HANDOFF_RESULTS:
            self.handoff.labels(result)


def code_class(status: int | None) -> str:
    """`2xx` for 204, and `none` where nothing was answered."""
    return f"{status // 100}xx" if status is not None and 100 <= status < 600 else "none"
