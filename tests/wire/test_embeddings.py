"""Embeddings."""

import json

from shadow.exchange import Answer, Observation, Usage
from shadow.wire.observe import observe
from shadow.wire.prices import PriceBook
from tests.wire.exchanges import exchange, whole


def seen(answer: bytes) -> Observation:
    """What is read out of an answer to a request for embeddings."""
    request = {"model": "v/e", "input": ["one", "two"]}
    return observe(exchange(answer, request, path="/api/v1/embeddings"), PriceBook({}, None, openrouter=True))


def body(count: int) -> bytes:
    """An answer with this many numbers."""
    data = [{"object": "embedding", "index": 0, "embedding": [0.25] * count}]
    usage = {"prompt_tokens": 8, "total_tokens": 8, "cost": 1.6e-7}
    return json.dumps({"id": "gen-1", "model": "v/e-1", "provider": "V", "data": data, "usage": usage}).encode()


def test_an_embedding_is_counted_and_not_kept() -> None:
    """Who made it and what it cost are facts; the vector is none, and having no finish reason is no fault."""
    observation = seen(body(1536))
    assert (observation.response_model, observation.provider) == ("v/e-1", "V")
    assert (observation.usage, str(observation.cost.usd)) == (Usage(8, 0), "1.6E-7")
    assert (observation.answer, observation.error_kind, observation.anomalies) == (Answer(), None, ())


def test_a_cut_embedding_keeps_its_usage() -> None:
    """Vectors outgrow a capture first of all; the usage stands at the end."""
    data = body(5000)
    cut = whole(data).__class__(data[:200], data[-200:], len(data))
    observation = observe(
        exchange(cut, {"input": "x"}, path="/api/v1/embeddings"), PriceBook({}, None, openrouter=True)
    )
    assert (observation.usage.input_tokens, str(observation.cost.usd)) == (8, "1.6E-7")
    assert (observation.anomalies, observation.error_kind) == (("capture_cut",), None)
