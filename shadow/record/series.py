"""The series of a metric some of whose labels come from outside, bounded: whatever clients send, they stay few."""

from typing import Final, Generic, TypeVar

from prometheus_client import Counter, Histogram

OTHER: Final = "other"
LABEL_CHARACTERS: Final = 100

Metric = TypeVar("Metric", Counter, Histogram)


class Series(Generic[Metric]):
    """Gives the first values from outside a series each, and all later ones one called `other`.

    The metric's labels are those we know, then those from outside. The store keeps the detail.
    """

    def __init__(self, metric: Metric, most: int) -> None:
        self._metric: Metric = metric
        self._most = most
        self._series: dict[tuple[str, ...], Metric] = {}
        self._others: dict[tuple[str, ...], Metric] = {}  # by what we know ourselves

    def of(self, known: tuple[str, ...], outside: tuple[str, ...]) -> Metric:
        """What to count in. Found again in a fraction of the time that the metric itself takes."""
        key = known + outside
        found = self._series.get(key)
        if found is not None:
            return found
        if len(self._series) < self._most:
            values = (value[:LABEL_CHARACTERS] for value in outside)
            self._series[key] = labelled = self._metric.labels(*known, *values)
            return labelled
        other = self._others.get(known)
        if other is None:
            self._others[known] = other = self._metric.labels(*known, *(OTHER for _ in outside))
        return other
