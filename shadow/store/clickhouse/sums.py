"""A scope, added up inside ClickHouse: what a report asks of `shadow.store.sums`, answered by the fleet's tables.

Sums come back, never rows. Nothing grows with the number of rows: what is grouped is arms, segments, draws and
buckets, and a query that groups more than expected spills to the server's disk.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from shadow.exchange import CONTROL
from shadow.report.totals import Breakdown, Dimension, Scope, Segment, Traffic
from shadow.store.clickhouse import queries
from shadow.store.clickhouse.sql import literal
from shadow.store.engines import Ids, listed, traffic_of
from shadow.store.ids import floor

Rows = Iterable[list[Any]]  # read once
Ask = Callable[[Sequence[str]], Sequence[Rows]]  # the rows of each of several queries, which may run side by side

GROUPS: Final = 1000  # more than a breakdown lists, so that an arm and a segment share one number
NO_CUT: Final = -32768  # below every bucket


class Share:
    """All of a scope. Numbers of segments are those of `listed`."""

    def __init__(self, ask: Ask, database: str, scope: Scope) -> None:
        self._ask = ask
        self._database = database
        self._scope = scope
        self._arms: dict[str, Ids] | None = None
        self._numbers: list[str] = []  # by breakdown: the expression of a row's number
        self._found: list[Sequence[Rows]] = []  # by breakdown, in the order of GROUPED

    def ends(self) -> Ids | None:
        """The first and the last id of the period; None where it is empty."""
        [[(count, first, last)]] = self._ask([self._said(queries.ENDS, "e", {})])
        return (bytes.fromhex(first), bytes.fromhex(last)) if int(count) else None

    def arms(self) -> dict[str, Ids]:
        """The arms that have replays, or the one that was asked for, each with its first and last exchange's id."""
        if self._arms is None:
            [found] = self._ask([self._said(queries.ARMS, "r", {})])
            self._arms = {arm: (bytes.fromhex(first), bytes.fromhex(last)) for arm, first, last in found}
        return self._arms

    def traffic(self, by: tuple[Dimension, ...]) -> dict[Segment, Traffic]:
        """The primary's exchanges by segment."""
        dimensions = "".join(f", {queries.EXCHANGE[dimension]}" for dimension in by)
        [rows] = self._ask([self._said(queries.TRAFFIC, "e", queries.EXCHANGE, dimensions=dimensions)])
        found: dict[Segment, Traffic] = {}
        for known, kind, count, nano, *segment in rows:
            traffic = found.setdefault(tuple(value or None for value in segment), Traffic())
            traffic.add(traffic_of(known, kind, count, nano))
        return found

    def add_up(self, breakdowns: Sequence[Breakdown]) -> None:
        """Ask for all that is grouped by the segments of these breakdowns."""
        self._numbers = [_number(breakdown) for breakdown in breakdowns]
        asked = [
            self._said(query, "r", queries.REPLAY, number=number)
            for number in self._numbers
            for query in queries.GROUPED
        ]
        found = self._ask(asked)
        self._found = [found[at : at + len(queries.GROUPED)] for at in range(0, len(found), len(queries.GROUPED))]

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
        return self._ask([self._said(queries.BELOW, "r", queries.REPLAY, **names)])[0]

    def _said(self, query: str, table: str, columns: dict[Dimension, str], **names: str) -> str:
        """A query over the scope."""
        scope, conditions = self._scope, []
        if scope.since:
            conditions.append(f"{table}.exchange_id >= {literal(floor(scope.since.timestamp()))}")
        if scope.until:
            conditions.append(f"{table}.exchange_id < {literal(floor(scope.until.timestamp()))}")
        if scope.candidate and table == "r":
            conditions.append(f"r.arm IN ({literal(scope.candidate)}, {literal(CONTROL)})")
        if columns:
            conditions += [f"{columns[dimension]} = {literal(value)}" for dimension, value in scope.where]
        return query.format(database=self._database, condition=" AND ".join(conditions) or "1", **names)


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
