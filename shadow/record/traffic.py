"""Metrics of traffic: exchanges, tokens, costs and times, by arm, by who asks and by model.

Which series an exchange counts in depends on its segment alone: one caller's use of one model on one arm. So a segment
remembers the series that it was counted in: to look all of them up with every exchange was a third of what counting
took.
"""

from functools import cache, cached_property, lru_cache, partial
from typing import Final

from prometheus_client import CollectorRegistry

from shadow.exchange import Attribution, Exchange, Observation, Usage
from shadow.record.series import Count, Counts, Labels, Spread, Spreads

UNATTRIBUTED: Final = "unattributed"
UNKNOWN: Final = "unknown"

TTFT_S: Final = (0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0)
RESPONSE_S: Final = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0)

Caller = tuple[str, str]  # tenant and feature, as labels


class Traffic:
    """Counters and histograms of what every arm was asked and answered, in `registry`; at most `series` of each."""

    def __init__(self, registry: CollectorRegistry, series: int) -> None:
        def counts(name: str, text: str, known: Labels, outside: Labels = ()) -> Counts:
            return Counts(registry, name, text, known, outside, series)

        def spreads(name: str, text: str, bounds: tuple[float, ...]) -> Spreads:
            return Spreads(registry, name, text, bounds, ("arm",), ("model",), series)

        callers = ("tenant", "feature")
        self.exchanges: Final = counts("shadow_exchanges", "Exchanges stored.", (), (*callers, "model"))
        self.tokens: Final = counts("shadow_tokens", "Tokens stored.", ("arm", "kind"), ("model",))
        self.cost: Final = counts("shadow_cost_usd", "Known cost stored, in US dollars.", ("arm",), callers)
        self.cost_unknown: Final = counts("shadow_cost_unknown", "Good answers whose cost is not known.", ("arm",))
        self.ttft: Final = spreads("shadow_ttft_seconds", "Time to first token.", TTFT_S)
        self.response: Final = spreads("shadow_response_seconds", "Time to the end.", RESPONSE_S)
        # By arm, caller and model, about 2 kB each. Where there are more than series, most would count in `other`.
        self._segments = lru_cache(series)(partial(Segment, self))

    def of(self, arm: str, caller: Caller, answered: str | None, requested: str | None) -> "Segment":
        """The segment to count in, by the model that answered, else the one that was asked for."""
        return self._segments(arm, caller, answered or requested or UNKNOWN)


class Segment:
    """The series of one caller's use of one model on one arm. Each is there from when it is first counted in."""

    def __init__(self, traffic: Traffic, arm: str, caller: Caller, model: str) -> None:
        self._traffic = traffic
        self._arm = arm
        self._caller = caller
        self._model = model
        self.tokens: Final = cache(lambda kind: traffic.tokens.of(arm, kind, model))

    @cached_property
    def exchanges(self) -> Count:
        return self._traffic.exchanges.of(*self._caller, self._model)

    @cached_property
    def cost(self) -> Count:
        return self._traffic.cost.of(self._arm, *self._caller)

    @cached_property
    def _cost_unknown(self) -> Count:
        return self._traffic.cost_unknown.of(self._arm)

    @cached_property
    def _ttft(self) -> Spread:
        return self._traffic.ttft.of(self._arm, self._model)

    @cached_property
    def _response(self) -> Spread:
        return self._traffic.response.of(self._arm, self._model)

    def observed(self, exchange: Exchange, seen: Observation) -> None:
        """Count what was read of an exchange, where it is a model call."""
        if not seen.inference:
            return
        for kind, count in tokens_of(seen.usage):
            if count is not None and count > 0:
                self.tokens(kind).inc(count)
        if seen.timings.ttft_s is not None:
            self._ttft.observe(seen.timings.ttft_s, exchange.exchange_id)
        self._response.observe(exchange.total_s, exchange.exchange_id)
        if seen.cost.usd is not None and seen.cost.usd >= 0:
            self.cost.inc(float(seen.cost.usd))
        elif seen.error_kind is None:
            self._cost_unknown.inc()


def caller_of(who: Attribution) -> Caller:
    """Tenant and feature as labels."""
    return who.tenant or UNATTRIBUTED, who.feature or UNATTRIBUTED


def tokens_of(usage: Usage) -> tuple[tuple[str, int | None], ...]:
    """The counts of tokens by kind. None: not known."""
    return (
        ("input", usage.input_tokens),
        ("output", usage.output_tokens),
        ("cache_read_input", usage.cache_read_input_tokens),
        ("cache_write_input", usage.cache_write_input_tokens),
        ("reasoning_output", usage.reasoning_output_tokens),
    )
