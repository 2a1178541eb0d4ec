"""The series of a metric some of whose labels come from outside, bounded: whatever clients send, they stay few."""

from typing import Final, Generic, TypeVar

from prometheus_client import Counter, Histogram

OTHER: Final = "other"
SERIES: Final = 2000  # of one metric; about 1 KB each here, and as many rows in every scrape
LABEL_CHARACTERS: Final = 100

Metric = TypeVar("Metric", Counter, Histogram)


class Series(Generic[Metric]):
    """Gives the first values from outside a series each, and all later ones one called `other`.

    The metric's labels are those we know, then those from outside. The store keeps the detail.
    """

    def __init__(self, metric: Metric, most: int = SERIES) -> None:
        self._metric: Metric = metric
        self._most = most
        self._series: dict[tuple[str, ...], Metric] = {}

    def of(self, known: tuple[str, ...], outside: tuple[str, ...]) -> Metric:
        """What to count in. Found again in a fraction of the time that the metric itself takes."""
        key = known + outside
        found = self._series.get(key)
        if found is not None:
            return found
        full = len(self._series) >= self._most
        values = (OTHER if full else value[:LABEL_CHARACTERS] for value in outside)
        labelled: Metric = self._metric.labels(*known, *values)
        if not full:
            self._series[key] = labelled
        return labelled
