"""The recorded exchanges, against a golden file of facts that a second reading wrote and a person checked.

`plain_reading.py` is that second reading. The golden file is not to be refreshed from what the code under test says.
"""

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import brotli
import pytest
import zstandard

from shadow.exchange import Body
from shadow.wire.observe import observe
from tests import recorded
from tests.wire.exchanges import BOOK, from_recording, whole
from tests.wire.plain_reading import short

GOLDEN = [json.loads(line) for line in Path(__file__).with_name("golden.jsonl").read_text().splitlines()]
ROWS = {row["name"]: row for row in recorded.load()} if recorded.PATH.exists() else {}


def fast_brotli(data: bytes) -> bytes:
    """The data as br, with as little effort as it allows."""
    return bytes(brotli.compress(data, quality=1))


def facts(name: str, **changes: Any) -> dict[str, Any]:
    """The facts of one recorded exchange, perhaps with changes to it, in the form of the golden file."""
    seen = observe(replace(from_recording(ROWS[name]), **changes), BOOK)
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


@recorded.requires_recorded
@pytest.mark.parametrize(
    ("coding", "compress"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("br", fast_brotli), ("zstd", zstandard.compress)],
)
def test_a_compressed_recording_has_the_same_facts(coding: str, compress: Callable[[bytes], bytes]) -> None:
    """How an answer was carried changes nothing about what it says."""
    for golden in GOLDEN:
        body = whole(compress(ROWS[golden["name"]]["response_body"].encode()))
        headers = (("content-encoding", coding),)
        assert facts(golden["name"], response_body=body, response_headers=headers) == golden


@recorded.requires_recorded
@pytest.mark.parametrize("golden", GOLDEN, ids=[golden["name"] for golden in GOLDEN])
def test_a_recording_without_its_middle_keeps_what_it_cost(golden: dict[str, Any]) -> None:
    """Head and tail of a long answer still tell the counts and the charge, and that something is missing."""
    body = ROWS[golden["name"]]["response_body"].encode()
    cut = Body(body[:300], body[-3000:], len(body))
    if cut.size <= len(cut.head) + len(cut.tail):
        return  # nothing to cut
    found = facts(golden["name"], response_body=cut)
    for fact in ("input_tokens", "output_tokens", "cost"):
        assert found[fact] == golden[fact]
    assert "capture_cut" in found["anomalies"]
