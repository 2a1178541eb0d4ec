"""Segments in the order in which they may move: ready ones first, those with the most to gain before others. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import Final

from shadow.report.comparison import Comparison, SegmentComparison, Table
from shadow.report.costs import Amount
from shadow.report.estimates import Estimate, Unknown
from shadow.report.judgement import NAMES, days
from shadow.report.layout import many
from shadow.report.names import BETWEEN, parts

SHOWN: Final = 25  # of one candidate's segments: a screen; how many more there are is said


class State(IntEnum):
    """Whether a segment may move, in the order in which they are listed."""

    READY = 0  # no measure is worse than its margin allows, and all of them are known
    WAITING = 1  # nothing is worse, and something is not known yet
    WORSE = 2  # something is surely worse


@dataclass(frozen=True, slots=True)
class Ranked:
    """One segment. `gain` is what a move would change in thirty days, negative where it saves; `why` what holds it."""

    name: str
    merged: bool  # many small segments together, which nobody can move by name
    state: State
    pairs: int
    change: Estimate | Unknown
    gain: Amount | Unknown
    why: str


@dataclass(frozen=True, slots=True)
class Ranking:
    """The segments of one table. `omitted` are those after the listed ones."""

    dimensions: str
    segments: tuple[Ranked, ...]
    omitted: int


def rankings(comparison: Comparison) -> tuple[Ranking, ...]:
    """The segments of every breakdown of a candidate."""
    return tuple(_ranking(table) for table in comparison.tables)


def state_of(one: SegmentComparison) -> State:
    """Whether what was compared may move."""
    if any(verdict.word == "worse" for verdict in one.verdicts):
        return State.WORSE
    return State.READY if one.verdicts and all(verdict.holds for verdict in one.verdicts) else State.WAITING


def why(one: SegmentComparison) -> str:
    """What holds it back, in words; where nothing does, what is better."""
    worse = [NAMES[verdict.measure] for verdict in one.verdicts if verdict.word == "worse"]
    if worse:
        return f"worse in {', '.join(worse)}"
    waiting = [verdict for verdict in one.verdicts if not verdict.holds]
    if waiting:
        most = max(waiting, key=lambda verdict: verdict.more_pairs or 0)
        time = f", {days(most.days)}" if most.days is not None else ""
        takes = f"; about {many(most.more_pairs, 'more pair')}{time}" if most.more_pairs else ""
        return f"not known well enough: {', '.join(NAMES[verdict.measure] for verdict in waiting)}{takes}"
    better = [NAMES[verdict.measure] for verdict in one.verdicts if verdict.word == "better"]
    return (
        f"better in {', '.join(better)}, nothing worse"
        if better
        else "alike in every measure"
        if one.verdicts
        else "no pairs"
    )


def _ranking(table: Table) -> Ranking:
    ranked = sorted(
        _ranked(table), key=lambda one: (one.merged, one.state, saving(one.change, one.gain), -one.pairs, one.name)
    )
    return Ranking(", ".join(table.dimensions), tuple(ranked[:SHOWN]), max(0, len(ranked) - SHOWN))


def _ranked(table: Table) -> Iterator[Ranked]:
    for one in table.segments:
        name = BETWEEN.join(parts(one.segment, table.dimensions, table.merged))
        yield Ranked(
            name,
            not isinstance(one.segment, tuple),
            state_of(one),
            one.coverage.pairs,
            one.cost.change,
            one.cost.monthly_usd,
            why(one),
        )


def saving(change: Estimate | Unknown, gain: Amount | Unknown) -> tuple[int, Decimal | float]:
    """The more is surely saved, the less; without a month the share of the cost tells, and what is unknown is last."""
    if isinstance(gain, Amount):
        return 0, gain.high
    return (1, change.high) if isinstance(change, Estimate) else (2, 0.0)
