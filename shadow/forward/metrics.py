"""The forwarder's own metrics. Label sets are closed, and every combination is there from the start, at 0."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate, product
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from shadow.exchange import Outcome
from shadow.exposition import PROMETHEUS, Style

CODE_CLASSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx", "none")  # none: nothing was answered
HANDOFF_RESULTS: Final = ("acknowledged", "dropped", "refused", "abandoned")
OVERHEAD_BUCKETS: Final = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25)


class Requests(Collector):
    """How requests end. Plain numbers, made into metrics when they are scraped: these change with every request, and
    a counter of the client library costs more than attributing the request does."""

    def __init__(self) -> None:
        self._in_flight = 0
        self._ended = dict.fromkeys(product((outcome.value for outcome in Outcome), CODE_CLASSES), 0)
        self._overheads = [0] * (len(OVERHEAD_BUCKETS) + 1)  # by bucket; the last one is all beyond
        self._overhead_s = 0.0

    def begun(self) -> None:
        """A request is being forwarded."""
        self._in_flight += 1

    def ended(self, outcome: str, status: int | None, overhead_s: float) -> None:
        """It has ended, in one of the outcomes, and the client got this status."""
        self._in_flight -= 1
        self._ended[outcome, code_class(status)] += 1
        self._overheads[bisect_left(OVERHEAD_BUCKETS, overhead_s)] += 1
        self._overhead_s += overhead_s

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "shadow_requests", "Requests forwarded, by how they ended.", labels=("outcome", "code_class")
        )
        for labels, count in self._ended.items():
            requests.add_metric(labels, count)
        yield requests
        yield GaugeMetricFamily("shadow_requests_in_flight", "Requests being forwarded now.", self._in_flight)
        bounds = (*map(str, OVERHEAD_BUCKETS), "+Inf")
        yield HistogramMetricFamily(
            "shadow_forward_overhead_seconds",
            "Time the sidecar itself spent on the heads of request and answer, without connecting and waiting.",
            list(zip(bounds, accumulate(self._overheads), strict=True)),
            self._overhead_s,
        )


class Metrics:
    """One registry, and what is counted in it."""

    def __init__(self, refusals: tuple[str, ...]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside every counter, which no dashboard reads
        self.registry = registry = CollectorRegistry()
        self.requests = Requests()
        registry.register(self.requests)
        self.refused = Counter(
            "shadow_requests_refused", "Requests the sidecar did not forward.", ("reason",), registry=registry
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
        for reason in refusals:
            self.refused.labels(reason)
        for result in HANDOFF_RESULTS:
            self.handoff.labels(result)

    def expose(self, style: Style = PROMETHEUS) -> bytes:
        """The registry as a page."""
        return style.write(self.registry)


def code_class(status: int | None) -> str:
    """`2xx` for 204, and `none` where nothing was answered."""
    return CODE_CLASSES[status // 100 - 1] if status is not None and 100 <= status < 600 else "none"
