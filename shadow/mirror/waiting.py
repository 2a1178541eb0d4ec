"""Replays that wait for their turn: one queue per candidate, bounded in count and bytes, oldest first."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from shadow.mirror.planned import Planned
from shadow.mirror.reasons import Dropped

MAX_COUNT: Final = 512  # a minute at eight a second: what waits longer tells of load, not of the candidate
MAX_BYTES: Final = 16 << 20  # four candidates' full queues fit beside the recorder in a small sidecar's memory


@dataclass(frozen=True, slots=True)
class Waiting:
    """A replay in the queue, with the time on the mirror's clock until which it must have ended."""

    planned: Planned
    deadline: float


@dataclass(slots=True)
class Queue:
    """A bounded first-in, first-out queue. What does not fit is refused, so the oldest always keep their place."""

    max_count: int = MAX_COUNT
    max_bytes: int = MAX_BYTES
    size: int = 0
    _waiting: deque[Waiting] = field(default_factory=deque)

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, waiting: Waiting) -> Dropped | None:
        """Take one in, or say why there is no room for it."""
        if len(self._waiting) >= self.max_count:
            return Dropped.QUEUE_COUNT
        if self.size + waiting.planned.size > self.max_bytes:
            return Dropped.QUEUE_BYTES
        self._waiting.append(waiting)
        self.size += waiting.planned.size
        return None

    def take(self) -> Waiting | None:
        """The one that waited longest; None where none waits."""
        if not self._waiting:
            return None
        waiting = self._waiting.popleft()
        self.size -= waiting.planned.size
        return waiting
