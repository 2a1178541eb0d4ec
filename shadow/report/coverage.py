"""What became of the exchanges on one arm: what a report can see, and what it cannot. Pure."""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shadow.report.accounts import usd
from shadow.report.estimates import Unknown
from shadow.report.totals import PENDING, Replays, Traffic

ORDER: Final = ("ineligible", "sampled_out", "withheld", "dropped", PENDING, "failed", "completed")


@dataclass(frozen=True, slots=True)
class Coverage:
    """What became of the exchanges on one arm. Every exchange is in exactly one of the counts that add up:

    `exchanges` = `unconsidered` + `ineligible` + `eligible`; `eligible` = `sampled_out` + `drawn`;
    `drawn` = `withheld` + `dropped` + `pending` + `failed` + `completed`. `unconsidered` were recorded while the
    candidate was not configured. `pairs` are the completed whose primary answer is whole. `reasons` splits the
    outcomes that have reasons.
    """

    exchanges: int
    unconsidered: int
    ineligible: int
    eligible: int
    sampled_out: int
    drawn: int
    withheld: int
    dropped: int
    pending: int
    failed: int
    completed: int
    pairs: int
    reasons: tuple[tuple[str, str, int], ...]  # outcome, reason, count; in the order of the outcomes, most first


@dataclass(frozen=True, slots=True)
class Unprojected:
    """Eligible exchanges that had no chance of being replayed, and what they cost at the primary.

    Their tenant withholds consent, their rule has a rate of 0, or their client asked for it: no pair speaks for them.
    """

    exchanges: int
    primary_usd: Decimal | Unknown


def coverage(traffic: Traffic, replays: Replays) -> Coverage:
    """The coverage of a segment's exchanges by one arm."""
    by: Counter[str] = Counter()
    for (outcome, _), count in replays.outcomes.items():
        by[outcome] += count
    considered = sum(by.values())
    eligible = considered - by["ineligible"]
    reasons = sorted(
        ((outcome, reason, count) for (outcome, reason), count in replays.outcomes.items() if reason),
        key=lambda one: (ORDER.index(one[0]), -one[2], one[1]),
    )
    return Coverage(
        exchanges=traffic.exchanges,
        unconsidered=traffic.exchanges - considered,
        ineligible=by["ineligible"],
        eligible=eligible,
        sampled_out=by["sampled_out"],
        drawn=eligible - by["sampled_out"],
        withheld=by["withheld"],
        dropped=by["dropped"],
        pending=by[PENDING],
        failed=by["failed"],
        completed=by["completed"],
        pairs=replays.pairs,
        reasons=tuple(reasons),
    )


def unprojected(replays: Replays) -> Unprojected:
    """What no pair speaks for."""
    if replays.unprojected and not replays.unprojected_cost_known:
        return Unprojected(replays.unprojected, Unknown("the cost is unknown"))
    return Unprojected(replays.unprojected, usd(replays.unprojected_nano))
