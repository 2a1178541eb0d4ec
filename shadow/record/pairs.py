"""Metrics of pairs: a replay beside its primary, by candidate, tenant and feature.

What a candidate costs in all says little beside what the primary costs in all: the one answers a sample. These sum both
sides over the same exchanges, unweighted; `shadow report` weights by the chance with which each was drawn.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from prometheus_client import CollectorRegistry, Counter

from shadow.exchange import Agreement, Replay, ReplayOutcome
from shadow.record.series import Series

PRIMARY_SIDE: Final = "primary"
REPLAY_SIDE: Final = "replay"

Caller = tuple[str, str]  # tenant and feature, as labels


@dataclass(frozen=True, slots=True)
class Primary:
    """What is remembered of an exchange while its replays run. None: not known."""

    caller: Caller
    usd: Decimal | None = None
    total_s: float | None = None


class Pairs:
    """Counters of completed replays and their primaries, in `registry`; at most `series` of each metric."""

    def __init__(self, registry: CollectorRegistry, series: int) -> None:
        callers = ("tenant", "feature")
        self._count = Series(
            Counter("shadow_pairs", "Completed replays.", ("arm", *callers), registry=registry),
            series,
        )
        self._cost = Series(
            Counter(
                "shadow_pair_cost_usd",
                "Cost in US dollars of pairs both of whose costs are known.",
                ("arm", "side", *callers),
                registry=registry,
            ),
            series,
        )
        self._seconds = Series(
            Counter(
                "shadow_pair_response_seconds",
                "Time to the end of the answers of pairs.",
                ("arm", "side", *callers),
                registry=registry,
            ),
            series,
        )
        self._agreement = Series(
            Counter(
                "shadow_pair_agreement",
                "Pairs of whose answers this could be asked.",
                ("arm", "question", "agrees", *callers),
                registry=registry,
            ),
            series,
        )

    def ended(self, replay: Replay, primary: Primary) -> None:
        """Count a replay that makes a pair."""
        if replay.outcome is not ReplayOutcome.COMPLETED or replay.exchange is None or replay.observation is None:
            return
        arm, caller = replay.arm, primary.caller
        self._count.of((arm,), caller).inc()
        usd = replay.observation.cost.usd
        if usd is not None and usd >= 0 and primary.usd is not None and primary.usd >= 0:
            self._cost.of((arm, PRIMARY_SIDE), caller).inc(float(primary.usd))
            self._cost.of((arm, REPLAY_SIDE), caller).inc(float(usd))
        if primary.total_s is not None:
            self._seconds.of((arm, PRIMARY_SIDE), caller).inc(primary.total_s)
            self._seconds.of((arm, REPLAY_SIDE), caller).inc(replay.exchange.total_s)
        for question, agrees in _answers(replay.agreement):
            self._agreement.of((arm, question, "yes" if agrees else "no"), caller).inc()


def _answers(agreement: Agreement | None) -> list[tuple[str, bool]]:
    """The questions that arise, each with whether the answers agree."""
    if agreement is None:
        return []
    asked = (
        ("finish_reason", agreement.finish_reason_same),
        ("tool_calls", agreement.tool_calls_same),
        ("json", agreement.json_valid),
    )
    return [(question, agrees) for question, agrees in asked if agrees is not None]
