"""A scope, added up inside SQLite by one connection or two side by side, each with its share of the draws."""

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from shadow.exchange import CONTROL
from shadow.report.totals import DRAWS, Breakdown, Dimension, Scope, Segment, Traffic
from shadow.store import queries
from shadow.store.engines import listed, traffic_of
from shadow.store.summed import SPAN_BYTES

Ids = tuple[bytes, bytes]  # a range of exchange ids, its end left out


class Period:
    """A range of ids as whole spans, which are summed up already, and what is left at its ends."""

    def __init__(self, ids: Ids) -> None:
        self.ids = ids
        first, end = ids
        begun, ended = first[:SPAN_BYTES].ljust(SPAN_BYTES, b"\0"), end[:SPAN_BYTES].ljust(SPAN_BYTES, b"\0")
        whole = begun if first <= begun.ljust(16, b"\0") else _next(begun)
        self.spans: Ids = (whole, max(whole, ended))
        self.ends: list[Ids] = []
        if whole > ended:
            self.ends = [ids]
        else:
            self.ends = [
                one for one in ((first, whole), (ended, end)) if one[0] < one[1] and one[0] != one[1].rstrip(b"\0")
            ]


def _next(span: bytes) -> bytes:
    return (int.from_bytes(span) + 1).to_bytes(len(span) + 1)[-len(span) :]


class Share:
    """One connection's share of a scope: the draws from the first on, up to but without the second."""

    def __init__(self, connection: sqlite3.Connection, draws: tuple[int, int], period: Period, scope: Scope) -> None:
        self._connection = connection
        self._draws = draws
        self._period = period
        self._arms = frozenset((scope.candidate, CONTROL)) if scope.candidate else None  # None: every one
        self._dimensions = [dimension for dimension, _ in scope.where]
        self._conditions = [f"s.{dimension} = ?" for dimension in self._dimensions]
        self._values = [value for _, value in scope.where]

    def traffic(self, by: tuple[Dimension, ...]) -> dict[Segment, Traffic]:
        """The primary's exchanges by segment."""
        condition = "".join(f" AND {one}" for one in self._conditions)
        dimensions = "".join(f", s.{dimension}" for dimension in by)
        found: dict[Segment, Traffic] = {}
        for query, ids in self._everywhere(queries.TRAFFIC, queries.TRAFFIC_OF_ROWS):
            said = query.format(condition=condition, dimensions=dimensions)
            for known, kind, count, nano, *segment in self._execute(said, [*ids, *self._values]):
                traffic = found.setdefault(tuple(value or None for value in segment), Traffic())
                traffic.add(traffic_of(known, kind, count, nano))
        return found

    def arms(self) -> dict[str, Ids]:
        """The arms that have replays, or of the one asked for and the control; with their first and last exchange."""
        since: dict[str, bytes] = {}
        for query, ids in self._everywhere(queries.ARMS, queries.ARMS_OF_ROWS):
            for arm, first in self._execute(query, ids):
                since[arm] = min(since.get(arm, first), first)
        found = {}
        for arm, first in since.items():
            if self._arms is None or arm in self._arms:
                within = (arm, max(first, self._period.ids[0]), self._period.ids[1])
                ((first,),) = self._execute(queries.FIRST_OF_ARM, within)
                ((last,),) = self._execute(queries.LAST_OF_ARM, within)
                found[arm] = (first, last)
        return found

    def odd(self) -> Iterator[tuple[str, str, int]]:
        """Of the whole scope: arm, anomalies as a JSON array, and how many rows have just these."""
        condition = "".join(f" AND COALESCE({queries.COLUMNS[dimension]}, '') = ?" for dimension in self._dimensions)
        join = queries.OF_EXCHANGE if self._dimensions else ""
        within = [*self._period.ids, *self._values]
        yield from self._execute(queries.ODD_EXCHANGES.format(condition=condition), within)
        for row in self._execute(queries.ODD_REPLAYS.format(join=join, condition=condition), within):
            if self._arms is None or row[0] in self._arms:
                yield row

    def add_up(self, breakdowns: Sequence[Breakdown]) -> None:
        """Add up the tried replays of this share, as finely as any breakdown asks."""
        names = sorted(self._arms or ())
        conditions = [*self._conditions, *([f"a.arm IN ({', '.join('?' * len(names))})"] if names else [])] or ["TRUE"]
        self._execute(queries.WANTED.format(condition=" AND ".join(conditions)), [*self._values, *names])
        for index, breakdown in enumerate(breakdowns):
            self._number(index, breakdown)
        share = [*self._draws, *self._period.ids]
        self._execute(queries.CELLS, share)
        self._execute(queries.HISTOGRAMS)
        for number, (name, side) in enumerate(queries.SIDES):
            self._execute(queries.HISTOGRAM.format(duration=number, column=f"{side[0]}_{name}"), share)

    def outcomes(self, index: int) -> Iterator[tuple[str, int, str, str, int, int, int, int]]:
        """Of the whole scope: arm, segment's number, outcome, reason, whether it was possible; count and costs."""
        for query, ids in self._everywhere(queries.OUTCOMES, queries.OUTCOMES_OF_ROWS):
            for row in self._execute(query.format(index=index), ids):
                if self._arms is None or row[0] in self._arms:
                    yield row

    def cells(self, index: int) -> Iterator[tuple[Any, ...]]:
        """Arm, segment's number, draw, code, sums."""
        return self._execute(queries.CELLS_OF.format(index=index))

    def histograms(self, index: int) -> Iterator[tuple[str, int, int, int, float]]:
        """Arm, segment's number, the number of duration and side, bucket, weight."""
        return self._execute(queries.HISTOGRAMS_OF.format(index=index))

    def below(self, index: int, cuts: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Arm, segment's number, draw, weights below the cuts: rows of number, buckets, arm."""
        self._execute(queries.CUT)
        self._connection.executemany(queries.ADD_CUT, cuts)
        self._execute(queries.CUT_HERE.format(index=index))
        asked = {
            number
            for number, buckets in enumerate(zip(*cuts, strict=True), -1)
            if any(one is not None for one in buckets)
        }
        found = self._execute(queries.below(asked), [*self._draws, *self._period.ids]).fetchall()
        self._execute("DROP TABLE cut_here")
        self._execute("DROP TABLE cuts")
        return found

    def _number(self, index: int, breakdown: Breakdown) -> None:
        """A table of the scope's segments with their numbers among those listed, from 1; 0 are the others."""
        join, number = "", "0"
        if breakdown.dimensions:
            names = ", ".join(breakdown.dimensions)
            self._execute(queries.NAMED.format(index=index, names=names))
            places = ", ".join("?" * (len(breakdown.dimensions) + 1))
            rows = ((at, *(value or "" for value in one)) for at, one in enumerate(listed(breakdown)) if at)
            self._connection.executemany(f"INSERT INTO s{index} VALUES ({places})", rows)  # noqa: S608 (only `?` in it)
            same = " AND ".join(f"n.{dimension} = s.{dimension}" for dimension in breakdown.dimensions)
            join, number = f"LEFT JOIN temp.s{index} n ON {same}", "COALESCE(n.number, 0)"
        condition = " AND ".join(self._conditions) or "TRUE"
        self._execute(queries.NUMBERED.format(index=index, number=number, join=join, condition=condition), self._values)
        self._execute(queries.NUMBERED_INDEX.format(index=index))

    def _everywhere(self, of_sums: str, of_rows: str) -> Iterator[tuple[str, Ids]]:
        """The queries that together answer for the whole period, each with its range."""
        yield of_sums, self._period.spans
        for ids in self._period.ends:
            yield of_rows, ids

    def _execute(self, query: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        return self._connection.execute(query, values)


def shares(opened: Sequence[sqlite3.Connection], period: Period, scope: Scope) -> list[Share]:
    """The connections, each with its share of the draws."""
    bounds = [DRAWS * part // len(opened) for part in range(len(opened) + 1)]
    return [Share(one, draws, period, scope) for one, draws in zip(opened, pairwise(bounds), strict=True)]
