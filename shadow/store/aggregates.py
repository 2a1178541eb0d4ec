"""The sums that a report is computed from, out of a database that someone else may be writing.

Read-only, synchronous, and everything is grouped and added up inside SQLite (`shadow.store.sums`). A large period is
read in two halves side by side, each by a connection of its own: sums add up.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from heapq import nlargest
from itertools import pairwise
from pathlib import Path
from typing import Final

from shadow.report.totals import OTHERS, Breakdown, Dimension, Loss, Replays, Scope, Segment, Totals, Traffic
from shadow.store.ids import floor
from shadow.store.reading import connections, unreadable
from shadow.store.sums import Share

SEGMENTS_MAX: Final = 200  # of one breakdown, the largest: more than anybody reads; the rest is summed up as others


def read(path: Path, scope: Scope) -> Totals:
    """The sums of a database over a scope. Raises StoreError where there is no database of this release to read."""
    try:
        with connections(path) as opened:
            return _read(opened, scope)
    except sqlite3.Error as error:
        raise unreadable(path, error) from error


def arms(path: Path, scope: Scope) -> tuple[str, ...]:
    """Every arm that has a replay in the scope's period, whatever its other conditions. Raises as `read` does."""
    whole = replace(scope, candidate=None, where=())
    try:
        with connections(path) as opened:
            ends = _ends(opened[0], whole)
            return () if ends is None else tuple(sorted(Share(opened[0], _split(*ends, 1)[0], whole).arms()))
    except sqlite3.Error as error:
        raise unreadable(path, error) from error


def _read(opened: Sequence[sqlite3.Connection], scope: Scope) -> Totals:
    asked = scope.breakdowns or ((),)  # the overall figures are read beside them: conversations cross segments
    ends, loss = _ends(opened[0], scope), _loss(opened[0], scope)
    if ends is None:
        return Totals([Breakdown(dimensions) for dimensions in asked], loss=loss)
    shares = [Share(*share, scope) for share in zip(opened, _split(*ends, len(opened)), strict=True)]
    with ThreadPoolExecutor(len(shares)) as pool:
        traffic = list(pool.map(lambda share: [share.traffic(by) for by in asked], shares))
        breakdowns = [_largest(by, found) for by, *found in zip(asked, *traffic, strict=True)]
        if () not in asked:
            breakdowns.append(_overall(breakdowns[0]))
        considered = _considered(pool.map(Share.arms, shares))
        arms = sorted(considered)
        for found in pool.map(lambda share: share.replays(arms, breakdowns), shares):
            for breakdown, replays in zip(breakdowns, found, strict=True):
                for key, one in replays.items():
                    breakdown.replays.setdefault(key, Replays()).add(one)
    first, last = map(_began, ends)
    return Totals(breakdowns, first, last, considered, loss)


def _considered(parts: Iterable[dict[str, tuple[bytes, bytes]]]) -> dict[str, tuple[float, float]]:
    """When each arm's first and last exchange began, of parts of a period in the order of time."""
    found: dict[str, tuple[bytes, bytes]] = {}
    for part in parts:
        for arm, (first, last) in part.items():
            found[arm] = (found.get(arm, (first, last))[0], last)
    return {arm: (_began(first), _began(last)) for arm, (first, last) in found.items()}


def _ends(connection: sqlite3.Connection, scope: Scope) -> tuple[bytes, bytes] | None:
    """The first and the last id of the period."""
    since = floor(scope.since.timestamp()) if scope.since else b""
    until = floor(scope.until.timestamp()) if scope.until else b"\xff" * 17
    query = "SELECT MIN(exchange_id), MAX(exchange_id) FROM exchanges WHERE exchange_id >= ? AND exchange_id < ?"
    first, last = connection.execute(query, (since, until)).fetchone()
    return None if first is None else (first, last)


def _loss(connection: sqlite3.Connection, scope: Scope) -> Loss | None:
    """What is missing because the database was kept small; None where the period begins after all of it."""
    row = connection.execute("SELECT shipped, unshipped, last_id FROM losses").fetchone()
    if row is None or (scope.since and row[2] < floor(scope.since.timestamp())):
        return None
    return Loss(row[0], row[1], _began(row[2]))


def _split(first: bytes, last: bytes, parts: int) -> list[tuple[bytes, bytes]]:
    """Ranges of ids, each with its end left out, of about the same length in time."""
    begun, ended = _began(first), _began(last)
    between = [floor(begun + (ended - begun) * part / parts) for part in range(1, parts)]
    bounds = [first, *between, last + b"\0"]
    return list(pairwise(bounds))


def _began(exchange_id: bytes) -> float:
    return int.from_bytes(exchange_id[:6]) / 1000


def _overall(breakdown: Breakdown) -> Breakdown:
    """The traffic of all segments together."""
    traffic = Traffic()
    for one in breakdown.traffic.values():
        traffic.add(one)
    return Breakdown((), {(): traffic})


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
