"""A scope, added up inside ClickHouse: what a report asks of `shadow.store.sums`, answered by the fleet's tables.

Sums come back, never rows. Nothing grows with the number of rows: what is grouped is arms, segments, draws and
buckets, and a query that groups more than expected spills to the server's disk.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from shadow.exchange import CONTROL
from shadow.report.totals import Breakdown, Dimension, Scope, Segment, Traffic
from shadow.store.clickhouse import queries
from shadow.store.clickhouse.sql import literal
from shadow.store.engines import Ids, listed, traffic_of
from shadow.store.ids import floor

Rows = Iterable[list[Any]]  # read once
Ask = Callable[[Sequence[str]], Sequence[Rows]]  # the rows of each of several queries, which may run side by side

WHOLE_MOST: Final = 500_000  # exchanges of a period that is read in one: what is less takes a fraction of a second
GROUPS: Final = 1000  # more than a breakdown lists, so that an arm and a segment share one number
NO_CUT: Final = -32768  # below every bucket


class Share:
    """All of a scope. Numbers of segments are those of `listed`."""

    def __init__(self, ask: Ask, database: str, scope: Scope) -> None:
        self._ask = ask
        self._database = database
        self._scope = scope
        self._arms: dict[str, Ids] | None = None
        self._halves: tuple[str, ...] = ("1",)  # conditions that share a large period out
        self._numbers: list[str] = []  # by breakdown: the expression of a row's number
        self._found: list[Sequence[Rows]] = []  # by breakdown, in the order of GROUPED

    def ends(self) -> Ids | None:
        """The first and the last id of the period; None where it is empty."""
        [[(count, *found)]] = self._ask(self._said(queries.ENDS, "e", {}))
        first, last = map(bytes.fromhex, found)
        if int(count) > WHOLE_MOST:
            middle = literal(((int.from_bytes(first) + int.from_bytes(last)) // 2).to_bytes(16))
            self._halves = (f"exchange_id < {middle}", f"exchange_id >= {middle}")
        return (first, last) if int(count) else None

    def arms(self) -> dict[str, Ids]:
        """The arms that have replays, or the one that was asked for, each with its first and last exchange's id."""
        if self._arms is None:
            self._arms = {}
            for arm, *ends in chain.from_iterable(self._ask(self._said(queries.ARMS, "r", {}))):
                first, last = map(bytes.fromhex, ends)
                self._arms[arm] = (self._arms.get(arm, (first, last))[0], last)  # halves are in the order of time
        return self._arms

    def traffic(self, by: tuple[Dimension, ...]) -> dict[Segment, Traffic]:
        """The primary's exchanges by segment."""
        dimensions = "".join(f", {queries.EXCHANGE[dimension]}" for dimension in by)
        parts = self._ask(self._said(queries.TRAFFIC, "e", queries.EXCHANGE, dimensions=dimensions))
        found: dict[Segment, Traffic] = {}
        for known, kind, count, nano, *segment in chain.from_iterable(parts):
            traffic = found.setdefault(tuple(value or None for value in segment), Traffic())
            traffic.add(traffic_of(known, kind, count, nano))
        return found

    def odd(self) -> Rows:
        """Arm, anomalies as a JSON array, and how many rows have just these."""
        asked = self._said(queries.ODD_EXCHANGES, "e", queries.EXCHANGE)
        asked += self._said(queries.ODD_REPLAYS, "r", queries.REPLAY)
        return chain.from_iterable(self._ask(asked))

    def add_up(self, breakdowns: Sequence[Breakdown]) -> None:
        """Ask for all that is grouped by the segments of these breakdowns."""
        self._numbers = [_number(breakdown) for breakdown in breakdowns]
        asked = [
            part
            for number in self._numbers
            for query in queries.GROUPED
            for part in self._said(query, "r", queries.REPLAY, number=number)
        ]
        found = iter(self._ask(asked))
        self._found = [
            [chain.from_iterable([next(found) for _ in self._halves]) for _ in queries.GROUPED] for _ in self._numbers
        ]

    def cells(self, index: int) -> Rows:
        """Arm, segment's number, draw, code, sums."""
        return self._found[index][0]

    def histograms(self, index: int) -> Rows:
        """Arm, segment's number, the number of duration and side, bucket, weight."""
        return self._found[index][1]

    def outcomes(self, index: int) -> Rows:
        """Arm, segment's number, outcome, reason, whether it was possible; count and costs."""
        return self._found[index][2]

    def below(self, index: int, cuts: Iterable[tuple[Any, ...]]) -> Rows:
        """Arm, segment's number, draw, weights below the cuts: rows of number, buckets, arm."""
        arms = {arm: number for number, arm in enumerate(self.arms(), 1)}
        keys, buckets = [], []
        for number, *of_cuts, arm in cuts:
            keys.append(arms[arm] * GROUPS + number)
            buckets.append([NO_CUT if bucket is None else bucket for bucket in of_cuts])
        if not keys:
            return []
        names = {
            "number": self._numbers[index],
            "arm": _among("r.arm", map(literal, arms)),
            "groups": str(GROUPS),
            **{
                f"cut{at}": f"transform(place, {keys}, {list(cut)}, {NO_CUT})"
                for at, cut in enumerate(zip(*buckets, strict=True))
            },
        }
        return chain.from_iterable(self._ask(self._said(queries.BELOW, "r", queries.REPLAY, **names)))

    def _said(self, query: str, table: str, columns: Mapping[Dimension, str], **names: str) -> list[str]:
        """A query over the scope, or over each of its halves: an old server reads with FINAL in one thread."""
        said = conditions(self._scope, table, columns)
        if self._scope.candidate and table == "r":
            said.append(f"r.arm IN ({literal(self._scope.candidate)}, {literal(CONTROL)})")
        return [
            query.format(database=self._database, condition=" AND ".join([*said, half]), **names)
            for half in self._halves
        ]


def conditions(scope: Scope, table: str, columns: Mapping[Dimension, str]) -> list[str]:
    """That a row of `e` or `r` is of a scope's period, and of its segment where the dimensions' columns are given."""
    said = []
    if scope.since:
        said.append(f"{table}.exchange_id >= {literal(floor(scope.since.timestamp()))}")
    if scope.until:
        said.append(f"{table}.exchange_id < {literal(floor(scope.until.timestamp()))}")
    return said + [f"{columns[dimension]} = {literal(value)}" for dimension, value in scope.where if columns]


def _number(breakdown: Breakdown) -> str:
    """The expression of the number of a replay's segment in a breakdown, as in `listed`."""
    names = [segment for segment in listed(breakdown)[1:] if isinstance(segment, tuple)]
    if not names:
        return "0"
    columns = [queries.REPLAY[dimension] for dimension in breakdown.dimensions]
    if len(columns) == 1:
        return _among(columns[0], (literal(name or "") for (name,) in names))
    parts = ", ".join(f"toString(length({column})), ':', {column}" for column in columns)
    return _among(f"concat({parts})", (literal("".join(map(_netstring, segment))) for segment in names))


def _netstring(name: str | None) -> str:
    """A text after its length: several in a row can be told apart."""
    name = name or ""
    return f"{len(name.encode())}:{name}"


def _among(what: str, values: Iterable[str]) -> str:
    """The place of a text among others, from 1; 0 where it is none of them."""
    among = list(values)
    return f"transform({what}, [{', '.join(among)}], {list(range(1, len(among) + 1))}, 0)"
