"""One run of replays of what is stored: what was ordered, and how far it is."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

import orjson

from shadow.exchange import Replay

LATEST: Final = 1e11  # Unix seconds, the year 5138; whoever says more means milliseconds
SLOWEST: Final = 0.001  # replays a second: one in a quarter of an hour, which nobody watches for long


class State(StrEnum):
    """Of a run: under way, or why it is over."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"  # by whoever began it
    UNWATCHED = "unwatched"  # nobody asked about it any more
    OVER_BUDGET = "over_budget"  # the day's budget has no room for what is left
    KEYLESS = "keyless"  # the candidate's key cannot be read
    FAILED = "failed"  # the store could not be read or written


@dataclass(frozen=True, slots=True)
class Order:
    """What an operator wants replayed: of exchanges that began since then (Unix time), at most so many and so fast."""

    candidate: str
    since: float | None = None
    limit: int | None = None  # replays that are begun
    rate: float | None = None  # of them in a second


def ordered(body: bytes) -> Order:
    """The order that a JSON object is. Raises ValueError where it is none."""
    said = orjson.loads(body)
    if not isinstance(said, dict) or not isinstance(said.get("candidate"), str):
        raise ValueError
    since, limit, rate = said.get("since"), said.get("limit"), said.get("rate")
    good = (
        since is None or (isinstance(since, int | float) and 0 <= since < LATEST),
        limit is None or (isinstance(limit, int) and limit > 0),
        rate is None or (isinstance(rate, int | float) and rate >= SLOWEST),
    )
    if not all(good) or said.keys() - {"candidate", "since", "limit", "rate"}:
        raise ValueError
    return Order(said["candidate"], since, limit, rate)


@dataclass(slots=True)
class Run:
    """How far it is. `ended` counts by outcome and reason, `left` by the reason why there is no row.

    Times are seconds of the recorder's clock.
    """

    order: Order
    asked_at: float  # about it, last
    next_at: float = 0.0  # the earliest that another replay may begin
    state: State = State.RUNNING
    found: int = 0
    begun: int = 0
    beyond_budget: int = 0  # in a row
    ended: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    waits_for: str | None = None
    cost_usd: Decimal = Decimal(0)
    cost_unknown: int = 0
    ends_as: State | None = None  # nothing more is to begin, and why
    stop_asked: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def stopping(self) -> bool:
        return self.ends_as is not None

    def stop(self, state: State = State.STOPPED) -> None:
        """Have nothing more begin. The first reason to is the one that is told."""
        self.ends_as = self.ends_as or state
        self.stop_asked.set()

    def over(self, state: State) -> None:
        """What was begun has ended, too. The first call counts."""
        self.stop(state)
        if self.state is State.RUNNING:
            self.state = self.ends_as or state
        self.waits_for = None

    def turn_s(self, now: float) -> float:
        """How long to wait for one's turn at the ordered rate. It is taken."""
        if self.order.rate is None:
            return 0.0
        turn = max(self.next_at, now)
        self.next_at = turn + 1 / self.order.rate
        return turn - now

    def take(self) -> bool:
        """Take one of the replays that may be begun. Where there is none left, the run ends."""
        if self.order.limit is not None and self.begun >= self.order.limit:
            self.stop(State.DONE)
        self.begun += not self.stopping
        return not self.stopping

    def count(self, replay: Replay) -> None:
        """An end, with what is known of its cost."""
        self.ended[f"{replay.outcome}: {replay.reason}" if replay.reason else replay.outcome] += 1
        if replay.observation is not None:
            usd = replay.observation.cost.usd
            self.cost_unknown += usd is None
            self.cost_usd += usd or 0

    def as_json(self) -> dict[str, Any]:
        """What those are told who watch it."""
        return {
            "candidate": self.order.candidate,
            "state": self.state,
            "stopping": self.stopping and self.state is State.RUNNING,
            "found": self.found,
            "ended": dict(self.ended),
            "left": dict(self.left),
            "waits_for": self.waits_for,
            "cost_usd": str(self.cost_usd),
            "cost_unknown": self.cost_unknown,
        }
