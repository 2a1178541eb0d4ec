"""Samples of endless traffic whose truth is known: for what the intervals of a report cover."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import floor, log

from shadow.report.gathering import CANDIDATE_COST, CUTS, NORMALISED, PAIRED, PRIMARY_COST, SIMILARITY, TTFT, Gathering
from shadow.report.totals import BUCKET_WIDTH, DRAWS, SIDES, Breakdown, Replays, Side

RATES = (0.1, 0.5)  # three quarters of the conversations are drawn at the first
KNOWN = PAIRED | PRIMARY_COST | CANDIDATE_COST | NORMALISED | TTFT | SIMILARITY
AGREES = 2 << 11  # the code of a finish reason that is the same; of another one half of it
SAVING = 0.7


@dataclass(frozen=True, slots=True)
class Pair:
    """One exchange on both arms. Costs in nano-dollars, seconds to the first token."""

    primary_nano: int
    candidate_nano: int
    primary_s: float
    candidate_s: float
    agrees: bool


def conversation(chance: random.Random, rate: float, turns: int, *, noise: bool = False) -> Iterator[Pair]:
    """About so many exchanges that have a level in common; costs have heavy tails, short conversations cost more.

    A candidate that is but noise answers as the primary would have, asked once more.
    """
    length = chance.randint(1, 2 * turns - 1)
    dear = (1.5 if length < turns else 1.0) * (1 + rate) * chance.lognormvariate(0, 0.7)
    slow = chance.lognormvariate(0, 0.4)
    alike = chance.random() ** 0.3  # how likely this conversation's answers are to agree

    def once() -> tuple[float, float]:
        return 100_000 * dear * chance.lognormvariate(0, 0.6), 0.4 * slow * chance.lognormvariate(0, 0.4)

    for _ in range(length):
        nano, seconds = once()
        other = nano * SAVING * chance.lognormvariate(0, 0.4), seconds * chance.lognormvariate(0.2, 0.3)
        their_nano, their_seconds = once() if noise else other
        yield Pair(int(nano), int(their_nano), seconds, their_seconds, chance.random() < alike)


def sample(seed: int, turns: int, conversations: int = 900, *, noise: bool = False) -> Replays:
    """The sums of what was drawn out of so many conversations of traffic."""
    chance = random.Random(seed)  # noqa: S311 (a simulation)
    drawn: list[tuple[int, float, Pair]] = []
    for number in range(conversations):
        rate = RATES[number % 4 == 0]
        if chance.random() < rate:
            draw = chance.randrange(DRAWS)
            drawn += [(draw, 1 / rate, pair) for pair in conversation(chance, rate, turns, noise=noise)]
    return gathered(drawn)


def gathered(drawn: Sequence[tuple[int, float, Pair]]) -> Replays:
    """The sums over draws, weights and pairs, as an engine would hand them over."""
    breakdown = Breakdown(())
    gathering, key = Gathering(breakdown), ("ferry", ())
    cells: defaultdict[tuple[int, int], list[float]] = defaultdict(lambda: [0.0] * 19)
    buckets: dict[Side, Counter[int]] = {side: Counter() for side in SIDES}
    at: defaultdict[int, list[tuple[float, int, int]]] = defaultdict(list)
    for draw, w, pair in drawn:
        costs = (pair.primary_nano, pair.candidate_nano) * 2
        weighted = (*costs, pair.primary_s * 1e6, pair.candidate_s * 1e6, 0.0, 0.0, 0.0, 0.0, 0.5)
        sums = cells[draw, KNOWN | (AGREES if pair.agrees else AGREES // 2)]
        for place, value in enumerate((1, 1, w, w * w, *costs, *(w * x for x in weighted))):
            sums[place] += value
        one, other = bucket(pair.primary_s), bucket(pair.candidate_s)
        buckets["primary"][one] += w  # type: ignore[assignment]
        buckets["candidate"][other] += w  # type: ignore[assignment]
        at[draw].append((w, one, other))
    for (draw, code), sums in cells.items():
        gathering.cell(key, draw, code, sums)
    for side, weights in buckets.items():
        for where, weight in weights.items():
            gathering.bucket(key, "ttft", side, where, weight)
    [(_, cuts)] = gathering.cuts()
    for draw, ones in at.items():
        below = [None if cut is None else _below(ones, side, cut) for cut, (_, side, _) in zip(cuts, CUTS, strict=True)]
        gathering.below(key, draw, below)
    gathering.close()
    return breakdown.replays[key]


def _below(ones: Sequence[tuple[float, int, int]], side: Side, cut: int) -> float:
    place = 1 + SIDES.index(side)
    return sum(one[0] for one in ones if one[place] <= cut)


def bucket(seconds: float) -> int:
    return floor(log(seconds) / log(BUCKET_WIDTH))


@dataclass(frozen=True, slots=True)
class Truth:
    """Of the endless traffic: the mean difference of costs, its share of the primary's, seconds, agreement."""

    difference_nano: float
    change: float
    disagree: float
    primary_s: dict[float, float]
    candidate_s: dict[float, float]


@cache
def truth(turns: int, conversations: int = 60_000) -> Truth:
    """By counting a great deal of it, every conversation as often as it is in the traffic."""
    chance = random.Random(99)  # noqa: S311 (a simulation)
    pairs = [pair for n in range(conversations) for pair in conversation(chance, RATES[n % 4 == 0], turns)]
    primary, candidate = sum(pair.primary_nano for pair in pairs), sum(pair.candidate_nano for pair in pairs)
    sides = [sorted(pair.primary_s for pair in pairs), sorted(pair.candidate_s for pair in pairs)]
    at = [{share: side[int(share * len(side))] for share in (0.5, 0.9, 0.95, 0.99)} for side in sides]
    return Truth(
        (candidate - primary) / len(pairs),
        candidate / primary - 1,
        sum(not pair.agrees for pair in pairs) / len(pairs),
        *at,
    )
