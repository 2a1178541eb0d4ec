"""What was odd about answers, though they may have come: the words that rows carry, and what people read. Pure."""

from collections.abc import Mapping
from typing import Final

from shadow.exchange import CONTROL, PRIMARY
from shadow.report.comparison import Report
from shadow.report.layout import count, safe

# Every word of `shadow.wire.observe.ANOMALIES`.
NAMES: Final = {
    "capture_cut": "answer not kept whole",
    "undecodable": "unknown or broken content coding",
    "too_large": "answer too large to read",
    "line_too_long": "line too long to read",
    "event_too_long": "event too long to read",
    "too_many_events": "too many events to read",
    "malformed_event": "event that is not JSON",
    "html_page": "HTML page for an answer",
    "end_missing": "stream without its end",
    "finish_missing": "no finish reason",
    "usage_missing": "no token counts",
    "usage_malformed": "malformed token counts",
    "usage_total_mismatch": "token counts that do not add up",
    "usage_cached_exceeds_input": "more cached tokens than input",
    "usage_reasoning_exceeds_output": "more reasoning tokens than output",
    "cost_malformed": "malformed cost",
    "request_unreadable": "request not readable",
    "response_cache_hit": "answered out of a response cache",
    "reader_failed": "not read, a mistake of the sidecar",
}


def counted(report: Report, arm: str) -> dict[str, int]:
    """How many calls of an arm were odd in which way, the most frequent first."""
    return dict(sorted(report.anomalies.get(arm, {}).items(), key=lambda one: (-one[1], one[0])))


def sentence(report: Report) -> str:
    """All that was odd, arm by arm; nothing where nothing was."""
    control = [CONTROL] if report.control else []
    arms = (PRIMARY, *(one.arm for one in report.candidates), *control)
    said = [
        f"at {'the ' * (arm in (PRIMARY, CONTROL))}{safe(arm)}: {_listed(odd)}"
        for arm in arms
        if (odd := counted(report, arm))
    ]
    return f"Odd answers {'; '.join(said)}." if said else ""


def _listed(odd: Mapping[str, int]) -> str:
    return ", ".join(f"{NAMES.get(word, word)} {count(number)}" for word, number in odd.items())
