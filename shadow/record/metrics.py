"""The recorder's metrics: what was stored and what became of replays, since it started."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from decimal import Decimal
from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics

from shadow.config import METRICS
from shadow.exchange import PRIMARY, Attribution, Bodies, Recorded, Replay, ReplayOutcome, Usage
from shadow.exposition import PROMETHEUS, Style
from shadow.mirror.arm import ArmState
from shadow.mirror.circuit import State
from shadow.mirror.reasons import REASONS
from shadow.record.pairs import Pairs, Primary
from shadow.record.series import Counts, Labels, Spreads
from shadow.record.traffic import Traffic, caller_of, tokens_of
from shadow.store.cap import Capped
from shadow.store.clickhouse.errors import Refusal
from shadow.store.errors import Trouble
from shadow.store.sqlite import Ended

NO_REASON: Final = "none"
RATIOS: Final = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0, 5.0)
LAG_S: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0)


class DelayedCost(StrEnum):
    """What became of a cost that was not told with its answer."""

    KNOWN = "known"  # it was told later, and is in the store
    UNKNOWN = "unknown"  # it was not told in time, or could not be stored
    UNNEEDED = "unneeded"  # when it was told, the row had a cost or was gone
    DROPPED = "dropped"  # too many were being asked for
    ABANDONED = "abandoned"  # the recorder stopped


class KeptBodies(StrEnum):
    """How much is kept of the bodies of an exchange of which they may be."""

    WHOLE = "whole"
    PARTIAL = "partial"
    UNREADABLE = "unreadable"  # nothing: they could not be read


class SpanResult(StrEnum):
    """What became of a span."""

    EXPORTED = "exported"
    FAILED = "failed"  # the collector did not take it
    DROPPED = "dropped"  # too many were waiting


class Metrics:
    """One registry, and what is counted in it. Series that come from outside are bounded; of what is ours, every one
    is there from the start, at 0: `increase` sees no first step from nothing to one.
    """

    def __init__(self, arms: Iterable[str] = (), series: int = METRICS.max_series) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside every counter, which no dashboard reads
        self.registry = CollectorRegistry()
        self._series = series
        self._traffic = Traffic(self.registry, series)
        self._define_replays()
        self._define_store()
        self._of_arm(PRIMARY)
        self.expect(arms)

    def _define_replays(self) -> None:
        self._replays = self._counts("shadow_replays", "Replays, by how they ended.", ("arm", "outcome", "reason"))
        self._cost_ratio = self._spreads(
            "shadow_cost_ratio", "Cost of a replay over that of its primary.", RATIOS, ("arm",)
        )
        self._pairs = Pairs(self.registry, self._series)
        self.paused = self._gauge("shadow_replays_paused", "1 while an operator has paused replays.")
        self.waiting = self._gauge("shadow_replays_waiting", "Replays that wait for their turn.", "arm")
        self.in_flight = self._gauge("shadow_replays_in_flight", "Replays being performed.", "arm")
        self.unsettled = self._gauge(
            "shadow_replays_unsettled", "Replays whose end was not stored; the next start ends them."
        )
        self.rest = self._gauge(
            "shadow_candidate_rest_seconds", "For how long a candidate still asks to be left alone.", "arm"
        )
        self.circuit_open = self._gauge("shadow_circuit_open", "1 while a failing candidate is left alone.", "arm")
        self.floor_segments = self._gauge("shadow_floor_segments", "Segments that have had a floor of late.", "arm")
        self.budget = self._gauge(
            "shadow_budget_remaining_usd", "What can still be reserved of a candidate's budget of the UTC day.", "arm"
        )

    def _define_store(self) -> None:
        self.delayed_cost = self._closed(
            "shadow_delayed_cost", "Costs asked for after an answer was cut.", result=DelayedCost
        )
        self._store_lag = self._spreads("shadow_store_lag_seconds", "From an exchange's end to its commit.", LAG_S).of()
        self.store_errors = self._closed("shadow_store_errors", "Batches the store did not take.", trouble=Trouble)
        self.capped = self._closed(
            "shadow_store_capped",
            "Deleted because store.max_bytes was reached: exchanges, shipped or not, and bodies.",
            what=[each.name for each in fields(Capped)],
        )
        self.set_aside = self._gauge("shadow_store_set_aside", "Files of damaged databases that lie beside the store.")
        self.bodies = self._counter(
            "shadow_bodies",
            "Prompts and answers kept: whole, in part, or not at all for they could not be read.",
            "arm",
            "result",
        )
        self.ship_lag = self._gauge("shadow_ship_lag_seconds", "For how long the oldest row waits for ClickHouse.")
        self.ship_waiting = self._gauge("shadow_ship_waiting", "Exchanges whose rows wait for ClickHouse.")
        self.shipped = self._counter("shadow_shipped_exchanges", "Exchanges whose rows ClickHouse took.")
        self.ship_errors = self._closed("shadow_ship_errors", "Batches ClickHouse did not take.", refusal=Refusal)
        self.ship_lost = self._gauge("shadow_ship_lost", "Exchanges deleted before their rows were shipped.")
        self.spans = self._closed(
            "shadow_spans", "Spans for an OpenTelemetry collector, by what became of them.", result=SpanResult
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _closed(self, name: str, text: str, **values: Iterable[str]) -> Counter:
        """A counter with one label, whose values are all known."""
        [(label, known)] = values.items()
        counter = self._counter(name, text, label)
        for value in known:
            counter.labels(str(value))
        return counter

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _counts(self, name: str, text: str, known: Labels) -> Counts:
        """Counted with every exchange or replay. What is rare is the library's own."""
        return Counts(self.registry, name, text, known, (), self._series)

    def _spreads(self, name: str, text: str, bounds: Sequence[float], known: Labels = ()) -> Spreads:
        return Spreads(self.registry, name, text, bounds, known, (), self._series)

    def expect(self, arms: Iterable[str]) -> None:
        """Have every series of these arms whose labels are ours."""
        for arm in arms:
            self._of_arm(arm)
            self._cost_ratio.of(arm)
            self._pairs.similarity.of(arm)
            for gauge in (self.waiting, self.in_flight, self.rest, self.circuit_open, self.floor_segments):
                gauge.labels(arm)
            for outcome, reasons in REASONS.items():
                for reason in reasons or (NO_REASON,):
                    self._replays.of(arm, outcome.value, reason)

    def _of_arm(self, arm: str) -> None:
        """The series that the primary has as well."""
        self._traffic.cost_unknown.of(arm)
        for kept in KeptBodies:
            self.bodies.labels(arm, kept.value)

    def expose(self, style: Style = PROMETHEUS) -> bytes:
        """The registry as a page."""
        return style.write(self.registry)

    def show(self, arms: Iterable[ArmState], *, paused: bool, unsettled: int) -> None:
        """Set what is as it is now."""
        self.paused.set(paused)
        self.unsettled.set(unsettled)
        for arm in arms:
            self.waiting.labels(arm.arm).set(arm.queued)
            self.in_flight.labels(arm.arm).set(arm.in_flight)
            self.rest.labels(arm.arm).set(arm.rest_s)
            self.circuit_open.labels(arm.arm).set(arm.circuit is not State.CLOSED)
            self.floor_segments.labels(arm.arm).set(arm.floor_segments)
            if arm.budget_remaining_usd is not None:
                self.budget.labels(arm.arm).set(float(arm.budget_remaining_usd))

    def stored(self, recorded: Recorded, now: float) -> None:
        """Count a new exchange and those of its replays that ended at once: nothing was sent of them."""
        exchange, seen = recorded.exchange, recorded.observation
        segment = self._traffic.of(PRIMARY, caller_of(exchange.attribution), seen.response_model, seen.request_model)
        segment.exchanges.inc()
        segment.observed(exchange, seen)
        self._kept(PRIMARY, recorded.bodies)
        self._store_lag.observe(max(0.0, now - exchange.started_at - exchange.total_s), exchange.exchange_id)
        for replay in recorded.ended:
            self._count(replay)

    def ended(self, replay: Replay, primary: Primary) -> None:
        """Count a replay, and what it tells beside its primary."""
        self._count(replay)
        self._kept(replay.arm, replay.bodies)
        exchange, seen = replay.exchange, replay.observation
        if exchange is None or seen is None:
            return
        self._traffic.of(replay.arm, primary.caller, seen.response_model, seen.request_model).observed(exchange, seen)
        self._pairs.ended(replay, primary)
        usd = seen.cost.usd
        if replay.outcome is ReplayOutcome.COMPLETED and usd is not None and primary.usd:
            self._cost_ratio.of(replay.arm).observe(float(usd / primary.usd), replay.exchange_id)

    def came_late(
        self, who: Attribution, names: tuple[str | None, str | None], before: Usage, now: Usage, usd: Decimal
    ) -> None:
        """Count the cost of an exchange that is stored already, and the tokens by which its usage has grown.

        `names` are those of its model: the answer's, the request's.
        """
        segment = self._traffic.of(PRIMARY, caller_of(who), *names)
        for (kind, counted), (_, tokens) in zip(tokens_of(before), tokens_of(now), strict=True):
            if (more := (tokens or 0) - (counted or 0)) > 0:
                segment.tokens(kind).inc(more)
        if usd >= 0:
            segment.cost.inc(float(usd))

    def recovered(self, ended: Ended) -> None:
        """Count a replay of an earlier run."""
        self._count(ended)

    def _count(self, replay: Replay | Ended) -> None:
        self._replays.of(replay.arm, replay.outcome.value, replay.reason or NO_REASON).inc()

    def _kept(self, arm: str, bodies: Bodies | None) -> None:
        if bodies is not None:
            nothing = bodies.request is None and bodies.answer is None
            some = KeptBodies.WHOLE if bodies.whole else KeptBodies.PARTIAL
            self.bodies.labels(arm, (KeptBodies.UNREADABLE if nothing else some).value).inc()
