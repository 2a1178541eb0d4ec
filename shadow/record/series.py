"""Counters and histograms, with labels from outside too, bounded: whatever clients send, their series stay few.

Plain numbers, made into metrics when they are scraped: these change with every exchange, and the client library's own
take a lock for every number and match the names in every exemplar. They are changed by one thread, and read by any.
"""

import time
from abc import abstractmethod
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final, Generic, TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

OTHER: Final = "other"
LABEL_CHARACTERS: Final = 100

Labels = tuple[str, ...]


class Count:
    """One series of a counter."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1) -> None:
        """Add what is not negative."""
        self.value += amount


class Spread:
    """One series of a histogram: how many values are in each bucket, and the exchange that was its last."""

    __slots__ = ("_bounds", "_counts", "_last", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)  # the last one is all beyond
        self._last: list[tuple[str, float, float] | None] = [None] * len(self._counts)
        self.sum = 0.0

    def observe(self, value: float, exchange_id: str) -> None:
        """Add a value, which an exchange had."""
        at = bisect_left(self._bounds, value)
        self._counts[at] += 1
        self.sum += value
        self._last[at] = exchange_id, value, time.time()

    def buckets(self) -> Iterator[tuple[str, float] | tuple[str, float, Exemplar]]:
        """Each with its bound, the values up to there, and what leads to the rows of one of its own."""
        for bound, count, last in zip(
            (*map(str, self._bounds), "+Inf"), accumulate(self._counts), self._last, strict=True
        ):
            if last is None:
                yield bound, count
            else:
                exchange_id, value, at = last
                yield bound, count, Exemplar({"exchange_id": exchange_id}, value, at)


One = TypeVar("One", bound=Count | Spread)


class Series(Collector, Generic[One]):
    """Gives the first values from outside a series each, and all later ones one called `other`.

    The labels are those we know, then those from outside. The store keeps the detail.
    """

    def __init__(
        self, registry: CollectorRegistry, name: str, text: str, known: Labels, outside: Labels, most: int
    ) -> None:
        self.name: Final = name
        self.text: Final = text
        self.labels: Final[Labels] = known + outside
        self._known = len(known)
        self._most = most
        self._found: dict[Labels, One] = {}  # by labels as they come, up to the bound
        self._shown: dict[Labels, One] = {}  # by labels as they are shown
        registry.register(self)

    @abstractmethod
    def new(self) -> One:
        """A series in which nothing was counted."""

    def of(self, *labels: str) -> One:
        """The series to count in."""
        found = self._found.get(labels)
        return found if found is not None else self._find(labels)

    def shown(self) -> Iterable[tuple[Labels, One]]:
        """Every series with its labels."""
        return self._shown.copy().items()

    def _find(self, labels: Labels) -> One:
        known, outside = labels[: self._known], labels[self._known :]
        if len(self._found) >= self._most:
            return self._shown_as((*known, *(OTHER for _ in outside)))
        self._found[labels] = found = self._shown_as((*known, *(value[:LABEL_CHARACTERS] for value in outside)))
        return found

    def _shown_as(self, labels: Labels) -> One:
        found = self._shown.get(labels)
        if found is None:
            self._shown[labels] = found = self.new()
        return found


class Counts(Series[Count]):
    """A counter."""

    def new(self) -> Count:
        return Count()

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(self.name, self.text, labels=self.labels)
        for labels, count in self.shown():
            family.add_metric(labels, count.value)
        yield family


class Spreads(Series[Spread]):
    """A histogram, with the upper bounds of its buckets."""

    def __init__(
        self,
        registry: CollectorRegistry,
        name: str,
        text: str,
        bounds: Sequence[float],
        known: Labels,
        outside: Labels,
        most: int,
    ) -> None:
        self.bounds: Final = bounds
        super().__init__(registry, name, text, known, outside, most)

    def new(self) -> Spread:
        return Spread(self.bounds)

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(self.name, self.text, labels=self.labels)
        for labels, spread in self.shown():
            family.add_metric(labels, list(spread.buckets()), spread.sum)
        yield family
