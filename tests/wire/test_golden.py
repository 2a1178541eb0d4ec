"""The recorded exchanges, against a golden file of facts that a second reading wrote and a person checked.

`plain_reading.py` is that second reading. The golden file is not to be refreshed from what the code under test says.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from shadow.wire.observe import observe
from shadow.wire.prices import PriceBook
from tests import recorded
from tests.wire.exchanges import from_recording
from tests.wire.plain_reading import short

GOLDEN = [json.loads(line) for line in Path(__file__).with_name("golden.jsonl").read_text().splitlines()]
ROWS = {row["name"]: row for row in recorded.load()} if recorded.PATH.exists() else {}
BOOK = PriceBook({}, None, openrouter=True)


def facts(name: str) -> dict[str, Any]:
    """The facts of one recorded exchange, in the form of the golden file."""
    seen = observe(from_recording(ROWS[name]), BOOK)
    return {
        "name": name,
        "stream": seen.stream,
        "request_model": seen.request_model,
        "response_model": seen.response_model,
        "provider": seen.provider,
        "generation_id": seen.generation_id,
        "finish_reason": seen.finish_reason,
        "text": short(seen.answer.text),
        "reasoning": short(seen.answer.reasoning),
        "tool_calls": [[call.name, call.arguments] for call in seen.answer.tool_calls],
        "input_tokens": seen.usage.input_tokens,
        "output_tokens": seen.usage.output_tokens,
        "cache_read_input_tokens": seen.usage.cache_read_input_tokens,
        "cache_write_input_tokens": seen.usage.cache_write_input_tokens,
        "reasoning_output_tokens": seen.usage.reasoning_output_tokens,
        "cost": None if seen.cost.usd is None else str(seen.cost.usd),
        "error_kind": seen.error_kind,
        "anomalies": [*seen.anomalies, *seen.usage.anomalies],
        "features": sorted(seen.features),
    }


@recorded.requires_recorded
@pytest.mark.parametrize("golden", GOLDEN, ids=[golden["name"] for golden in GOLDEN])
def test_the_facts_of_a_recorded_exchange(golden: dict[str, Any]) -> None:
    """What is read out of a real answer is what a plain reading of it gives."""
    assert facts(golden["name"]) == golden


@recorded.requires_recorded
def test_every_recorded_exchange_is_golden() -> None:
    """No recording is left out, and no line of the golden file is left over."""
    assert sorted(ROWS) == sorted(golden["name"] for golden in GOLDEN)
