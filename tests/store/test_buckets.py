import math

from hypothesis import given
from hypothesis import strategies as st

from shadow.store.buckets import LEAST_S, MOST_S, bucket, seconds


@given(st.floats(LEAST_S, MOST_S))
def test_a_bucket_stands_for_its_durations_within_one_percent(duration: float) -> None:
    """Going to a bucket and back changes a duration by no more than half the bucket's width."""
    number = bucket(duration)
    assert number is not None
    assert math.isclose(seconds(number), duration, rel_tol=0.01)


@given(st.floats(LEAST_S, MOST_S), st.floats(LEAST_S, MOST_S))
def test_buckets_keep_order(one: float, other: float) -> None:
    """A longer duration is never in a lower bucket, so that quantiles may be read from buckets."""
    low, high = bucket(min(one, other)), bucket(max(one, other))
    assert low is not None
    assert high is not None
    assert low <= high


def test_unknown_stays_unknown() -> None:
    """None and what is no number have no bucket."""
    assert (bucket(None), bucket(math.nan)) == (None, None)


def test_impossible_durations_are_in_the_outermost_buckets() -> None:
    """Zero, negative and endless durations still count, at the ends of the scale."""
    assert bucket(0.0) == bucket(-1.0) == bucket(LEAST_S)
    assert bucket(math.inf) == bucket(MOST_S)
