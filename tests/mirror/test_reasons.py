"""The closed sets of reasons."""

from collections import Counter

from shadow.exchange import ReplayOutcome
from shadow.mirror.failures import SILENT, TRIPPING
from shadow.mirror.reasons import REASONS


def test_every_outcome_has_its_reasons():
    """There is a set for each outcome; only completed has none."""
    assert set(REASONS) == set(ReplayOutcome)
    assert [outcome for outcome, reasons in REASONS.items() if not reasons] == [ReplayOutcome.COMPLETED]


def test_a_reason_belongs_to_one_outcome():
    """A word alone tells the outcome, so a chart by reason needs no second label."""
    counted = Counter(reason for reasons in REASONS.values() for reason in reasons)
    assert [reason for reason, count in counted.items() if count > 1] == []


def test_the_stores_own_words_are_among_them():
    """What a restart writes without the mirror is in the closed sets too."""
    assert "recorder_restarted" in REASONS[ReplayOutcome.DROPPED]
    assert "interrupted" in REASONS[ReplayOutcome.FAILED]


def test_failures_of_the_sidecar_say_nothing_of_the_candidate():
    """What is the sidecar's own neither opens the circuit nor closes it."""
    assert not TRIPPING & SILENT
