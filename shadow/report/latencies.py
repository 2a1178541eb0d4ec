"""How fast both arms were. Pure."""

from dataclasses import dataclass

from shadow.report.estimates import Estimate, Unknown, difference, quantile
from shadow.report.totals import QUANTILES, Duration, Side


@dataclass(frozen=True, slots=True)
class LatencyComparison:
    """A duration in seconds over `pairs`: weighted quantiles of both arms with their intervals, in the order of
    QUANTILES, each within 1 % of the true one, and the weighted mean of the paired difference."""

    pairs: int
    primary: tuple[Estimate | Unknown, ...]
    candidate: tuple[Estimate | Unknown, ...]
    mean_difference_s: Estimate | Unknown

    def at(self, share: float) -> tuple[Estimate | Unknown, Estimate | Unknown]:
        """One quantile of both arms."""
        place = QUANTILES.index(share)
        return self.primary[place], self.candidate[place]


def latency(duration: Duration) -> LatencyComparison:
    return LatencyComparison(
        duration.moments.pairs,
        _quantiles(duration, "primary"),
        _quantiles(duration, "candidate"),
        difference(duration.moments),
    )


def _quantiles(duration: Duration, side: Side) -> tuple[Estimate | Unknown, ...]:
    weights: dict[int, float] = getattr(duration, side)
    pairs = duration.moments.pairs
    return tuple(quantile(weights, pairs, share, duration.below.get((side, share))) for share in QUANTILES)
