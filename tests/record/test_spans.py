from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from shadow.configfile import parse
from shadow.exchange import (
    Answer,
    Attribution,
    Cost,
    CostSource,
    Observation,
    Outcome,
    Replay,
    ReplayOutcome,
    Timings,
    Usage,
)
from shadow.record.spans import Server, Span, of_primary, of_replay, servers
from tests.record.samples import exchange, exchange_id

OPENROUTER = Server("openrouter", "openrouter.ai", 443)
FERRY = Server("openai", "ferry.example", 8443)
SEEN = Observation(
    inference=True,
    stream=True,
    request_model="openai/gpt-4o-mini",
    response_model="openai/gpt-4o-mini-2024-07-18",
    provider="Azure",
    generation_id="gen-1",
    usage=Usage(100, 20, 10, None, 5),
    cost=Cost(Decimal("0.0000021"), CostSource.REPORTED),
    timings=Timings(ttft_s=0.25),
    finish_reason="stop",
    features=frozenset({"json_schema"}),
    answer=Answer("a canary"),
)


def primary(seen: Observation = SEEN, **changes: object) -> Span:
    span = of_primary(exchange(7, **changes), seen, OPENROUTER)
    assert span is not None
    return span


def replayed(outcome: ReplayOutcome = ReplayOutcome.COMPLETED, reason: str | None = None) -> Span:
    replay = Replay(exchange_id(7), "ferry", outcome, reason, 0.05, None, exchange(7, arm="ferry"), SEEN)
    span = of_replay(replay, FERRY)
    assert span is not None
    return span


def test_a_call_is_named_and_described_by_the_conventions() -> None:
    """Name, provider, server, models, usage and finish are under the conventions' names, and nothing is that is not
    known: tokens written to a cache were not told."""
    span = primary(attribution=Attribution("acme", "summaries", "pro", "f1"))
    assert span.name == "chat openai/gpt-4o-mini"
    assert span.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openrouter",
        "server.address": "openrouter.ai",
        "server.port": 443,
        "gen_ai.request.model": "openai/gpt-4o-mini",
        "gen_ai.request.stream": True,
        "gen_ai.output.type": "json",
        "gen_ai.response.id": "gen-1",
        "gen_ai.response.model": "openai/gpt-4o-mini-2024-07-18",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.time_to_first_chunk": 0.25,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 10,
        "gen_ai.usage.reasoning.output_tokens": 5,
        "http.response.status_code": 200,
        "shadow.exchange_id": exchange_id(7),
        "shadow.arm": "primary",
        "shadow.outcome": "complete",
        "shadow.tenant": "acme",
        "shadow.feature": "summaries",
        "shadow.plan": "pro",
        "shadow.upstream_provider": "Azure",
        "shadow.cost_usd": "0.0000021",
        "shadow.cost_source": "reported",
    }


def test_it_lasts_as_long_as_the_exchange() -> None:
    """From the request to the end of the answer, in Unix nanoseconds."""
    span = primary()
    assert (span.started_ns, span.ended_ns - span.started_ns) == (1_780_000_000 * 10**9, 500_000_000)


def test_a_replay_is_a_child_of_its_primary() -> None:
    """Both are one trace, whose id is the exchange's; each arm has a span of its own, the same one whenever told."""
    first, second = primary(), replayed()
    assert first.trace_id == second.trace_id == int(exchange_id(7).replace("-", ""), 16)
    assert (first.parent_id, second.parent_id) == (None, first.span_id)
    assert second.span_id not in (first.span_id, 0)
    assert second == replayed()


def test_a_replay_says_how_it_ended() -> None:
    """Outcome, reason and the chance of its draw are with it; a failure is the span's error."""
    span = replayed(ReplayOutcome.FAILED, "server_error")
    told = {name: value for name, value in span.attributes.items() if name.startswith("shadow.replay.")}
    assert told == {
        "shadow.replay.outcome": "failed",
        "shadow.replay.reason": "server_error",
        "shadow.replay.probability": 0.05,
    }
    assert span.error == span.attributes["error.type"] == "server_error"
    assert replayed().error is None


def test_an_error_is_a_word() -> None:
    """Of an answer its kind; of an exchange that broke what broke."""
    assert primary(Observation(error_kind="rate_limited")).error == "rate_limited"
    broken = primary(Observation(), outcome=Outcome.UPSTREAM_FAILED, failure="connect")
    assert broken.attributes["error.type"] == "connect"


def test_what_is_no_model_call_has_no_span() -> None:
    """Other traffic is forwarded and recorded, and is nobody's generation."""
    assert of_primary(exchange(path="/api/v1/models", method="GET"), Observation(), OPENROUTER) is None


def test_a_replay_that_was_not_sent_has_no_span() -> None:
    """There is nothing to show the time of."""
    assert of_replay(Replay(exchange_id(7), "ferry", ReplayOutcome.SAMPLED_OUT, "not_drawn"), FERRY) is None


@pytest.mark.parametrize(
    ("path", "operation"), [("/api/v1/completions", "text_completion"), ("/api/v1/embeddings", "embeddings")]
)
def test_operations_are_the_conventions_words(path: str, operation: str) -> None:
    """A call without a known model is named by its operation alone."""
    span = primary(Observation(), path=path)
    assert (span.name, span.attributes["gen_ai.operation.name"]) == (operation, operation)


def test_servers_are_those_of_the_configuration(tmp_path: Path) -> None:
    """Every arm has the conventions' name of its provider, and the address it is called at."""
    candidates = [
        {"name": "local", "url": "http://127.0.0.1:8000/v1", "dialect": "vllm", "models": {}},
        {"name": "cloud", "url": "https://x.example/v1", "dialect": "google", "models": {}},
    ]
    text = {"upstream": {"url": "https://openrouter.ai"}, "consent_default": "deny", "candidates": candidates}
    assert servers(parse(yaml.safe_dump(text), tmp_path, {})) == {
        "primary": OPENROUTER,
        "local": Server("vllm", "127.0.0.1", 8000),
        "cloud": Server("gcp.gemini", "x.example", 443),
    }
