"""How often both arms failed, and of what. Pure.

An error at the primary is a model call that got no answer, a broken one, or one that is an error in its status or its
body; calls that the client left are neither errors nor answers. An error at a candidate is a replay that was tried and
failed; replays that failed for the sidecar's own sake are left out, and the rates are weighted, as they are about the
traffic. A request that failed at the primary is never replayed, so the two rates are over different requests.

Available is an arm as far as it does not fail what it would otherwise have answered: a request that it does not take,
and a key or an address that is wrong, say nothing about that (`shadow.faults`).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from shadow.faults import UNAVAILABLE as UNAVAILABLE_FAULTS
from shadow.faults import Fault, fault
from shadow.report.coverage import Coverage
from shadow.report.estimates import CALLS_LEAST, Estimate, Unknown, apart, rate, share, too_few
from shadow.report.totals import FAILED, UNAVAILABLE, Moments, Replays, Traffic

FAILING: Final = frozenset({"circuit_open", "retry_after"})  # reasons of `withheld` that the candidate caused


@dataclass(frozen=True, slots=True)
class Faulty:
    """Errors of one fault: how many, and their share of the calls."""

    fault: Fault
    errors: int
    rate: Estimate | Unknown


@dataclass(frozen=True, slots=True)
class Errors:
    """Errors of one arm among the calls that ended in an answer or an error. `aside` are those left out.

    A candidate's rates are weighted. `untried` were drawn and not sent, for it was failing or had asked for a rest.
    `faults` splits the errors, those that occurred, in the order of Fault.
    """

    errors: int
    calls: int
    aside: int
    rate: Estimate | Unknown
    availability: Estimate | Unknown
    faults: tuple[Faulty, ...] = ()
    untried: int = 0


def of_primary(traffic: Traffic) -> Errors:
    """The primary's errors among its model calls."""
    calls = traffic.errors + traffic.answered
    by: Counter[Fault] = Counter()
    for kind, count in traffic.error_kinds.items():
        by[fault(kind)] += count
    faults = tuple(Faulty(one, by[one], rate(by[one], calls)) for one in Fault if by[one])
    missed = sum(by[one] for one in UNAVAILABLE_FAULTS)
    return Errors(
        traffic.errors, calls, traffic.cancelled, rate(traffic.errors, calls), _rest(rate(missed, calls)), faults
    )


def of_candidate(replays: Replays, coverage: Coverage) -> Errors:
    """The candidate's errors among the replays that were tried."""
    by: Counter[Fault] = Counter()
    for (outcome, reason), count in replays.outcomes.items():
        if outcome == "failed":
            by[fault(reason)] += count
    own = by.pop(Fault.SIDECAR, 0)
    errors, calls = coverage.failed - own, coverage.failed - own + coverage.completed

    def rated(name: str) -> Estimate | Unknown:
        return too_few(calls) if calls < CALLS_LEAST else share(_failures(replays, name))

    faults = tuple(Faulty(one, by[one], rated(one.value)) for one in Fault if by[one])
    return Errors(
        errors, calls, own, rated(FAILED), _rest(rated(UNAVAILABLE)), faults, sum(_untried(replays.outcomes, FAILING))
    )


def more_errors(primary: Errors, candidate: Errors) -> Estimate | Unknown:
    """By how much the candidate's error rate is above the primary's, over different requests."""
    if isinstance(candidate.rate, Unknown):
        return candidate.rate
    return primary.rate if isinstance(primary.rate, Unknown) else apart(candidate.rate, primary.rate)


def _failures(replays: Replays, name: str) -> Moments:
    """The moments of a fault; where it did not occur, those of all tried with none that failed."""
    found = replays.failures.get(name)
    if found is not None:
        return found
    tried = replays.failures.get(FAILED, Moments())
    return Moments(tried.pairs, tried.w, ww=tried.ww, draws=tried.draws, squares=tried.squares)


def _rest(missed: Estimate | Unknown) -> Estimate | Unknown:
    """What is left of all by a share."""
    return missed if isinstance(missed, Unknown) else Estimate(1 - missed.mean, 1 - missed.high, 1 - missed.low)


def _untried(outcomes: Counter[tuple[str, str | None]], reasons: Iterable[str]) -> Iterable[int]:
    return (outcomes["withheld", reason] for reason in reasons)
