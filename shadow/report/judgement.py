"""Verdicts in words: one line for a candidate, a table of its measures, and what did not hold. Pure."""

from collections.abc import Collection, Iterator, Sequence
from math import ceil
from typing import Final

from shadow.report.comparison import Comparison, Report, SegmentComparison
from shadow.report.estimates import Unknown
from shadow.report.figures import Figures
from shadow.report.gates import Gates
from shadow.report.layout import Cell, Paint, Style, count, many, percent, safe, table, wrapped
from shadow.report.names import BETWEEN, parts
from shadow.report.totals import AGREEMENT, Dimension
from shadow.report.verdicts import Verdict, Word

NAMES: Final = {
    "cost": "cost",
    "ttft_p95": "first token p95",
    "error_rate": "errors",
    "finish_reason": "other finish reason",
    "tool_names": "other tools called",
    "tool_arguments": "other tool arguments",
    "json": "invalid JSON",
    "schema": "schema not met",
    "refusal": "refusals",
    "text": "other text",
}
WORDS: Final[tuple[Word, ...]] = ("worse", "better", "equivalent", "inconclusive")
STYLES: Final[dict[Word, Style]] = {"better": "good", "worse": "bad", "equivalent": "plain", "inconclusive": "faint"}


def in_short(comparison: Comparison) -> str:
    """What a candidate is, measure by measure, in one sentence."""
    one = comparison.overall
    by: dict[Word, list[str]] = {}
    for verdict in one.verdicts:
        by.setdefault(verdict.word, []).append(NAMES[verdict.measure])
    said = ", ".join(f"{word} in {_listed(by[word])}" for word in WORDS if word in by)
    return f"{safe(comparison.arm)}: {one.verdict}{f' ({said})' if len(one.verdicts) > 1 else ''}."


def judgement(one: SegmentComparison, width: int, paint: Paint, figures: Figures) -> Iterator[str]:
    """The lines of a table of verdicts, and what those that are inconclusive take."""
    yield from table(rows_of(one, figures), paint, left=2)
    yield from wrapped(takes(one), width, "  ", "    ")


def rows_of(one: SegmentComparison, figures: Figures, *, known: bool = False) -> list[list[Cell]]:
    """Every measure that is judged, below a heading; only those with a figure where these are asked for."""
    heads = ("verdict", "", "difference", "margin")
    chosen = (of for of in one.verdicts if not (known and isinstance(of.difference, Unknown)))
    return [[Cell(head, "faint") for head in heads], *(_row(verdict, figures) for verdict in chosen)]


def takes(one: SegmentComparison) -> str:
    """What it takes for verdicts where there are none."""
    waiting = [of for of in one.verdicts if of.more_pairs is not None]
    lengths = {None if of.days is None else days(of.days) for of in waiting}
    together = next(iter(lengths)) if len(lengths) == 1 else None  # said once, where it is the same for all
    if together is not None:
        needed = [f"{NAMES[of.measure]} {count(of.more_pairs or 0)}" for of in waiting]
    else:
        needed = [f"{NAMES[of.measure]} {needs(of)}" for of in waiting]
    within = f", {together} for each" if together else ""
    return f"For a verdict it takes about so many more pairs{within}: {'; '.join(needed)}." if needed else ""


def unjudged(one: SegmentComparison) -> str:
    """What has no figure to judge by, and why not."""
    by: dict[str, list[str]] = {}
    for verdict in one.verdicts:
        if isinstance(verdict.difference, Unknown):
            by.setdefault(verdict.difference.reason, []).append(NAMES[verdict.measure])
    return f"No figure to judge by: {'; '.join(f'{_listed(of)} ({why})' for why, of in by.items())}." if by else ""


def needs(verdict: Verdict) -> str:
    """How many more pairs it takes about, and how long; nothing where there is a verdict."""
    if verdict.more_pairs is None:
        return ""
    if verdict.days is None:
        return count(verdict.more_pairs)
    return f"{count(verdict.more_pairs)}, {days(verdict.days)}"


def days(number: float) -> str:
    return "less than a day" if number < 1 else f"about {many(ceil(number), 'day')}"


def failures(report: Report, gates: Gates, breakdowns: Collection[tuple[Dimension, ...]]) -> list[str]:
    """What did not hold: overall, and in every segment of these breakdowns. Empty where all of it holds."""
    if not report.candidates:
        return ["there is no candidate with replays in this scope"]
    found: list[str] = []
    for comparison in report.candidates:
        found += _failed(comparison.arm, "overall", comparison.overall, gates)
        for broken in (of for of in comparison.tables if of.dimensions in breakdowns):
            for one in broken.segments:
                if gates.thin_segments == "fail" or one.coverage.pairs >= gates.pairs:
                    where = BETWEEN.join(parts(one.segment, broken.dimensions, broken.merged))
                    found += _failed(comparison.arm, where, one, gates)
    return found


def _failed(arm: str, where: str, one: SegmentComparison, gates: Gates) -> Iterator[str]:
    for verdict in one.verdicts:
        seldom = verdict.thin and verdict.measure in AGREEMENT and gates.thin_segments == "ignore"
        if not (verdict.holds or seldom):
            yield f"{safe(arm)}, {where}: {NAMES[verdict.measure]} {_because(verdict)}"


def _because(verdict: Verdict) -> str:
    if verdict.more_pairs is not None:
        takes = f"; it takes {count(verdict.more_pairs)} more pairs"
        return f"is not known well enough ({verdict.why}){takes}{f', {days(verdict.days)}' if verdict.days else ''}"
    if isinstance(verdict.difference, Unknown):
        return f"is not known ({verdict.why})"
    difference = Figures().points(verdict.difference).text
    return f"is {verdict.word}: {difference}, margin {percent(verdict.margin)}"


def _row(verdict: Verdict, figures: Figures) -> list[Cell]:
    return [
        Cell(NAMES[verdict.measure]),
        Cell(verdict.word, STYLES[verdict.word]),
        figures.points(verdict.difference),
        Cell(percent(verdict.margin)),
    ]


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
