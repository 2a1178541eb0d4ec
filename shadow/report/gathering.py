"""Rows of sums as an engine gives them, one breakdown after another → its Replays. Pure.

An engine groups the replays that were tried by arm, segment, draw and code (`shadow.store.summed` says what these are)
and hands over one row a group, a *cell*; then histograms; then, once these have said where quantiles lie, how much of
each draw is below them. Rows of the same group may come in parts: they add up here before anything is squared.
"""

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from shadow.faults import UNAVAILABLE as UNAVAILABLE_FAULTS
from shadow.faults import Fault
from shadow.report.quantiles import bucket_of
from shadow.report.totals import (
    DRAWS,
    FAILED,
    PENDING,
    QUANTILES,
    SIDES,
    UNAVAILABLE,
    Breakdown,
    Duration,
    Moments,
    Money,
    Replays,
    Segment,
    Side,
)

# What a code says: the fault's number, from 1; bits; pairs of bits for questions (0: not told, 1: no, 2: yes).
FAULT: Final = 7
PAIRED, PRIMARY_COST, CANDIDATE_COST, NORMALISED, TTFT, TOTAL, TPOT, SIMILARITY = (1 << bit for bit in range(3, 11))
QUESTIONS: Final = (
    *("finish_reason_same", "tool_names_same", "tool_calls_same"),
    *("primary_json_valid", "json_valid", "primary_schema_valid", "schema_valid", "primary_refused", "refused"),
)
QUESTIONS_AT: Final = 11
NO, YES = 1, 2

# The sums of a cell, after its count, the count of those with a weight, and Σ w: exact ones, then weighted ones.
MONEY: Final = (("cost", PRIMARY_COST | CANDIDATE_COST), ("normalised", NORMALISED))
DURATIONS: Final = (("ttft", TTFT), ("total", TOTAL), ("tpot", TPOT))
EXACT: Final = tuple(f"{side}_{name}" for name, _ in MONEY for side in "pc")
WEIGHTED: Final = (*EXACT, *(f"{side}_{name}_us" for name, _ in DURATIONS for side in "pc"), "similarity")
# What is asked below a quantile, in this order.
CUTS: Final[tuple[tuple[str, Side, float], ...]] = tuple(
    (name, side, share) for name, _ in DURATIONS for side in SIDES for share in QUANTILES
)
MICROSECOND: Final = 1e-6

Key = tuple[str, Segment | str]  # an arm and a segment


def _zeros() -> "array[float]":
    return array("d", bytes(8 * DRAWS))


@dataclass(frozen=True, slots=True)
class _Weights:
    """How many replays of a cell have a weight, Σ w and Σ w²."""

    count: int
    total: float
    squares: float


@dataclass(slots=True)
class _Measure:
    """Σ w, Σ w·p and Σ w·c of every draw."""

    pairs: int = 0
    squares: float = 0.0
    w: "array[float]" = field(default_factory=_zeros)
    p: "array[float]" = field(default_factory=_zeros)
    c: "array[float]" = field(default_factory=_zeros)

    def take(self, draw: int, weights: "_Weights", p: float, c: float) -> None:
        self.pairs += weights.count
        self.squares += weights.squares
        self.w[draw] += weights.total
        self.p[draw] += p
        self.c[draw] += c

    def moments(self, unit: float = 1.0) -> Moments:
        return _moments(self, self.p, self.c, unit)


@dataclass(slots=True)
class _Of:
    """What is gathered of one arm and segment."""

    replays: Replays = field(default_factory=Replays)
    measures: dict[str, _Measure] = field(default_factory=partial(defaultdict, _Measure))
    faults: "dict[str, array[float]]" = field(default_factory=partial(defaultdict, _zeros))
    below: "dict[tuple[str, Side, float], array[float]]" = field(default_factory=partial(defaultdict, _zeros))

    def measure(self, name: str) -> _Measure:
        return self.measures[name]


class Gathering:
    """One breakdown on its way. `close` puts what was gathered into it."""

    def __init__(self, breakdown: Breakdown) -> None:
        self._breakdown = breakdown
        self._found: dict[Key, _Of] = defaultdict(_Of)

    def outcomes(self, key: Key, outcome: str, reason: str, possible: bool, sums: Sequence[int]) -> None:
        """Exchanges that ended alike on an arm, '' where they have not: their number, and the cost of those known."""
        count, costs, nano = sums
        replays = self._of(key).replays
        replays.outcomes[outcome or PENDING, reason or None] += count
        if not possible and outcome != "ineligible":
            replays.unprojected += count
            replays.unprojected_cost_known += costs
            replays.unprojected_nano += nano

    def cell(self, key: Key, draw: int, code: int, sums: Sequence[float | None]) -> None:
        """Replays of one draw and code.

        `sums`: their number, that of those with a weight, Σ w, Σ w², those of EXACT, those of WEIGHTED times w.
        """
        count, weighted, total, squares, *rest = (value or 0 for value in sums)
        weights = _Weights(int(weighted), total, squares)
        of = self._of(key)
        if code & FAULT:
            _failed(of, draw, tuple(Fault)[(code & FAULT) - 1], weights)
            return
        of.measure(FAILED).take(draw, weights, 0.0, 0.0)
        if code & PAIRED:
            _paired(of, draw, code, int(count), weights, rest)

    def bucket(self, key: Key, duration: str, side: Side, bucket: int, weight: float) -> None:
        """The weight of the pairs in a bucket of a histogram."""
        weights: dict[int, float] = getattr(getattr(self._of(key).replays, duration), side)
        weights[bucket] = weights.get(bucket, 0.0) + weight

    def cuts(self) -> Iterator[tuple[Key, tuple[int | None, ...]]]:
        """The bucket of every quantile of an arm and segment, in the order of CUTS."""
        for key, of in self._found.items():
            found = tuple(
                bucket_of(getattr(getattr(of.replays, duration), side), share) for duration, side, share in CUTS
            )
            if any(bucket is not None for bucket in found):
                yield key, found

    def below(self, key: Key, draw: int, weights: Sequence[float | None]) -> None:
        """How much of a draw is in or below the buckets that `cuts` gave."""
        below = self._of(key).below
        for cut, weight in zip(CUTS, weights, strict=True):
            if weight:
                below[cut][draw] += weight

    def close(self) -> None:
        for key, of in self._found.items():
            _close(of)
            self._breakdown.replays[key] = of.replays
        self._found.clear()

    def _of(self, key: Key) -> _Of:
        return self._found[key]


def _failed(of: _Of, draw: int, fault: Fault, weights: _Weights) -> None:
    if fault is Fault.SIDECAR:
        return
    of.measure(FAILED).take(draw, weights, 0.0, weights.total)
    for name in (fault.value, *([UNAVAILABLE] if fault in UNAVAILABLE_FAULTS else ())):
        of.faults[name][draw] += weights.total


def _paired(of: _Of, draw: int, code: int, count: int, weights: _Weights, rest: Sequence[float]) -> None:
    w, replays, exact, sums = weights.total, of.replays, rest[: len(EXACT)], rest[len(EXACT) :]
    replays.pairs += count
    replays.primary_cost_unknown += 0 if code & PRIMARY_COST else count
    replays.candidate_cost_unknown += 0 if code & CANDIDATE_COST else count
    for at, (name, bits) in enumerate(MONEY):
        if code & bits != bits:
            replays.cost_unknown += count if name == "cost" else 0
            continue
        money: Money = getattr(replays, name)
        money.add(Money(count, int(exact[2 * at]), int(exact[2 * at + 1])))
        of.measure(name).take(draw, weights, sums[2 * at], sums[2 * at + 1])
    for at, (name, bit) in enumerate(DURATIONS, len(MONEY)):
        if code & bit:
            of.measure(name).take(draw, weights, sums[2 * at], sums[2 * at + 1])
    for name, differs in _QUESTIONED.items():
        answers = differs(code)
        if answers is not None:
            of.measure(name).take(draw, weights, w * answers[0], w * answers[1])
    if code & SIMILARITY:
        of.measure("text").take(draw, weights, 0.0, w - sums[-1])


def _asked(name: str) -> Callable[[int], int]:
    shift = QUESTIONS_AT + 2 * QUESTIONS.index(name)
    return lambda code: code >> shift & 3


def _same(name: str) -> Callable[[int], tuple[bool, bool] | None]:
    """Whether the candidate's answer differs from the primary's, which does not differ from itself."""
    asked = _asked(name)
    return lambda code: (False, asked(code) == NO) if asked(code) else None


def _each(name: str, bad: int) -> Callable[[int], tuple[bool, bool] | None]:
    """Whether the primary's, the candidate's answer is bad."""
    first, second = _asked(f"primary_{name}"), _asked(name)
    return lambda code: (first(code) == bad, second(code) == bad) if first(code) and second(code) else None


def _arguments(code: int) -> tuple[bool, bool] | None:
    return (False, _CALLS(code) == NO) if _NAMES(code) == YES and _CALLS(code) else None


_NAMES, _CALLS = _asked("tool_names_same"), _asked("tool_calls_same")
_QUESTIONED: Final[dict[str, Callable[[int], tuple[bool, bool] | None]]] = {
    "finish_reason": _same("finish_reason_same"),
    "tool_names": _same("tool_names_same"),
    "tool_arguments": _arguments,
    "json": _each("json_valid", NO),
    "schema": _each("schema_valid", NO),
    "refusal": _each("refused", YES),
}


def _close(of: _Of) -> None:
    """Square what was added up."""
    replays = of.replays
    for name, measure in of.measures.items():
        found = getattr(replays, name, None)
        if isinstance(found, Money):
            found.moments = measure.moments()
        elif isinstance(found, Duration):
            found.moments = measure.moments(MICROSECOND)
        elif name == FAILED:
            replays.failures[FAILED] = measure.moments()
        else:
            replays.agreement[name] = measure.moments()
    tried = of.measures.get(FAILED, _Measure())
    for name, failed in of.faults.items():
        replays.failures[name] = _moments(tried, _zeros(), failed)
    for (name, side, share), below in of.below.items():
        duration: Duration = getattr(replays, name)
        duration.below[side, share] = _moments(of.measure(name), _zeros(), below)


def _moments(of: _Measure, p: "array[float]", c: "array[float]", unit: float = 1.0) -> Moments:
    """The moments of values in a unit, over the replays of a measure."""
    w, square = of.w, unit * unit
    return Moments(
        of.pairs,
        sum(w),
        sum(p) * unit,
        sum(c) * unit,
        _product(w, w),
        _product(w, p) * unit,
        _product(w, c) * unit,
        _product(p, p) * square,
        _product(p, c) * square,
        _product(c, c) * square,
        sum(1 for one in w if one),
        of.squares,
    )


def _product(ones: "array[float]", others: "array[float]") -> float:
    return sum(map(float.__mul__, ones, others))
