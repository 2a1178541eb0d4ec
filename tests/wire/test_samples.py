"""The hand-made samples: one answer of every shape, for those who have no recordings."""

import json
from pathlib import Path
from typing import Any

import pytest

from shadow.exchange import Answer, Observation
from tests.wire.exchanges import CHAT, seen

SAMPLES = Path(__file__).with_name("samples")
EXPECTED = [json.loads(line) for line in (SAMPLES / "expected.jsonl").read_text().splitlines()]


def facts(seen: Observation) -> dict[str, Any]:
    """What is known of an observation, and nothing that is not."""
    usage, answer = seen.usage, seen.answer
    known = {
        "text": answer.text,
        "reasoning": answer.reasoning,
        "tool_calls": [[call.name, call.arguments] for call in answer.tool_calls],
        "response_model": seen.response_model,
        "provider": seen.provider,
        "generation_id": seen.generation_id,
        "finish_reason": seen.finish_reason,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_input_tokens": usage.cache_read_input_tokens,
        "cache_write_input_tokens": usage.cache_write_input_tokens,
        "reasoning_output_tokens": usage.reasoning_output_tokens,
        "cost": None if seen.cost.usd is None else str(seen.cost.usd),
        "error_kind": seen.error_kind,
        "anomalies": [*seen.anomalies, *usage.anomalies],
    }
    return {name: value for name, value in known.items() if value not in (None, "", [])}


@pytest.mark.parametrize("expected", EXPECTED, ids=[expected["sample"] for expected in EXPECTED])
def test_the_facts_of_a_sample(expected: dict[str, Any]) -> None:
    """What is read out of an answer is what a person reads in it."""
    how = {"path": expected.get("path", CHAT), "status": expected.get("status", 200)}
    observation = seen((SAMPLES / expected["sample"]).read_bytes(), **how)
    assert facts(observation) == {
        name: value for name, value in expected.items() if name not in ("sample", "path", "status")
    }


def test_every_sample_is_expected() -> None:
    """No sample is left out."""
    names = {path.name for path in SAMPLES.iterdir()} - {"expected.jsonl", "README.md", ".gitattributes"}
    assert names == {expected["sample"] for expected in EXPECTED}


def test_nothing_is_known_of_nothing() -> None:
    """The empty observation has no facts: what the samples leave out is unknown, not zero."""
    assert facts(Observation(answer=Answer())) == {}
