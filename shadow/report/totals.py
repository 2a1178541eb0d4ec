"""What a report is computed from: sums over exchanges and pairs, as an engine gives them. They add up.

A store fills them with its own grouping and summing and never hands rows over; two parts of a period, two days or two
machines are merged by adding. Money is whole nano-US-dollars, durations are seconds, weights are inverse inclusion
probabilities: a pair drawn with a chance of 5 % stands for twenty exchanges.
"""

from collections import Counter
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Final, Literal, Self

Dimension = Literal["tenant", "feature", "plan", "model"]
DIMENSIONS: Final[tuple[Dimension, ...]] = ("tenant", "feature", "plan", "model")

Segment = tuple[str | None, ...]  # one value for each dimension of a breakdown; None where it is not known
OTHERS: Final = "others"  # takes the place of a segment: all those too small to be listed

PENDING: Final = "pending"  # the outcome of a replay that has not ended


@dataclass(frozen=True, slots=True)
class Scope:
    """Which exchanges a report is about, and how it is broken down.

    `where` holds conditions on dimensions, all of which must hold; an empty value asks for exchanges without one.
    Each breakdown is a combination of dimensions: (("tenant",), ("tenant", "feature")) are two tables.
    """

    candidate: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    where: tuple[tuple[Dimension, str], ...] = ()
    breakdowns: tuple[tuple[Dimension, ...], ...] = (("tenant",),)


class Sums:
    """Something that adds up, field by field."""

    __slots__ = ()

    def add(self, other: Self) -> None:
        """Take another's sums in."""
        for one in fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            mine, theirs = getattr(self, one.name), getattr(other, one.name)
            if isinstance(mine, Sums):
                mine.add(theirs)
            elif isinstance(mine, dict):
                for key, value in theirs.items():
                    mine[key] = mine.get(key, 0) + value
            else:
                setattr(self, one.name, mine + theirs)


@dataclass(slots=True)
class Traffic(Sums):
    """Exchanges of the primary. Every model call is answered, an error or cancelled."""

    exchanges: int = 0
    calls: int = 0  # model calls: not the list of models, not key management
    answered: int = 0
    errors: int = 0
    cancelled: int = 0  # the client left before the end
    cost_unknown: int = 0  # answered or cancelled calls whose cost is not known
    cost_known: int = 0  # calls whose cost is known, however they ended
    cost_nano: int = 0  # what these cost
    no_tenant: int = 0  # calls that no rule attributed
    no_feature: int = 0


@dataclass(slots=True)
class Moments(Sums):
    """Weighted moments of x, the difference candidate − primary of one measure, over the pairs that have it.

    Those of the second order are over conversations, which are drawn as a whole: with W and X for one conversation's
    own Σ w and Σ w·x, they are Σ W², Σ W·X and Σ X². Parts add up as far as no conversation is in two of them; where
    one is, as at the midnight between two days, it counts as two.
    """

    pairs: int = 0
    w: float = 0.0
    ww: float = 0.0
    wx: float = 0.0
    wwx: float = 0.0
    wwxx: float = 0.0
    w_primary: float = 0.0  # Σ w · primary's value; for money only
    conversations: int = 0


@dataclass(slots=True)
class Money(Sums):
    """Cost over the pairs in which both arms' is known."""

    pairs: int = 0
    primary_nano: int = 0
    candidate_nano: int = 0
    moments: Moments = field(default_factory=Moments)


@dataclass(slots=True)
class Duration(Sums):
    """A duration over the pairs in which both arms' is known. Histograms: representative seconds → weight."""

    primary: dict[float, float] = field(default_factory=dict)
    candidate: dict[float, float] = field(default_factory=dict)
    moments: Moments = field(default_factory=Moments)


@dataclass(slots=True)
class Replays(Sums):
    """What became of exchanges on one arm that is not the primary, and of the pairs among them.

    `outcomes` counts (outcome, reason), with PENDING for what has not ended; `weights` are how many exchanges those
    that were tried stand for. A pair is a completed replay of an exchange that the primary answered. `unprojected` are
    the eligible exchanges that had no chance of being replayed, so that nothing drawn stands for them.
    """

    outcomes: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    weights: dict[tuple[str, str | None], float] = field(default_factory=dict)
    unprojected: int = 0
    unprojected_cost_known: int = 0
    unprojected_nano: int = 0  # what those of known cost cost at the primary
    pairs: int = 0
    primary_cost_unknown: int = 0
    candidate_cost_unknown: int = 0
    cost_unknown: int = 0  # on either arm, or both
    cost: Money = field(default_factory=Money)
    normalised: Money = field(default_factory=Money)
    ttft: Duration = field(default_factory=Duration)
    total: Duration = field(default_factory=Duration)


@dataclass(slots=True)
class Breakdown:
    """The sums of every segment of one combination of dimensions. `merged` segments are together in OTHERS."""

    dimensions: tuple[Dimension, ...]
    traffic: dict[Segment | str, Traffic] = field(default_factory=dict)
    replays: dict[tuple[str, Segment | str], Replays] = field(default_factory=dict)  # by arm and segment
    merged: int = 0


@dataclass(frozen=True, slots=True)
class Loss:
    """Exchanges that are missing because the database was kept small: how many, and when the last of them began.

    `shipped` of them are in ClickHouse, `unshipped` are nowhere.
    """

    shipped: int
    unshipped: int
    last_at: float


@dataclass(slots=True)
class Totals:
    """Everything that a report needs. `first_at` and `last_at`: when the first and last exchange of the period began.

    There is at least one breakdown, and one by no dimension, unless conversations need not be told apart: summing up
    segments counts one that is in two of them twice. `considered` says for each arm
    when the first and the last exchange began of which its configuration took notice.
    """

    breakdowns: list[Breakdown]
    first_at: float | None = None
    last_at: float | None = None
    considered: dict[str, tuple[float, float]] = field(default_factory=dict)
    loss: Loss | None = None  # where the period reaches back to it

    @property
    def arms(self) -> tuple[str, ...]:
        """Every arm that has a replay, in alphabetical order."""
        return tuple(sorted({arm for arm, _ in self.breakdowns[0].replays}))
