"""Floors: the first exchanges of every thin segment and hour are replayed for certain, whatever the rate.

A segment is a tenant's feature on one model. Its hour begins with its first exchange after the last one ended, so that
not all begin at once. Until `per_hour` exchanges of the hour were taken, the next conversation is certain: it is
included with a probability of one, which is what its row says; after that the rate alone decides. What a conversation
was found to be holds for its turns, and those of a certain one count; but one that goes on and on is no conversation.

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
MAX_CONVERSATIONS: Final = 16_384  # in about 4 MB; the turns of one that was silent for so many others may part
MAX_TURNS: Final = 100  # of a certain one; a program that gives all it asks one session id must not be replayed whole


@dataclass(slots=True)
class Hour:
    """How many exchanges a segment has been given since `began`, in seconds of the mirror's clock."""

    began: float
    taken: int = 0


@dataclass(slots=True)
class Certain:
    """A conversation that is replayed for certain: its last exchange, and how many there were."""

    exchange_id: str
    turns: int = 1


@dataclass(slots=True)
class Floors:
    """The floors of one arm: `per_hour` exchanges of each segment; 0: none."""

    per_hour: int
    max_segments: int = MAX_SEGMENTS
    max_conversations: int = MAX_CONVERSATIONS
    _hours: "OrderedDict[int, Hour]" = field(default_factory=OrderedDict)  # by segment, the first begun first
    # The longest silent first; None where the rate decides.
    _conversations: "OrderedDict[int, Certain | None]" = field(default_factory=OrderedDict)

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
        if conversation in self._conversations:
            certain = self._next_turn(self._conversations[conversation], exchange_id, hour)
        else:
            certain = self._first_turn(exchange_id, hour)
        self._conversations[conversation] = certain
        self._conversations.move_to_end(conversation)
        if len(self._conversations) > self.max_conversations:
            self._conversations.popitem(last=False)
        return drawn if certain is None else Draw(drawn=True, probability=1.0)

    def _first_turn(self, exchange_id: str, hour: Hour | None) -> Certain | None:
        if hour is None or hour.taken >= self.per_hour:
            return None
        hour.taken += 1
        return Certain(exchange_id)

    def _next_turn(self, known: Certain | None, exchange_id: str, hour: Hour | None) -> Certain | None:
        if known is None or known.exchange_id == exchange_id:  # one that is handed over once more counts once
            return known
        if known.turns >= MAX_TURNS:
            return None
        if hour is not None:
            hour.taken += 1
        return Certain(exchange_id, known.turns + 1)

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
