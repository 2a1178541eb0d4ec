"""What a report is computed from: sums over exchanges and pairs, as an engine gives them. They add up.

A store fills them with its own grouping and summing and never hands rows over; two parts of a period, two days or two
machines are merged by adding. Money is whole nano-US-dollars, durations are seconds, weights are inverse inclusion
probabilities: a pair drawn with a chance of 5 % stands for twenty exchanges. A histogram's bucket k holds the
durations from BUCKET_WIDTH**k on, below BUCKET_WIDTH**(k + 1) seconds.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Final, Literal, Self

Dimension = Literal["tenant", "feature", "plan", "model"]
DIMENSIONS: Final[tuple[Dimension, ...]] = ("tenant", "feature", "plan", "model")

Segment = tuple[str | None, ...]  # one value for each dimension of a breakdown; None where it is not known
OTHERS: Final = "others"  # takes the place of a segment: all those too small to be listed

PENDING: Final = "pending"  # the outcome of a replay that has not ended

DRAWS: Final = 128  # groups of conversations: a variance from so many is within 13 % of the true one
BUCKET_WIDTH: Final = 1.02  # of a histogram: each bucket is 2 % wider than the one below it
QUANTILES: Final = (0.5, 0.9, 0.95, 0.99)
Side = Literal["primary", "candidate"]
SIDES: Final[tuple[Side, Side]] = ("primary", "candidate")

FAILED: Final = "failed"  # of whatever fault but the sidecar's own
UNAVAILABLE: Final = "unavailable"
AGREEMENT: Final = (
    "finish_reason",  # another one
    "tool_names",  # other functions called
    "tool_arguments",  # the same functions, other arguments
    "json",  # no valid JSON where it was asked for
    "schema",  # not what the schema asks for
    "refusal",  # declined
    "text",  # 1 − similarity
)


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
                _add(mine, theirs)
            else:
                setattr(self, one.name, mine + theirs)


def _add(mine: dict[Any, Any], theirs: Mapping[Any, Any]) -> None:
    for key, value in theirs.items():
        if isinstance(value, Sums):
            mine.setdefault(key, type(value)()).add(value)
        else:
            mine[key] = mine.get(key, 0) + value


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
    error_kinds: Counter[str] = field(default_factory=Counter)  # of the errors; "unknown" where none was read


@dataclass(slots=True)
class Moments(Sums):
    """Weighted moments of one measure over the replays that have it: p is the primary's value, c the other arm's.

    Those of the second order are over draws: conversations are drawn as a whole, and are summed up in DRAWS groups at
    random, so that a group is independent of the others whatever the turns of a conversation have in common. With W,
    P and C for one group's own Σ w, Σ w·p and Σ w·c, they are Σ W², Σ W·P, Σ W·C, Σ P², Σ P·C and Σ C². `draws` is how
    many of the groups have a replay. Engines add up the sums of a group before they square: moments of parts of one
    period do not add up, those of two samples do.
    """

    pairs: int = 0
    w: float = 0.0
    p: float = 0.0
    c: float = 0.0
    ww: float = 0.0
    wp: float = 0.0
    wc: float = 0.0
    pp: float = 0.0
    pc: float = 0.0
    cc: float = 0.0
    draws: int = 0
    squares: float = 0.0  # Σ w² of the replays, each by itself


@dataclass(slots=True)
class Money(Sums):
    """Cost over the pairs in which both arms' is known, in nano-dollars; the moments as well."""

    pairs: int = 0
    primary_nano: int = 0
    candidate_nano: int = 0
    moments: Moments = field(default_factory=Moments)


@dataclass(slots=True)
class Duration(Sums):
    """A duration over the pairs in which both arms' is known. Histograms: bucket → weight (see `bounds`).

    The moments are of seconds. `below` holds for a side and a share the moments of "not above that quantile's bucket",
    as c: an engine reads the histograms first, and then how much of each draw is below.
    """

    primary: dict[int, float] = field(default_factory=dict)
    candidate: dict[int, float] = field(default_factory=dict)
    moments: Moments = field(default_factory=Moments)
    below: dict[tuple[Side, float], Moments] = field(default_factory=dict)


@dataclass(slots=True)
class Replays(Sums):
    """What became of exchanges on one arm that is not the primary, and of the pairs among them.

    `outcomes` counts (outcome, reason), with PENDING for what has not ended. A pair is a completed replay of an
    exchange that the primary answered. `unprojected` are the eligible exchanges that had no chance of being replayed,
    so that nothing drawn stands for them.

    `failures` are over the replays that were tried and did not fail for the sidecar's own sake; c is 1 where one failed
    of that fault, or at all (FAILED), or for want of the arm (UNAVAILABLE). `agreement` is over pairs, by measure:
    c is how far the candidate's answer is from what it is held against, from 0 to 1, and p the same of the primary's.
    """

    outcomes: Counter[tuple[str, str | None]] = field(default_factory=Counter)
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
    tpot: Duration = field(default_factory=Duration)
    failures: dict[str, Moments] = field(default_factory=dict)
    agreement: dict[str, Moments] = field(default_factory=dict)


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

    One of the breakdowns is by no dimension: moments of segments do not add up, for conversations cross them.
    `considered` says for each arm when the first and the last exchange began of which its configuration took notice.
    `anomalies` counts calls and replays by what was odd about them, where anything was (`shadow.report.oddities`).
    """

    breakdowns: list[Breakdown]
    first_at: float | None = None
    last_at: float | None = None
    considered: dict[str, tuple[float, float]] = field(default_factory=dict)
    loss: Loss | None = None  # where the period reaches back to it
    anomalies: dict[str, Counter[str]] = field(default_factory=dict)  # by arm, the primary among them

    @property
    def overall(self) -> Breakdown:
        """The breakdown by no dimension."""
        return next(one for one in self.breakdowns if not one.dimensions)

    @property
    def arms(self) -> tuple[str, ...]:
        """Every arm that has a replay, in alphabetical order."""
        return tuple(sorted({arm for arm, _ in self.breakdowns[0].replays}))
