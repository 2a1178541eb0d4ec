"""The first screen: four questions, one answer each, for every candidate. Pure."""

from dataclasses import dataclass
from typing import Final

from shadow.page.ranking import Ranked, Ranking, State, rankings, saving, state_of, why
from shadow.report.comparison import Comparison, Report, SegmentComparison
from shadow.report.costs import Amount
from shadow.report.estimates import Unknown
from shadow.report.layout import count, dollars, duration, many, percent, safe

ANSWERS: Final = {
    State.READY: "Yes, as a whole",
    State.WAITING: "Not known yet",
    State.WORSE: "Not as a whole",
}


@dataclass(frozen=True, slots=True)
class Headline:
    """The answers for one candidate. `state` is that of all its traffic together; `partly` that a segment is ready."""

    arm: str
    candidate: str
    partly: bool
    state: State
    can_move: str
    because: str
    first: str
    saves: str
    sure: str


def headlines(report: Report) -> tuple[Headline, ...]:
    """The answers for each candidate: those that may move first, first, and of these those that save most."""
    found = [(_headline(one, report), one.overall.cost) for one in report.candidates]
    found.sort(key=lambda of: (_order(of[0]), saving(of[1].change, of[1].monthly_usd), of[0].arm))
    return tuple(headline for headline, _ in found)


def _order(one: Headline) -> tuple[bool, bool, State]:
    """All traffic before a part of it, and that before none."""
    return one.state is not State.READY, not one.partly, one.state


def in_one_sentence(found: tuple[Headline, ...], report: Report) -> str:
    """What the page comes to, for whoever reads one line of it."""
    if not found:
        return "Nothing was compared yet." if report.traffic.exchanges else "Nothing was recorded yet."
    whole = [one for one in found if one.state is State.READY]
    partly = [one for one in found if one.partly]
    if whole:
        return f"Yes, we can move: {whole[0].candidate} holds every margin over all eligible traffic."
    if partly:
        return f"In part: some segments can move to {partly[0].candidate}, not yet all traffic."
    if any(one.state is State.WAITING for one in found):
        return "Not yet: too little is known to move."
    return "No: every candidate is surely worse in something that counts."


def _headline(comparison: Comparison, report: Report) -> Headline:
    one = comparison.overall
    state = state_of(one)
    ready = _ready(rankings(comparison))
    return Headline(
        comparison.arm,
        safe(comparison.arm),
        bool(ready),
        state,
        ANSWERS[state] if one.verdicts and one.coverage.pairs else "Nothing was compared",
        why(one),
        _first(ready),
        _saves(one),
        _sure(one, report),
    )


def _ready(ranked: tuple[Ranking, ...]) -> list[tuple[str, Ranked]]:
    """Segments that hold every margin, each with what it is a segment by, first the one to move first."""
    return [
        (table.dimensions, one)
        for table in ranked
        for one in table.segments
        if one.state is State.READY and not one.merged
    ]


def _first(ready: list[tuple[str, Ranked]]) -> str:
    if not ready:
        return "Nothing yet: no segment holds every margin"
    dimensions, one = ready[0]
    more = f", and {many(len(ready) - 1, 'more segment')}" if len(ready) > 1 else ""
    return f"{dimensions} “{one.name}”: {one.why}{more}"


def _saves(one: SegmentComparison) -> str:
    cost = one.cost
    if isinstance(cost.monthly_usd, Amount):
        return f"{_amount(cost.monthly_usd)} in 30 days{_share(one)}"
    if isinstance(cost.change, Unknown):
        return f"Not known: {cost.change.reason}"
    return f"{_share(one).strip(' ()')}; in dollars not known: {cost.monthly_usd.reason}"


def _share(one: SegmentComparison) -> str:
    change = one.cost.change
    if isinstance(change, Unknown):
        return ""
    low, high = percent(change.low, signed=True), percent(change.high, signed=True)
    return f" ({percent(change.mean, signed=True)} of the cost, 95 % between {low} and {high})"


def _amount(amount: Amount) -> str:
    """Less or more, in dollars, with its interval."""
    if amount.high < 0:
        return f"{dollars(-amount.mean)} USD less ({dollars(-amount.high)} to {dollars(-amount.low)})"
    if amount.low > 0:
        return f"{dollars(amount.mean)} USD more ({dollars(amount.low)} to {dollars(amount.high)})"
    return f"Nothing that is sure: between {dollars(-amount.low)} USD less and {dollars(amount.high)} USD more"


def _sure(one: SegmentComparison, report: Report) -> str:
    calls = report.traffic.calls
    seen = f"{many(one.coverage.pairs, 'pair')} out of {many(calls, 'model call')}"
    days = report.length_s / 86_400
    over = f"{days:,.1f} days" if days >= 1 else f"{duration(report.length_s)} seconds"
    unknown = f"; {count(one.cost.excluded)} of unknown cost left out" if one.cost.excluded else ""
    noise = (
        "noise is measured by a control" if report.control else "without a control, so noise in answers is not known"
    )
    return f"{seen} in {over}{unknown}; {noise}"
