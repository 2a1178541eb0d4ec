"""Figures as cells of a table. What is not known is "—" with a letter, and the letters are explained below. Pure."""

from dataclasses import dataclass, field
from decimal import Decimal

from shadow.report.costs import Amount, CostComparison
from shadow.report.estimates import Estimate, Unknown
from shadow.report.latencies import LatencyComparison
from shadow.report.layout import Cell, Style, count, dollars, duration, estimated_dollars, percent
from shadow.report.reliability import Errors

NONE = Cell("")


@dataclass(slots=True)
class Figures:
    """Makes cells, and remembers which reasons for an unknown figure they refer to."""

    reasons: dict[str, str] = field(default_factory=dict)  # reason → letter

    def unknown(self, one: Unknown) -> Cell:
        letter = self.reasons.setdefault(one.reason, _letter(len(self.reasons)))
        return Cell(f"—{letter}", "faint")

    def dollars(self, amount: Decimal | Unknown) -> Cell:
        return self.unknown(amount) if isinstance(amount, Unknown) else Cell(dollars(amount))

    def amount(self, amount: Amount | Unknown, times: int = 1, *, interval: bool = True) -> Cell:
        """A difference in dollars, of so many times what it is about, with its interval."""
        if isinstance(amount, Unknown):
            return self.unknown(amount)
        mean, low, high = (estimated_dollars(one * times) for one in (amount.mean, amount.low, amount.high))
        return Cell(f"{mean} ({low} … {high})" if interval else mean, _style(amount.low, amount.high))

    def difference(self, seconds: Estimate | Unknown) -> Cell:
        """A difference in seconds, with its interval."""
        if isinstance(seconds, Unknown):
            return self.unknown(seconds)
        mean, low, high = (duration(one, signed=True) for one in (seconds.mean, seconds.low, seconds.high))
        return Cell(f"{mean} ({low} … {high})", _style(seconds.low, seconds.high))

    def change(self, cost: CostComparison) -> Cell:
        """What a move changes the cost by, as a share of it."""
        if isinstance(cost.change, Unknown):
            return self.unknown(cost.change)
        return Cell(percent(cost.change.mean, signed=True), _style(cost.change.low, cost.change.high))

    def ratio(self, cost: CostComparison) -> Cell:
        """The difference of the sums over pairs as a share of the primary's."""
        if isinstance(cost.ratio, Unknown):
            return self.unknown(cost.ratio)
        return Cell(percent(cost.ratio - 1, signed=True))

    def seconds(self, value: Estimate | Unknown) -> Cell:
        return self.unknown(value) if isinstance(value, Unknown) else Cell(duration(value.mean))

    def between(self, primary: Estimate | Unknown, candidate: Estimate | Unknown) -> Cell:
        """The intervals of a duration at both arms, where both are known."""
        if isinstance(primary, Unknown) or isinstance(candidate, Unknown):
            return NONE
        one, other = (f"{duration(of.low)} … {duration(of.high)}" for of in (primary, candidate))
        return Cell(f" ({one} → {other})", "faint")

    def share(self, value: Estimate | Unknown) -> Cell:
        return self.unknown(value) if isinstance(value, Unknown) else Cell(percent(value.mean))

    def points(self, value: Estimate | Unknown) -> Cell:
        """A difference of two shares, with its interval."""
        if isinstance(value, Unknown):
            return self.unknown(value)
        mean, low, high = (percent(one, signed=True) for one in (value.mean, value.low, value.high))
        return Cell(f"{mean} ({low} … {high})", _style(value.low, value.high))

    def shift(self, latency: LatencyComparison, at: float) -> Cell:
        """One quantile of both arms."""
        primary, candidate = latency.at(at)
        if isinstance(primary, Unknown) or isinstance(candidate, Unknown):
            return self.seconds(primary)  # both are over the same pairs
        return Cell(f"{duration(primary.mean)} → {duration(candidate.mean)}")

    def rates(self, primary: Errors, candidate: Errors) -> Cell:
        """The error rates of both arms."""
        return Cell(f"{self.share(primary.rate).text} → {self.share(candidate.rate).text}")

    def legend(self) -> str:
        """What the letters mean."""
        return "; ".join(f"{letter} {reason}" for reason, letter in self.reasons.items())


def whole(number: int) -> Cell:
    """A count."""
    return Cell(count(number))


def share(number: int, of: int) -> Cell:
    """A part of a whole; nothing of nothing is not said."""
    return Cell(percent(number / of) if of else "")


def _style(low: Decimal | float, high: Decimal | float) -> Style:
    """Less is better in everything that is compared; an interval with zero in it says neither."""
    if high < 0:
        return "good"
    return "bad" if low > 0 else "plain"


def _letter(number: int) -> str:
    return chr(ord("a") + number)  # there are a dozen reasons
