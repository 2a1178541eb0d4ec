"""Label values that come from outside, bounded: whatever clients send, the number of metric series stays small."""

from typing import Final

OTHER: Final = "other"
SERIES: Final = 2000  # of one metric; about 1 KB each here, and as many rows in every scrape
LABEL_CHARACTERS: Final = 100


class Labels:
    """Lets the first label sets through that it sees and calls all later ones `other`. The store keeps the detail."""

    def __init__(self, most: int = SERIES) -> None:
        self._most = most
        self._seen: set[tuple[str, ...]] = set()

    def bounded(self, *values: str) -> tuple[str, ...]:
        """These values, or as often the word `other`."""
        labels = tuple(value[:LABEL_CHARACTERS] for value in values)
        if labels in self._seen:
            return labels
        if len(self._seen) >= self._most:
            return (OTHER,) * len(labels)
        self._seen.add(labels)
        return labels
