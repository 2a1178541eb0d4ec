"""One connection's share of a period, added up inside SQLite.

The pairs are first copied into a temporary table, narrow and with whole numbers in the place of names: grouping it
sorts a tenth of the bytes, and the writer's log is held only until the copy is made. Breakdowns with few segments are
grouped together, by all their numbers in one, and taken apart again in the sums. What is summed up by conversation
first can be so only where a conversation is in one group; the few that are in several are summed up once more for each
breakdown.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Final

from shadow.report.totals import (
    OTHERS,
    PENDING,
    Breakdown,
    Dimension,
    Duration,
    Moments,
    Money,
    Replays,
    Scope,
    Segment,
    Traffic,
)
from shadow.store.buckets import seconds
from shadow.store.queries import (
    ACROSS,
    ARMS,
    BUCKET_ZERO,
    BUCKETS,
    CALL,
    CANDIDATE_COST,
    COLUMNS,
    COPY,
    COST,
    FEATURE,
    FIRST,
    GONE,
    HISTOGRAM,
    INNER,
    KINDS,
    MEASURES,
    NO_ERROR,
    OUTCOMES,
    OUTER,
    PAIRED,
    PRIMARY_COST,
    SUMS,
    TALKS,
    TENANT,
    TRAFFIC,
    WHOLE,
    WITHIN,
)

GROUPS_MAX: Final = 5000  # of breakdowns that are grouped together: what comes out stays little beside what goes in

Key = tuple[str, Segment | str]  # an arm and a segment


@dataclass(frozen=True, slots=True)
class _Bundle:
    """Breakdowns that are grouped together: a group's number is made of the arm's and of one segment's of each."""

    name: str
    indices: tuple[int, ...]
    sizes: tuple[int, ...]  # how many segments each has

    def number(self) -> str:
        """The expression of a group's number."""
        number = "a.id"
        for index, size in zip(self.indices, self.sizes, strict=True):
            number = f"({number} * {size} + {_number(index, size)})"
        return number

    def arm(self) -> str:
        """The expression of the arm's number of a group."""
        return f"{self.name} / {prod(self.sizes)}"

    def alone(self, at: int) -> str:
        """The expression of the number that a group would have with the breakdown at this place alone."""
        size, within = self.sizes[at], prod(self.sizes[at + 1 :])
        return f"{self.arm()} * {size} + {self.name} / {within} % {size}"

    def apart(self, group: int) -> tuple[int, list[tuple[int, int]]]:
        """The arm's number, and each breakdown with the number of its segment."""
        segments = []
        for index, size in zip(reversed(self.indices), reversed(self.sizes), strict=True):
            group, segment = divmod(group, size)
            segments.append((index, segment))
        return group, segments


class Share:
    """One connection's share of a period: the ids from the first on, up to but without the second."""

    def __init__(self, connection: sqlite3.Connection, ids: tuple[bytes, bytes], scope: Scope) -> None:
        self._connection = connection
        self._conditions = [f"{COLUMNS[dimension]} IS ?" for dimension, _ in scope.where]
        self._values = [*ids, *(value or None for _, value in scope.where)]
        self._candidate = scope.candidate
        self._arms: Sequence[str] = ()
        self._segments: list[list[Segment | str]] = []  # by breakdown, in the order of their numbers
        self._found: list[dict[Key, Replays]] = []  # by breakdown

    def traffic(self, by: tuple[Dimension, ...]) -> dict[Segment, Traffic]:
        """The primary's exchanges by segment."""
        columns = [COLUMNS[dimension] for dimension in by]
        query = TRAFFIC.format(
            condition=self._condition("e"),
            dimensions="".join(f", {column}" for column in columns),
            columns="".join(f"{column}, " for column in columns),
        )
        found: dict[Segment, Traffic] = {}
        for known, count, nano, *segment in self._execute(query, self._values):
            found.setdefault(tuple(segment), Traffic()).add(_traffic(known, count, nano or 0))
        return found

    def arms(self) -> dict[str, tuple[bytes, bytes]]:
        """The arms that have replays, or the one that was asked for, each with its first and last exchange's id."""
        values, condition = self._values[:2], ""
        if self._candidate:
            values, condition = [*values, self._candidate], "AND arm = ?"
        found = self._execute(ARMS.format(condition=condition), values)
        return {arm: (first, last) for arm, first, last in found}

    def replays(self, arms: Sequence[str], breakdowns: Sequence[Breakdown]) -> list[dict[Key, Replays]]:
        """The replays of these arms by segment, for each breakdown; unlisted segments are the others."""
        self._arms, self._found = arms, [{} for _ in breakdowns]
        self._execute("CREATE TEMP TABLE arms (id INTEGER PRIMARY KEY, arm TEXT UNIQUE)")
        self._connection.executemany("INSERT INTO arms VALUES (?, ?)", enumerate(arms))
        for index, breakdown in enumerate(breakdowns):
            self._list(index, breakdown)
        bundles = list(_bundles([len(segments) for segments in self._segments]))
        self._copy(bundles, " ".join(_join(index, one.dimensions) for index, one in enumerate(breakdowns)))
        for bundle in bundles:
            self._add_sums(bundle)
            self._add_spread(bundle)
            for name, bits in MEASURES[2:]:
                for side in ("primary", "candidate"):
                    self._add_histogram(bundle, name, side, bits | PAIRED)
        return self._found

    def _copy(self, bundles: Sequence[_Bundle], joins: str) -> None:
        """Copy what is completed, count what is not, and let the writer's log go."""
        condition = self._condition("r")
        groups = ", ".join(f"{bundle.number()} AS {bundle.name}" for bundle in bundles)
        self._execute(COPY.format(groups=groups, joins=joins, condition=condition), self._values)
        for bundle in bundles:
            query = OUTCOMES.format(group=bundle.number(), joins=joins, condition=condition)
            for group, outcome, reason, possible, *sums in self._execute(query, self._values):
                for replays in self._of(bundle, group):
                    _add_outcome(replays, (outcome or PENDING, reason), bool(possible), sums)
        self._execute("COMMIT")

    def _add_sums(self, bundle: _Bundle) -> None:
        for key, *sums in self._execute(SUMS.format(group=bundle.name, kinds=KINDS, sums=", ".join(FIRST))):
            group, known = divmod(key, KINDS)
            for replays in self._of(bundle, group):
                _add_pairs(replays, known, [value or 0 for value in sums])

    def _add_spread(self, bundle: _Bundle) -> None:
        self._execute(TALKS.format(arm=bundle.arm(), group=bundle.name, paired=PAIRED, inner=INNER))
        for group, *sums in self._execute(WITHIN.format(outer=OUTER)):
            for replays in self._of(bundle, group):
                _add_conversations(replays, [value or 0 for value in sums])
        if self._execute("SELECT EXISTS (SELECT 1 FROM talks WHERE least <> most)").fetchone()[0]:
            self._add_across(bundle)
        self._execute("DROP TABLE talks")

    def _add_across(self, bundle: _Bundle) -> None:
        for at, (index, size) in enumerate(zip(bundle.indices, bundle.sizes, strict=True)):
            query = ACROSS.format(arm=bundle.arm(), group=bundle.alone(at), paired=PAIRED, inner=INNER, outer=OUTER)
            for key, *sums in self._execute(query):
                arm, segment = divmod(key, size)
                found = self._found[index][self._arms[arm], self._segments[index][segment]]
                _add_conversations(found, [value or 0 for value in sums])

    def _add_histogram(self, bundle: _Bundle, name: str, side: str, known: int) -> None:
        bucket = f"{side[0]}_{name}"
        query = HISTOGRAM.format(group=bundle.name, buckets=BUCKETS, zero=BUCKET_ZERO, bucket=bucket, known=known)
        for key, weight in self._execute(query):
            group, number = divmod(key, BUCKETS)
            value = seconds(number - BUCKET_ZERO)
            for replays in self._of(bundle, group):
                duration: Duration = getattr(replays, name)
                weights: dict[float, float] = getattr(duration, side)
                weights[value] = weights.get(value, 0.0) + weight

    def _of(self, bundle: _Bundle, group: int) -> list[Replays]:
        """The sums that a group is part of, one in each breakdown."""
        arm, segments = bundle.apart(group)
        keys = [(index, (self._arms[arm], self._segments[index][segment])) for index, segment in segments]
        return [self._found[index].setdefault(key, Replays()) for index, key in keys]

    def _list(self, index: int, breakdown: Breakdown) -> None:
        """A table of a breakdown's listed segments, numbered from 1; 0 are the others."""
        listed = [segment for segment in breakdown.traffic if isinstance(segment, tuple)]
        if not breakdown.dimensions:
            self._segments.append([()])
            return
        self._segments.append([OTHERS, *listed])
        names = ", ".join(breakdown.dimensions)
        self._execute(f"CREATE TEMP TABLE s{index} (id INTEGER PRIMARY KEY, {names})")
        self._execute(f"CREATE INDEX temp.by{index} ON s{index} ({names})")
        places = ", ".join("?" * (len(breakdown.dimensions) + 1))
        rows = ((number, *segment) for number, segment in enumerate(listed, 1))
        self._connection.executemany(f"INSERT INTO s{index} VALUES ({places})", rows)  # noqa: S608 (only `?` in it)

    def _condition(self, table: str) -> str:
        """The scope's, with the period on the table that is read in order."""
        return " AND ".join([f"{table}.exchange_id >= ?", f"{table}.exchange_id < ?", *self._conditions])

    def _execute(self, query: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        return self._connection.execute(query, values)


def _bundles(sizes: Sequence[int]) -> Iterator[_Bundle]:
    """Breakdowns together for as long as there are few groups. `sizes` are their numbers of segments."""
    indices: list[int] = []
    for index in range(len(sizes)):
        if indices and prod(sizes[one] for one in (*indices, index)) > GROUPS_MAX:
            yield _Bundle(f"g{indices[0]}", tuple(indices), tuple(sizes[one] for one in indices))
            indices = []
        indices.append(index)
    yield _Bundle(f"g{indices[0]}", tuple(indices), tuple(sizes[one] for one in indices))


def _number(index: int, size: int) -> str:
    """The number of an exchange's segment in a breakdown."""
    return f"COALESCE(s{index}.id, 0)" if size > 1 else "0"


def _join(index: int, by: Sequence[Dimension]) -> str:
    """Finds the number of an exchange's segment; `IS` because unknown values are values here."""
    same = " AND ".join(f"s{index}.{dimension} IS {COLUMNS[dimension]}" for dimension in by)
    return f"LEFT JOIN temp.s{index} ON {same}" if by else ""


def _traffic(known: int, count: int, nano: int) -> Traffic:
    """A group of exchanges of which the same is known, `count` of them."""
    if not known & CALL:
        return Traffic(exchanges=count)
    cancelled = bool(known & GONE)
    answered = known & (WHOLE | NO_ERROR) == WHOLE | NO_ERROR
    return Traffic(
        exchanges=count,
        calls=count,
        answered=count * answered,
        errors=count * (not answered and not cancelled),
        cancelled=count * cancelled,
        cost_unknown=count * ((answered or cancelled) and not known & COST),
        cost_known=count * bool(known & COST),
        cost_nano=nano,
        no_tenant=count * (not known & TENANT),
        no_feature=count * (not known & FEATURE),
    )


def _add_outcome(replays: Replays, ended: tuple[str, str | None], possible: bool, sums: Sequence[Any]) -> None:
    """Take in replays that ended alike, or have not ended. `sums` are in the order of OUTCOMES."""
    count, weight, costs, nano = sums
    replays.outcomes[ended] += count
    if ended[0] == "failed":
        replays.weights[ended] = replays.weights.get(ended, 0.0) + (weight or 0.0)
    if not possible and ended[0] != "ineligible":
        replays.unprojected += count
        replays.unprojected_cost_known += costs
        replays.unprojected_nano += nano or 0


def _add_pairs(replays: Replays, known: int, sums: Sequence[Any]) -> None:
    """Take in a group of completed replays of which the same is known. `sums` are in the order of SUMS."""
    count, weighted, w, *rest = sums
    replays.outcomes["completed", None] += count
    replays.weights["completed", None] = replays.weights.get(("completed", None), 0.0) + w
    replays.unprojected += count - weighted
    if not known & PAIRED:
        return
    replays.pairs += count
    replays.primary_cost_unknown += 0 if known & PRIMARY_COST else count
    replays.candidate_cost_unknown += 0 if known & CANDIDATE_COST else count
    for at, (name, bits) in enumerate(MEASURES):
        if known & bits != bits:
            replays.cost_unknown += count if name == "cost" else 0
            continue
        measure: Money | Duration = getattr(replays, name)
        measure.moments.add(Moments(weighted, w, wx=rest[at]))
        if isinstance(measure, Money):
            primary, candidate, w_primary = rest[len(MEASURES) + 3 * at : len(MEASURES) + 3 * (at + 1)]
            measure.add(Money(count, primary, candidate, Moments(w_primary=w_primary)))


def _add_conversations(replays: Replays, sums: Sequence[Any]) -> None:
    """Take in the moments of the second order, of all conversations. `sums` are in the order of OUTER."""
    for at, (name, _) in enumerate(MEASURES):
        count, ww, wwx, wwxx = sums[4 * at : 4 * at + 4]
        measure: Money | Duration = getattr(replays, name)
        measure.moments.add(Moments(ww=ww, wwx=wwx, wwxx=wwxx, conversations=count))
