"""Quantiles out of histograms of weights, with intervals. Pure.

A histogram's bucket k holds what is from BUCKET_WIDTH**k on and below BUCKET_WIDTH**(k + 1). Within a bucket the
weight is taken as spread evenly over the logarithm, so that a quantile is within 1 % of the true one in any case.
"""

from collections.abc import Mapping
from typing import Final

from shadow.report.totals import BUCKET_WIDTH

ROUNDING: Final = 1e-12  # sums of the same weights in another order


def bucket_of(weights: Mapping[int, float], share: float) -> int | None:
    """The bucket in which a share of the weight is reached. None where there is no weight."""
    left = share * sum(weights.values()) * (1 - ROUNDING)
    for bucket in sorted(weights):
        left -= weights[bucket]
        if left <= 0:
            return bucket
    return max(weights, default=None)


def quantile(weights: Mapping[int, float], share: float) -> float:
    """The value below which a share of the weight lies, in seconds. There must be weight."""
    left = max(share, 0.0) * sum(weights.values())
    bucket = min(weights)
    for bucket in sorted(weights):
        if weights[bucket] >= left:
            return float(BUCKET_WIDTH ** (bucket + left / weights[bucket]))
        left -= weights[bucket]
    return float(BUCKET_WIDTH ** (bucket + 1))
