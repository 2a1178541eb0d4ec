"""What both arms cost. Pure.

Two kinds of figures stand side by side and are never mixed. *Sums over pairs* are exact and unweighted: what both arms
cost for the very same requests. *Estimates* are weighted and speak for the traffic that the pairs were drawn from.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shadow.report.accounts import usd
from shadow.report.coverage import Coverage
from shadow.report.estimates import Estimate, Unknown, change, difference
from shadow.report.totals import Money

MONTH_S: Final = 30 * 86_400
DAY_S: Final = 86_400  # traffic has a daily course: less than one says little about thirty


@dataclass(frozen=True, slots=True)
class Amount:
    """An estimated amount in US dollars with its 95 % interval."""

    mean: Decimal
    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class CostComparison:
    """Cost in US dollars. Sums, difference and ratio are exact over `pairs`; the rest is estimated.

    `change` is the difference as a share of the primary's cost. `projected` is the difference if all eligible exchanges
    of the period had moved that the candidate was configured for and that had a chance of being replayed. `monthly` is
    for thirty days like the period, had it been configured all along. `excluded` pairs have a cost that is unknown on
    either arm.
    """

    pairs: int
    excluded: int
    primary_usd: Decimal | Unknown
    candidate_usd: Decimal | Unknown
    difference_usd: Decimal | Unknown
    ratio: float | Unknown
    change: Estimate | Unknown
    mean_difference_usd: Amount | Unknown
    projected_usd: Amount | Unknown
    monthly_usd: Amount | Unknown


@dataclass(frozen=True, slots=True)
class Lengths:
    """Seconds of the period, and of it from the first to the last exchange that an arm was configured for."""

    period_s: float
    considered_s: float


def month(projected: int, coverage: Coverage, lengths: Lengths) -> float | Unknown:
    """How many exchanges of thirty days would move: what was not considered is taken to be like what was."""
    if lengths.considered_s < DAY_S:
        return Unknown("less than a day of traffic")
    considered = coverage.exchanges - coverage.unconsidered
    share = projected / considered if considered else 0.0
    return share * coverage.exchanges * MONTH_S / lengths.period_s


def costs(money: Money, excluded: int, projected: int, month: float | Unknown) -> CostComparison:
    """The comparison over pairs, and what it comes to for so many exchanges of the period and of a month."""
    none = Unknown("the cost is unknown" if excluded else "no pairs")
    some = money.pairs > 0
    primary, candidate = usd(money.primary_nano), usd(money.candidate_nano)
    each = difference(money.moments) if some else none
    return CostComparison(
        money.pairs,
        excluded,
        primary if some else none,
        candidate if some else none,
        candidate - primary if some else none,
        _ratio(money) if some else none,
        change(money.moments) if some else none,
        _amount(each, 1),
        _amount(each, projected),
        _amount(each, month),
    )


def _amount(each: Estimate | Unknown, exchanges: float | Unknown) -> Amount | Unknown:
    """An estimate in nano-dollars an exchange, for so many exchanges. To a thousandth of a nano-dollar."""
    if isinstance(each, Unknown):
        return each
    if isinstance(exchanges, Unknown):
        return exchanges
    figures = (Decimal(round(nano * exchanges * 1000)).scaleb(-12) for nano in (each.mean, each.low, each.high))
    return Amount(*figures)


def _ratio(money: Money) -> float | Unknown:
    return money.candidate_nano / money.primary_nano if money.primary_nano else Unknown("the primary's cost is zero")
