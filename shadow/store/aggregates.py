"""The sums that a report is computed from, out of a database that someone else may be writing.

Read-only, synchronous, and everything is grouped and added up inside SQLite. The pairs are first copied into a
temporary table, narrow and with whole numbers in the place of names: a group over it sorts a tenth of the bytes, and
the writer's log is held only until the copy is made. A large period is read in two halves side by side: sums add up.
"""

import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from heapq import nlargest
from itertools import pairwise
from pathlib import Path
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
    Totals,
    Traffic,
)
from shadow.store.buckets import seconds
from shadow.store.errors import StoreError, trouble
from shadow.store.ids import floor
from shadow.store.reading import connections

SEGMENTS_MAX: Final = 200  # of one breakdown, the largest: more than anybody reads; the rest is summed up as others
BUCKETS: Final = 2048  # more than there are, so that a group and a bucket share one number
BUCKET_ZERO: Final = 1024  # the buckets of durations below a second are negative

COLUMNS: Final[dict[Dimension, str]] = {
    "tenant": "e.tenant",
    "feature": "e.feature",
    "plan": "e.plan",
    "model": "e.request_model",
}

# What is known of an exchange, as bits: those of one kind are grouped together, and a group has little to carry.
CALL, WHOLE, GONE, NO_ERROR, COST, TENANT, FEATURE = (1 << bit for bit in range(7))
TRAFFIC: Final = """SELECT (e.inference IS TRUE) + 2 * (e.outcome = 'complete') + 4 * (e.outcome = 'client_cancelled')
    + 8 * (e.error_kind IS NULL) + 16 * (e.cost_nano_usd IS NOT NULL) + 32 * (e.tenant IS NOT NULL)
    + 64 * (e.feature IS NOT NULL) AS known, COUNT(*), SUM(e.cost_nano_usd) {dimensions}
    FROM exchanges e WHERE {condition} GROUP BY {columns} known"""

OUTCOMES: Final = """SELECT a.id, {segment}, r.outcome, r.reason, COUNT(*)
    FROM replays r JOIN exchanges e USING (exchange_id) JOIN arms a ON a.arm = r.arm {joins}
    WHERE r.outcome IS NOT 'completed' AND {condition} GROUP BY 1, 2, 3, 4"""

# What is known of a completed replay, as bits: those of one kind are grouped together, so that all sums of a group
# are over the same pairs, and a kind that lacks something is counted and left out.
PAIRED, PRIMARY_COST, CANDIDATE_COST, NORMALISED, TTFT, TOTAL = (1 << bit for bit in range(6))
KINDS: Final = 64
COPY: Final = """CREATE TEMP TABLE pairs AS SELECT a.id AS arm, {segments} 1.0 / r.probability AS w,
    (e.outcome = 'complete' AND e.error_kind IS NULL)
    + 2 * (e.cost_nano_usd IS NOT NULL) + 4 * (r.cost_nano_usd IS NOT NULL)
    + 8 * (e.cost_normalised_nano_usd IS NOT NULL AND r.cost_normalised_nano_usd IS NOT NULL)
    + 16 * (e.ttft_bucket IS NOT NULL AND r.ttft_bucket IS NOT NULL)
    + 32 * (e.total_bucket IS NOT NULL AND r.total_bucket IS NOT NULL) AS known,
    e.cost_nano_usd AS p_cost, r.cost_nano_usd AS c_cost,
    e.cost_normalised_nano_usd AS p_normalised, r.cost_normalised_nano_usd AS c_normalised,
    e.ttft_bucket AS p_ttft, r.ttft_bucket AS c_ttft, e.total_bucket AS p_total, r.total_bucket AS c_total,
    (r.cost_nano_usd - e.cost_nano_usd) / r.probability AS x_cost,
    (r.cost_normalised_nano_usd - e.cost_normalised_nano_usd) / r.probability AS x_normalised,
    (r.ttft_s - e.ttft_s) / r.probability AS x_ttft, (r.total_s - e.total_s) / r.probability AS x_total
    FROM replays r JOIN exchanges e USING (exchange_id) JOIN arms a ON a.arm = r.arm {joins}
    WHERE r.outcome = 'completed' AND {condition}"""
MEASURES: Final = (
    ("cost", PRIMARY_COST | CANDIDATE_COST),
    ("normalised", NORMALISED),
    ("ttft", TTFT),
    ("total", TOTAL),
)
_SUMS: Final = (
    *(f"SUM(x_{name}), SUM(w * x_{name}), SUM(x_{name} * x_{name})" for name, _ in MEASURES),
    *(f"SUM(p_{name}), SUM(c_{name}), SUM(w * p_{name})" for name in ("cost", "normalised")),
)
SUMS: Final = """SELECT (arm * {segments} + {segment}) * {kinds} + known AS k,
    COUNT(*), COUNT(w), SUM(w), SUM(w * w), {sums} FROM pairs GROUP BY k"""
HISTOGRAM: Final = """SELECT (arm * {segments} + {segment}) * {buckets} + {zero} + {bucket} AS k, SUM(w) FROM pairs
    WHERE known & {known} = {known} AND w IS NOT NULL GROUP BY k"""


def read(path: Path, scope: Scope) -> Totals:
    """The sums of a database over a scope. Raises StoreError where there is no database of this release to read."""
    try:
        with connections(path) as opened:
            return _read(opened, scope)
    except sqlite3.Error as error:
        raise StoreError(trouble(error), f"{path} cannot be read: {error}") from error


def _read(opened: Sequence[sqlite3.Connection], scope: Scope) -> Totals:
    asked = scope.breakdowns or ((),)
    ends = _ends(opened[0], scope)
    if ends is None:
        return Totals([Breakdown(dimensions) for dimensions in asked])
    parts = [_Part(*part, scope) for part in zip(opened, _split(*ends, len(opened)), strict=True)]
    with ThreadPoolExecutor(len(parts)) as pool:
        traffic = [list(pool.map(lambda part, by=by: part.traffic(by), parts)) for by in asked]
        breakdowns = [_largest(by, found) for by, found in zip(asked, traffic, strict=True)]
        arms = sorted(set().union(*pool.map(_Part.arms, parts)))
        list(pool.map(lambda part: part.copy(arms, breakdowns), parts))
        for index, breakdown in enumerate(breakdowns):
            for found in pool.map(lambda part, index=index: part.replays(index), parts):
                for key, replays in found.items():
                    breakdown.replays.setdefault(key, Replays()).add(replays)
    return Totals(breakdowns, *map(_began, ends))


def _ends(connection: sqlite3.Connection, scope: Scope) -> tuple[bytes, bytes] | None:
    """The first and the last id of the period."""
    since = floor(scope.since.timestamp()) if scope.since else b""
    until = floor(scope.until.timestamp()) if scope.until else b"\xff" * 17
    query = "SELECT MIN(exchange_id), MAX(exchange_id) FROM exchanges WHERE exchange_id >= ? AND exchange_id < ?"
    first, last = connection.execute(query, (since, until)).fetchone()
    return None if first is None else (first, last)


def _split(first: bytes, last: bytes, parts: int) -> list[tuple[bytes, bytes]]:
    """Ranges of ids, each with its end left out, of about the same length in time."""
    begun, ended = _began(first), _began(last)
    between = [floor(begun + (ended - begun) * part / parts) for part in range(1, parts)]
    bounds = [first, *between, last + b"\0"]
    return list(pairwise(bounds))


def _began(exchange_id: bytes) -> float:
    return int.from_bytes(exchange_id[:6]) / 1000


def _largest(by: tuple[Dimension, ...], found: Sequence[dict[Segment, Traffic]]) -> Breakdown:
    """The traffic of the segments with the most exchanges, and of all others together."""
    every: dict[Segment, Traffic] = {}
    for part in found:
        for segment, traffic in part.items():
            every.setdefault(segment, Traffic()).add(traffic)
    kept = nlargest(SEGMENTS_MAX, every, key=lambda segment: every[segment].exchanges)
    breakdown = Breakdown(by, {segment: every.pop(segment) for segment in kept}, merged=len(every))
    for traffic in every.values():
        breakdown.traffic.setdefault(OTHERS, Traffic()).add(traffic)
    return breakdown


class _Part:
    """One connection's share of the period."""

    def __init__(self, connection: sqlite3.Connection, ids: tuple[bytes, bytes], scope: Scope) -> None:
        self._connection = connection
        self._conditions = [f"{COLUMNS[dimension]} IS ?" for dimension, _ in scope.where]
        self._values = [*ids, *(value or None for _, value in scope.where)]
        self._candidate = scope.candidate
        self._arms: Sequence[str] = ()
        self._segments: list[list[Segment | str]] = []  # by breakdown, in the order of their numbers
        self._outcomes: list[list[tuple[int, int, str | None, str | None, int]]] = []  # by breakdown

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

    def arms(self) -> set[str]:
        """The arms that have replays, or the one that was asked for."""
        if self._candidate:
            return {self._candidate}
        query = "SELECT DISTINCT arm FROM replays WHERE exchange_id >= ? AND exchange_id < ?"
        return {arm for (arm,) in self._connection.execute(query, self._values[:2])}

    def copy(self, arms: Sequence[str], breakdowns: Sequence[Breakdown]) -> None:
        """Number arms and segments, copy what is completed, count what is not, and let the writer's log go."""
        self._arms = arms
        self._execute("CREATE TEMP TABLE arms (id INTEGER PRIMARY KEY, arm TEXT UNIQUE)")
        self._connection.executemany("INSERT INTO arms VALUES (?, ?)", enumerate(arms))
        for index, breakdown in enumerate(breakdowns):
            self._number(index, breakdown)
        condition = self._condition("r")
        numbers = [f"COALESCE(s{index}.id, 0)" if one.dimensions else "0" for index, one in enumerate(breakdowns)]
        joins = [_join(index, one.dimensions) for index, one in enumerate(breakdowns)]
        segments = "".join(f"{number} AS s{index}, " for index, number in enumerate(numbers))
        self._execute(COPY.format(segments=segments, joins=" ".join(joins), condition=condition), self._values)
        for number, join in zip(numbers, joins, strict=True):
            query = OUTCOMES.format(segment=number, joins=join, condition=condition)
            self._outcomes.append(self._execute(query, self._values).fetchall())
        self._execute("COMMIT")

    def replays(self, index: int) -> dict[tuple[str, Segment | str], Replays]:
        """The replays of every arm and segment of one breakdown."""
        found: dict[tuple[str, Segment | str], Replays] = {}
        for arm, segment, outcome, reason, count in self._outcomes[index]:
            replays = found.setdefault((self._arms[arm], self._segments[index][segment]), Replays())
            replays.outcomes[outcome or PENDING, reason] += count
        of = {"segments": len(self._segments[index]), "segment": f"s{index}"}
        for key, *sums in self._execute(SUMS.format(**of, kinds=KINDS, sums=", ".join(_SUMS))):
            group, known = divmod(key, KINDS)
            _add_pairs(found.setdefault(self._key(index, group), Replays()), known, [value or 0 for value in sums])
        for name, bits in MEASURES[2:]:
            for side in ("primary", "candidate"):
                query = HISTOGRAM.format(
                    **of, buckets=BUCKETS, zero=BUCKET_ZERO, bucket=f"{side[0]}_{name}", known=bits | PAIRED
                )
                for key, weight in self._execute(query):
                    group, bucket = divmod(key, BUCKETS)
                    duration: Duration = getattr(found[self._key(index, group)], name)
                    getattr(duration, side)[seconds(bucket - BUCKET_ZERO)] = weight
        return found

    def _key(self, index: int, group: int) -> tuple[str, Segment | str]:
        segments = self._segments[index]
        return self._arms[group // len(segments)], segments[group % len(segments)]

    def _number(self, index: int, breakdown: Breakdown) -> None:
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
        cost_nano=nano,
        no_tenant=count * (not known & TENANT),
        no_feature=count * (not known & FEATURE),
    )


def _add_pairs(replays: Replays, known: int, sums: Sequence[Any]) -> None:
    """Take in a group of completed replays of which the same is known. `sums` are in the order of SUMS."""
    count, weighted, w, ww, *rest = sums
    replays.outcomes["completed", None] += count
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
        wx, wwx, wwxx = rest[3 * at : 3 * at + 3]
        measure.moments.add(Moments(weighted, w, ww, wx, wwx, wwxx))
        if isinstance(measure, Money):
            primary, candidate, w_primary = rest[3 * (at + 4) : 3 * (at + 5)]
            measure.add(Money(count, primary, candidate, Moments(w_primary=w_primary)))
