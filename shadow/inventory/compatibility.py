"""What each candidate took of what the traffic uses, what it refused, and what it never saw. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from shadow.inventory.document import Column, Section, Value, section
from shadow.inventory.facts import Facts

PLAIN: Final = "plain"  # a request that uses nothing of the kind
NAMES_MOST: Final = 4  # of parameters and fields that are written out
TRIED: Final = frozenset({"completed", "failed"})
COLUMNS: Final = (
    Column("candidate", "candidate", "label"),
    Column("uses", "uses", "label"),
    Column("seen", "seen", "count"),
    Column("replayed", "replayed", "count"),
    Column("accepted", "accepted", "count"),
    Column("rejected", "rejected", "count"),
    Column("rejected_parameters", "for", "words"),
    Column("degraded", "degraded", "count"),
    Column("dropped_fields", "without", "words"),
    Column("ineligible", "not replayed", "count"),
    Column("because", "because", "words"),
    Column("means", "for the move"),
)
MEANING: Final = (
    "What the requests make use of, and how each candidate took it. “Rejected” are replays that the candidate refused "
    "for their form; “degraded” were accepted without some fields; other failures are in the report. What was never "
    "replayed is not known to work."
)


@dataclass(slots=True)
class _Use:
    """What became of the requests that use one feature, at one candidate."""

    seen: int = 0
    replayed: int = 0
    accepted: int = 0
    rejected: int = 0
    degraded: int = 0
    ineligible: int = 0
    parameters: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


def compatibility(facts: Facts) -> Section:
    """Candidates in alphabetical order, in each the features that most requests use first."""
    found: dict[tuple[str, str], _Use] = defaultdict(_Use)
    for replay in facts.replays:
        for word in replay.uses or {PLAIN}:
            use = found[replay.arm, word]
            use.seen += replay.replays
            use.replayed += replay.replays * (replay.outcome in TRIED)
            if replay.outcome == "completed":
                use.accepted += replay.replays
                use.degraded += replay.replays * bool(replay.dropped)
                use.dropped.update(dict.fromkeys(replay.dropped, replay.replays))
            elif replay.reason == "param_rejected":
                use.rejected += replay.replays
                use.parameters[replay.rejected_parameter or "unnamed"] += replay.replays
            elif replay.outcome == "ineligible":
                use.ineligible += replay.replays
                use.reasons[replay.reason] += replay.replays
    ranked = sorted(found.items(), key=lambda item: (item[0][0], -item[1].seen, item[0][1]))
    rows = (_row(arm, word, use) for (arm, word), use in ranked)
    return section("compatibility", "Compatibility", MEANING, COLUMNS, rows)


def _row(arm: str, word: str, use: _Use) -> tuple[Value, ...]:
    return (
        arm,
        word,
        use.seen,
        use.replayed,
        use.accepted,
        use.rejected,
        tuple(_most(use.parameters)),
        use.degraded,
        tuple(_most(use.dropped)),
        use.ineligible,
        tuple(_most(use.reasons)),
        _means(use),
    )


def _means(use: _Use) -> str:
    if not use.replayed:
        return "never tried"
    if use.rejected and not use.accepted:
        return "not taken"
    if use.rejected:
        return "taken in part: change what is rejected"
    if use.degraded:
        return "taken, with less"
    return "taken" if use.accepted else "no good answer yet"


def _most(names: Counter[str]) -> Iterator[str]:
    yield from (f"{name} {count:,}" for name, count in names.most_common(NAMES_MOST))
    if len(names) > NAMES_MOST:
        yield f"and {len(names) - NAMES_MOST} more"
