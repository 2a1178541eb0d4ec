"""A model call as a span, by OpenTelemetry's conventions for generative AI. Pure: what it is called and says.

The conventions are those of https://github.com/open-telemetry/semantic-conventions-genai (docs/gen-ai/gen-ai-spans.md),
which are in development. What they have no name for begins with `shadow.`. Neither prompts nor answers are among it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from shadow.config import Config, Dialect
from shadow.exchange import CONTROL, PRIMARY, Exchange, Observation, Replay
from shadow.wire.request import Endpoint, endpoint_of

NANO: Final = 1_000_000_000
OPERATIONS: Final[Mapping[Endpoint, str]] = {
    Endpoint.CHAT: "chat",
    Endpoint.MESSAGES: "chat",
    Endpoint.RESPONSES: "chat",
    Endpoint.COMPLETIONS: "text_completion",
    Endpoint.EMBEDDINGS: "embeddings",
}
# By dialect, where the conventions have a name of their own; all others are called as the dialect is.
PROVIDERS: Final[Mapping[Dialect, str]] = {
    "azure": "azure.ai.openai",
    "google": "gcp.gemini",
    "mistral": "mistral_ai",
    "xai": "x_ai",
}
Value = str | int | float | bool | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Server:
    """Who is called on an arm: the conventions' name of the provider, and where it listens."""

    provider: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Span:
    """What a tracer needs. Times are Unix time in nanoseconds; `error` is a word from a closed set, or None.

    A replay is a child of its primary: the trace's id is the exchange's, so that either leads to the other.
    """

    name: str
    trace_id: int
    span_id: int
    parent_id: int | None
    started_ns: int
    ended_ns: int
    attributes: Mapping[str, Value]
    error: str | None


def servers(config: Config) -> dict[str, Server]:
    """The server of every arm, by its name."""
    found = {PRIMARY: _server("openrouter", config.upstream.url)}
    for candidate in config.candidates:
        provider = PROVIDERS.get(candidate.dialect, candidate.dialect)
        found[candidate.name] = _server(provider, candidate.url)
    if config.control is not None:
        found[CONTROL] = _server("openrouter", config.control.url)
    return found


def of_primary(exchange: Exchange, seen: Observation, server: Server) -> Span | None:
    """The span of an exchange; None where it is no model call."""
    return _span(exchange, seen, server, None, {})


def of_replay(replay: Replay, server: Server) -> Span | None:
    """The span of a replay; None where nothing was sent."""
    if replay.exchange is None or replay.observation is None:
        return None
    extra: dict[str, Value] = {"shadow.replay.outcome": replay.outcome.value}
    if replay.reason is not None:
        extra["shadow.replay.reason"] = replay.reason
    if replay.probability is not None:
        extra["shadow.replay.probability"] = replay.probability
    return _span(replay.exchange, replay.observation, server, replay.reason, extra)


def _span(
    exchange: Exchange, seen: Observation, server: Server, error: str | None, extra: Mapping[str, Value]
) -> Span | None:
    endpoint = endpoint_of(exchange)
    if endpoint is None:
        return None
    identity = UUID(exchange.exchange_id)
    primary_id = _span_id(identity, PRIMARY)
    error = error or seen.error_kind or exchange.failure
    operation = OPERATIONS[endpoint]
    attributes: dict[str, Value] = {"gen_ai.operation.name": operation, **extra}
    facts = {**_conventional(exchange, seen, server), **_own(exchange, seen), "error.type": error}
    attributes |= {name: value for name, value in facts.items() if value is not None}
    started_ns = round(exchange.started_at * NANO)
    return Span(
        name=f"{operation} {seen.request_model}" if seen.request_model else operation,
        trace_id=identity.int,
        span_id=_span_id(identity, exchange.arm),
        parent_id=None if exchange.arm == PRIMARY else primary_id,
        started_ns=started_ns,
        ended_ns=started_ns + round(exchange.total_s * NANO),
        attributes=attributes,
        error=error,
    )


def _conventional(exchange: Exchange, seen: Observation, server: Server) -> dict[str, Value | None]:
    usage = seen.usage
    return {
        "gen_ai.provider.name": server.provider,
        "server.address": server.address,
        "server.port": server.port,
        "gen_ai.request.model": seen.request_model,
        "gen_ai.request.stream": True if seen.stream else None,  # set only where it is one
        "gen_ai.output.type": "json" if seen.features & {"json_object", "json_schema"} else None,
        "gen_ai.response.id": seen.generation_id,
        "gen_ai.response.model": seen.response_model,
        "gen_ai.response.finish_reasons": (seen.finish_reason,) if seen.finish_reason else None,
        # Comments that only keep a stream open are no chunk of an answer.
        "gen_ai.response.time_to_first_chunk": seen.timings.ttft_s if seen.stream else None,
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cache_read_input_tokens,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_input_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_output_tokens,
        "http.response.status_code": exchange.status,
    }


def _own(exchange: Exchange, seen: Observation) -> dict[str, Value | None]:
    who = exchange.attribution
    return {
        "shadow.exchange_id": exchange.exchange_id,
        "shadow.arm": exchange.arm,
        "shadow.outcome": exchange.outcome.value,
        "shadow.tenant": who.tenant,
        "shadow.feature": who.feature,
        "shadow.plan": who.plan,
        "shadow.upstream_provider": seen.provider,
        "shadow.cost_usd": None if seen.cost.usd is None else format(seen.cost.usd, "f"),  # a float is not exact
        "shadow.cost_source": seen.cost.source.value,
    }


def _span_id(exchange: UUID, arm: str) -> int:
    """Eight bytes that an arm of an exchange always has, not all zero: told twice, it is one span."""
    return int.from_bytes(blake2b(arm.encode(), digest_size=8, key=exchange.bytes).digest()) or 1


def _server(provider: str, url: str) -> Server:
    parts = urlsplit(url)
    return Server(provider, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
