"""Embeddings."""

import json
from typing import Any

from shadow.exchange import Answer, Body, Observation, Usage
from tests.wire.exchanges import seen


def said(answer: bytes | Body, **how: Any) -> Observation:
    """What is read out of an answer at this endpoint."""
    return seen(answer, {"model": "v/e", "input": ["one", "two"]}, path="/api/v1/embeddings", **how)


def body(count: int) -> bytes:
    """An answer with this many numbers."""
    data = [{"object": "embedding", "index": 0, "embedding": [0.25] * count}]
    usage = {"prompt_tokens": 8, "total_tokens": 8, "cost": 1.6e-7}
    return json.dumps({"id": "gen-1", "model": "v/e-1", "provider": "V", "data": data, "usage": usage}).encode()


def test_an_embedding_is_counted_and_not_kept() -> None:
    """Who made it and what it cost are facts; the vector is none, and having no finish reason is no fault."""
    observation = said(body(1536))
    assert (observation.response_model, observation.provider) == ("v/e-1", "V")
    assert (observation.usage, str(observation.cost.usd)) == (Usage(8, 0), "1.6E-7")
    assert (observation.answer, observation.error_kind, observation.anomalies) == (Answer(), None, ())


def test_a_cut_embedding_keeps_its_usage() -> None:
    """Vectors outgrow a capture first of all; the usage stands at the end."""
    data = body(5000)
    observation = said(Body(data[:200], data[-200:], len(data)))
    assert (observation.usage.input_tokens, str(observation.cost.usd)) == (8, "1.6E-7")
    assert (observation.anomalies, observation.error_kind) == (("capture_cut",), None)


def test_an_embedding_in_an_event_is_read_all_the_same() -> None:
    """No server is known to do it, and nothing is lost by taking it."""
    observation = said(b"data: " + body(3) + b"\n\ndata: [DONE]\n\n")
    assert (observation.usage, observation.error_kind) == (Usage(8, 0), None)
