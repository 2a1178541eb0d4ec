"""Metrics of pairs: a replay beside its primary, by candidate, tenant and feature.

What a candidate costs in all says little beside what the primary costs in all: the one answers a sample. These sum both
sides over the same exchanges, unweighted; `shadow report` weights by the chance with which each was drawn.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from prometheus_client import CollectorRegistry

from shadow.exchange import Agreement, Replay, ReplayOutcome
from shadow.record.series import Counts, Spreads
from shadow.record.traffic import Caller

PRIMARY_SIDE: Final = "primary"
REPLAY_SIDE: Final = "replay"
SIMILARITIES: Final = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)


@dataclass(frozen=True, slots=True)
class Primary:
    """What is remembered of an exchange while its replays run. None: not known."""

    caller: Caller
    usd: Decimal | None = None
    total_s: float | None = None


class Pairs:
    """Counters of completed replays and their primaries, in `registry`; at most `series` of each metric."""

    def __init__(self, registry: CollectorRegistry, series: int) -> None:
        def counts(name: str, text: str, *known: str) -> Counts:
            return Counts(registry, name, text, known, ("tenant", "feature"), series)

        self._count = counts("shadow_pairs", "Completed replays.", "arm")
        self._cost = counts(
            "shadow_pair_cost_usd", "Cost in US dollars of pairs both of whose costs are known.", "arm", "side"
        )
        self._seconds = counts(
            "shadow_pair_response_seconds", "Time to the end of the answers of pairs.", "arm", "side"
        )
        self._agreement = counts(
            "shadow_pair_agreement",
            "Pairs of whose answers this could be asked, by whether they agree in it.",
            *("arm", "question", "agrees"),
        )
        self.similarity: Final = Spreads(
            registry,
            "shadow_pair_text_similarity",
            "How much of two answers' texts is the same, from 0 to 1.",
            SIMILARITIES,
            ("arm",),
            (),
            series,
        )

    def ended(self, replay: Replay, primary: Primary) -> None:
        """Count a replay that makes a pair."""
        if replay.outcome is not ReplayOutcome.COMPLETED or replay.exchange is None or replay.observation is None:
            return
        arm, caller = replay.arm, primary.caller
        self._count.of(arm, *caller).inc()
        usd = replay.observation.cost.usd
        if usd is not None and usd >= 0 and primary.usd is not None and primary.usd >= 0:
            self._cost.of(arm, PRIMARY_SIDE, *caller).inc(float(primary.usd))
            self._cost.of(arm, REPLAY_SIDE, *caller).inc(float(usd))
        if primary.total_s is not None:
            self._seconds.of(arm, PRIMARY_SIDE, *caller).inc(primary.total_s)
            self._seconds.of(arm, REPLAY_SIDE, *caller).inc(replay.exchange.total_s)
        if replay.agreement is not None:
            self._compared(arm, caller, replay.exchange_id, replay.agreement)

    def _compared(self, arm: str, caller: Caller, exchange_id: str, agreement: Agreement) -> None:
        for question, agrees in _answers(agreement):
            if agrees is not None:
                self._agreement.of(arm, question, "yes" if agrees else "no", *caller).inc()
        if agreement.text_similarity is not None:
            self.similarity.of(arm).observe(agreement.text_similarity, exchange_id)


def _answers(agreement: Agreement) -> tuple[tuple[str, bool | None], ...]:
    """Each question with whether the answers agree in it: are both valid or neither, did both decline or neither.
    None where it does not arise."""
    return (
        ("finish_reason", agreement.finish_reason_same),
        ("tool_names", agreement.tool_names_same),
        ("tool_calls", agreement.tool_calls_same),
        ("json", _alike(agreement.primary_json_valid, agreement.json_valid)),
        ("schema", _alike(agreement.primary_schema_valid, agreement.schema_valid)),
        ("refusal", _alike(agreement.primary_refused, agreement.refused)),
    )


def _alike(one: bool | None, other: bool | None) -> bool | None:
    return None if one is None or other is None else one is other
