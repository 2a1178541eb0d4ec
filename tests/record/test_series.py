import pytest
from prometheus_client import CollectorRegistry, generate_latest

from shadow.record.series import Counts
from tests.record.samples import sample


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def counts(registry: CollectorRegistry, most: int) -> Counts:
    return Counts(registry, "calls", "Calls.", ("arm",), ("tenant",), most)


def count(registry: CollectorRegistry, tenant: str) -> float | None:
    return sample(generate_latest(registry).decode(), "calls_total", arm="primary", tenant=tenant)


def test_the_first_values_have_series_of_their_own(registry: CollectorRegistry) -> None:
    """Up to the bound, values are what they are, however often they come."""
    series = counts(registry, most=2)
    for tenant in ("acme", "umbrella", "acme"):
        series.of("primary", tenant).inc()
    assert [count(registry, tenant) for tenant in ("acme", "umbrella", "other")] == [2, 1, None]


def test_later_values_are_other(registry: CollectorRegistry) -> None:
    """Random tenants make as many series as the bound, and one more; what we know ourselves stays told apart."""
    series = counts(registry, most=50)
    for number in range(1000):
        series.of("primary", str(number)).inc()
    assert count(registry, "other") == 950
    assert generate_latest(registry).decode().count("calls_total{") == 51


def test_a_known_value_stays_known(registry: CollectorRegistry) -> None:
    """What had its series before the bound was reached keeps it."""
    series = counts(registry, most=1)
    for tenant in ("acme", "umbrella", "acme"):
        series.of("primary", tenant).inc()
    assert count(registry, "acme") == 2


def test_long_values_are_cut(registry: CollectorRegistry) -> None:
    """A label is no place for a novel."""
    counts(registry, most=1).of("primary", "x" * 5000).inc()
    assert count(registry, "x" * 100) == 1


def test_values_that_are_cut_alike_are_one_series(registry: CollectorRegistry) -> None:
    """A scraper refuses a page with the same series twice."""
    series = counts(registry, most=2)
    for end in "ab":
        series.of("primary", "x" * 100 + end).inc()
    assert generate_latest(registry).decode().count("calls_total{") == 1
    assert count(registry, "x" * 100) == 2
