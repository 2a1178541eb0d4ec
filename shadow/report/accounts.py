"""What the primary carried and what it cost, by segment: the accounting that needs no candidate. Pure."""

from dataclasses import dataclass
from decimal import Decimal

from shadow.report.estimates import Unknown
from shadow.report.totals import Breakdown, Dimension, Segment, Traffic


@dataclass(frozen=True, slots=True)
class Carried:
    """The primary's exchanges of one segment; `segment` is OTHERS for those not listed."""

    segment: Segment | str
    traffic: Traffic
    spent_usd: Decimal | Unknown  # by the calls whose cost is known


@dataclass(frozen=True, slots=True)
class Account:
    """The segments of one breakdown, the one with the most exchanges first. `merged` of them are in OTHERS."""

    dimensions: tuple[Dimension, ...]
    segments: tuple[Carried, ...]
    merged: int


def account(breakdown: Breakdown) -> Account:
    """The primary's traffic by the segments of a breakdown."""
    segments = tuple(Carried(segment, one, spent(one)) for segment, one in breakdown.traffic.items())
    return Account(breakdown.dimensions, segments, breakdown.merged)


def spent(traffic: Traffic) -> Decimal | Unknown:
    """What the calls of known cost came to, in US dollars. A sum over none of them is not zero."""
    return usd(traffic.cost_nano) if traffic.cost_known else Unknown("no call of known cost")


def usd(nano: int) -> Decimal:
    """Nano-dollars in dollars, digit by digit."""
    return Decimal(nano).scaleb(-9)
