"""How a scope is added up, whatever the engine: what it is asked, in which order, and how its answers become totals.

An engine groups and sums and hands over no rows of exchanges or replays. A scope may be shared between several parts,
such as two connections, that are asked side by side: each has some of the draws.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from heapq import nsmallest
from typing import Any, Final, Protocol

import orjson

from shadow.report.gathering import Gathering, Key
from shadow.report.totals import OTHERS, Breakdown, Dimension, Loss, Scope, Segment, Totals, Traffic
from shadow.store import queries
from shadow.store.summed import CALL, COST, FEATURE, GONE, NO_ERROR, TENANT, WHOLE

SEGMENTS_MAX: Final = 200  # of one breakdown, the largest: more than anybody reads; the rest is summed up as others

Ids = tuple[bytes, bytes]  # of the first exchange and the last


class Part(Protocol):
    """What adds up a scope, or its share of it. Numbers of segments are those of `listed`."""

    def traffic(self, by: tuple[Dimension, ...]) -> dict[Segment, Traffic]:
        """The primary's exchanges of the whole scope by segment."""

    def arms(self) -> dict[str, Ids]:
        """The arms that have replays in the whole period, or the one asked for, with their first and last exchange."""

    def odd(self) -> Iterable[Sequence[Any]]:
        """Of the whole scope: arm, anomalies as a JSON array, and how many calls or replays have just these."""

    def add_up(self, breakdowns: Sequence[Breakdown]) -> None:
        """Prepare what is asked next, for these breakdowns."""

    def outcomes(self, index: int) -> Iterable[Sequence[Any]]:
        """Of the whole scope: arm, segment's number, outcome, reason, whether it was possible; count and costs."""

    def cells(self, index: int) -> Iterable[Sequence[Any]]:
        """Arm, segment's number, draw, code, sums."""

    def histograms(self, index: int) -> Iterable[Sequence[Any]]:
        """Arm, segment's number, the number of duration and side, bucket, weight."""

    def below(self, index: int, cuts: Sequence[tuple[Any, ...]]) -> Iterable[Sequence[Any]]:
        """Arm, segment's number, draw, weights below the cuts: rows of number, buckets, arm."""


def add_up(parts: Sequence[Part], ends: Ids | None, scope: Scope, loss: Loss | None = None) -> Totals:
    """The sums of a scope whose period has these ends; None for a period without exchanges."""
    asked = (*scope.breakdowns, *([] if () in scope.breakdowns else [()]))  # the overall figures in any case
    if ends is None:
        return Totals([Breakdown(dimensions) for dimensions in asked], loss=loss)
    breakdowns = [_largest(by, parts[0].traffic(by)) for by in asked]
    considered = {arm: (began(first), began(last)) for arm, (first, last) in parts[0].arms().items()}
    with ThreadPoolExecutor(len(parts)) as pool:
        for _ in pool.map(lambda part: part.add_up(breakdowns), parts):
            pass
        for index, breakdown in enumerate(breakdowns):
            _gather(index, breakdown, parts, pool)
    return Totals(breakdowns, began(ends[0]), began(ends[1]), considered, loss, _anomalies(parts[0].odd()))


def listed(breakdown: Breakdown) -> list[Segment | str]:
    """A breakdown's segments by their numbers; 0 are those that are not listed."""
    if not breakdown.dimensions:
        return [()]
    return [OTHERS, *(segment for segment in breakdown.traffic if isinstance(segment, tuple))]


def _anomalies(odd: Iterable[Sequence[Any]]) -> dict[str, Counter[str]]:
    """How many calls of each arm were odd in which way; one may be so in several."""
    found: dict[str, Counter[str]] = {}
    for arm, words, count in odd:
        for word in orjson.loads(words):
            found.setdefault(arm, Counter())[word] += int(count)
    return found


def _gather(index: int, breakdown: Breakdown, parts: Sequence[Part], pool: ThreadPoolExecutor) -> None:
    """Put the sums of all parts into a breakdown."""
    segments, gathering = listed(breakdown), Gathering(breakdown)

    def key(arm: str, number: int) -> Key:
        return arm, segments[number]

    for arm, number, outcome, reason, possible, *sums in parts[0].outcomes(index):
        gathering.outcomes(key(arm, number), outcome, reason, bool(possible), sums)
    for part in parts:
        for arm, number, draw, code, *sums in part.cells(index):
            gathering.cell(key(arm, number), draw, code, sums)
        for arm, number, duration, bucket, weight in part.histograms(index):
            name, side = queries.SIDES[duration]
            gathering.bucket(key(arm, number), name, side, bucket, weight)
    numbers = {segment: number for number, segment in enumerate(segments)}
    cuts = [(numbers[segment], *buckets, arm) for (arm, segment), buckets in gathering.cuts()]
    for rows in pool.map(lambda part: part.below(index, cuts), parts):
        for arm, number, draw, *weights in rows:
            gathering.below(key(arm, number), draw, weights)
    gathering.close()


def _largest(by: tuple[Dimension, ...], every: dict[Segment, Traffic]) -> Breakdown:
    """The traffic of the segments with the most exchanges, by name where they tie, and of all others together."""
    kept = nsmallest(SEGMENTS_MAX, every, key=lambda one: (-every[one].exchanges, [name or "" for name in one]))
    breakdown = Breakdown(by, {segment: every.pop(segment) for segment in kept}, merged=len(every))
    for traffic in every.values():
        breakdown.traffic.setdefault(OTHERS, Traffic()).add(traffic)
    return breakdown


def began(exchange_id: bytes) -> float:
    """When an exchange began, in Unix seconds."""
    return int.from_bytes(exchange_id[:6]) / 1000


def traffic_of(known: int, kind: str, count: int, nano: int) -> Traffic:
    """A group of exchanges of which the same is known, `count` of them."""
    if not known & CALL:
        return Traffic(exchanges=count)
    cancelled = bool(known & GONE)
    answered = known & (WHOLE | NO_ERROR) == WHOLE | NO_ERROR
    failed = not answered and not cancelled
    return Traffic(
        exchanges=count,
        calls=count,
        answered=count * answered,
        errors=count * failed,
        cancelled=count * cancelled,
        cost_unknown=count * ((answered or cancelled) and not known & COST),
        cost_known=count * bool(known & COST),
        cost_nano=nano,
        no_tenant=count * (not known & TENANT),
        no_feature=count * (not known & FEATURE),
        error_kinds=Counter({kind or "unknown": count} if failed else {}),
    )
