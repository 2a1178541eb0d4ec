"""The forwarder's metrics."""

import pytest

from shadow.forward.metrics import Metrics, code_class


@pytest.mark.parametrize(("status", "expected"), [(200, "2xx"), (404, "4xx"), (None, "none"), (999, "none")])
def test_code_class(status: int | None, expected: str) -> None:
    """Statuses are counted by their first digit, so that the label stays closed."""
    assert code_class(status) == expected


def test_every_combination_is_there_from_the_start() -> None:
    """A dashboard sees zeros, not gaps."""
    text = Metrics(("tunnel",)).expose().decode()
    for line in (
        'shadow_requests_total{code_class="none",outcome="client_cancelled"} 0.0',
        'shadow_requests_refused_total{reason="tunnel"} 0.0',
        'shadow_handoff_exchanges_total{result="dropped"} 0.0',
        "shadow_requests_in_flight 0.0",
        "shadow_handoff_bytes 0.0",
        "shadow_recorder_up 0.0",
        "shadow_forward_overhead_seconds_count 0.0",
    ):
        assert line in text
