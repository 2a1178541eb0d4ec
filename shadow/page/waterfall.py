"""What became of the exchanges before they were pairs, step by step. Pure."""

from dataclasses import dataclass

from shadow.report.comparison import SegmentComparison


@dataclass(frozen=True, slots=True)
class Step:
    """How many were left out, why, and how many remained."""

    name: str
    meaning: str
    lost: int
    left: int
    reasons: str = ""


def waterfall(one: SegmentComparison) -> tuple[Step, ...]:
    """From all exchanges to the pairs. What is left after the last step is what the figures are about."""
    coverage = one.coverage
    because: dict[str, list[str]] = {}
    for outcome, reason, number in coverage.reasons:
        because.setdefault(outcome, []).append(f"{reason.replace('_', ' ')} {number:,}")
    lost = (
        ("before", "recorded before the candidate was configured", coverage.unconsidered),
        ("ineligible", "ruled out by the request itself", coverage.ineligible),
        ("sampled_out", "not drawn", coverage.sampled_out),
        ("withheld", "policy said no", coverage.withheld),
        ("dropped", "no room, or the recorder stopped", coverage.dropped),
        ("pending", "not ended yet", coverage.pending),
        ("failed", "tried and failed", coverage.failed),
        ("unpaired", "the primary gave no whole answer", coverage.completed - coverage.pairs),
    )
    steps, left = [Step("exchanges", "all that was recorded", 0, coverage.exchanges)], coverage.exchanges
    for name, meaning, number in lost:
        if number:
            left -= number
            steps.append(Step(name.replace("_", " "), meaning, number, left, ", ".join(because.get(name, ()))))
    return (*steps, Step("pairs", "what is compared", 0, coverage.pairs))
