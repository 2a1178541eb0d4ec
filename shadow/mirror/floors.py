"""Floors: the first exchanges of every thin segment and hour are replayed for certain, whatever the rate.

A segment is a tenant's feature on one model. Its hour begins with its first exchange after the last one ended, so that
not all begin at once. Until `per_hour` exchanges of the hour were taken, the next conversation is certain: it is
included with a probability of one, which is what its row says; after that the rate alone decides. What a conversation
was found to be holds for all of its turns, and those of a certain one count.

Why this leaves weighting by the inverse probability unbiased: who is certain depends on which exchanges came before,
and on no draw, so the probability of each is fixed before its draw, and nothing that is forgotten here can change that.
All of this is one recorder's: it is lost with the process, and then a segment may get its floor once more in an hour;
every pod has floors of its own. Draws by the rate are alike on all of them, as ever.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from shadow.mirror.sampling import Draw

HOUR_S: Final = 3600.0
MAX_SEGMENTS: Final = 4096  # in an hour, in 1 MB: made-up names must not turn a floor into a rate of one
MAX_CONVERSATIONS: Final = 16_384  # in about 3 MB; the turns of one that was silent for so many others may part


@dataclass(slots=True)
class Hour:
    """How many exchanges a segment has been given since `began`, in seconds of the mirror's clock."""

    began: float
    taken: int = 0


@dataclass(slots=True)
class Floors:
    """The floors of one arm: `per_hour` exchanges of each segment; 0: none."""

    per_hour: int
    max_segments: int = MAX_SEGMENTS
    max_conversations: int = MAX_CONVERSATIONS
    _hours: "OrderedDict[int, Hour]" = field(default_factory=OrderedDict)  # by segment, the first begun first
    # By conversation, the longest silent first: its last exchange where it is certain, None where the rate decides.
    _conversations: "OrderedDict[int, str | None]" = field(default_factory=OrderedDict)

    @property
    def segments(self) -> int:
        """How many segments have had a floor of late. At `max_segments` the rate alone decides on others."""
        return len(self._hours)

    def lift(self, drawn: Draw, segment: int, conversation: int, exchange_id: str, now: float) -> Draw:
        """The draw with the floor on top of it, for an exchange that may be sent. `now` is the mirror's clock.

        What had no chance has no floor either: a rate of zero means never. Nor has what the application asked for.
        """
        if not self.per_hour or drawn.asked or not drawn.probability:
            return drawn
        hour = self._hour(segment, now)
        known = conversation in self._conversations
        last = self._conversations.pop(conversation, None)
        certain = last is not None if known else hour is not None and hour.taken < self.per_hour
        if certain and hour is not None and last != exchange_id:  # an exchange handed over once more counts once
            hour.taken += 1
        self._conversations[conversation] = exchange_id if certain else None
        if len(self._conversations) > self.max_conversations:
            self._conversations.popitem(last=False)
        return Draw(drawn=True, probability=1.0) if certain else drawn

    def _hour(self, segment: int, now: float) -> Hour | None:
        """The segment's hour as it is now; None where too many others have one."""
        hour = self._hours.get(segment)
        if hour is not None and now - hour.began < HOUR_S:
            return hour
        while self._hours and now - next(iter(self._hours.values())).began >= HOUR_S:
            self._hours.popitem(last=False)
        if len(self._hours) >= self.max_segments:
            return None
        hour = self._hours[segment] = Hour(now)
        return hour
