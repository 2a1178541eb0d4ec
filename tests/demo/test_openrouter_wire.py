"""OpenRouter's shapes as they are written."""

import json
from decimal import Decimal

import pytest

from shadow.demo import openrouter_wire as wire
from tests.recorded import load, requires_recorded


def test_an_id_has_the_recorded_form() -> None:
    """`gen-`, seconds, twenty characters; different for different things."""
    prefix, seconds, rest = wire.generation_id("a", 1).split("-")
    assert (prefix, seconds.isdigit(), len(rest)) == ("gen", True, 20)
    assert wire.generation_id("a", 1) != wire.generation_id("a", 2)


def test_decimals_are_written_exactly() -> None:
    """A Decimal becomes the number it is; one that a JSON number cannot hold is refused, not rounded."""
    assert wire.dumps({"cost": Decimal("0.0000102")}) == b'{"cost":0.0000102}'
    with pytest.raises(TypeError):
        wire.dumps({"cost": Decimal("0.12345678901234567890")})


def test_usage_can_be_overridden_at_any_level() -> None:
    """A member of the details is found by its name; an unknown one is added on top."""
    spent = wire.usage(1, 2, Decimal(0), cached_tokens=7, is_byok=True, extra=1)
    assert spent["prompt_tokens_details"]["cached_tokens"] == 7
    assert (spent["is_byok"], spent["extra"], spent["total_tokens"]) == (True, 1, 3)


def test_only_event_streams_are_not_to_be_cached() -> None:
    """The two kinds of answers differ by two headers."""
    plain, events = dict(wire.headers("gen-1")), dict(wire.headers("gen-1", "text/event-stream"))
    assert events.items() - plain.items() == {("Cache-Control", "no-cache"), ("Content-Type", "text/event-stream")}


@requires_recorded
def test_members_are_those_of_a_recorded_stream() -> None:
    """Chunks, choices and usage of a recording of 2026 have no member that the stand-in leaves out, ids aside."""
    row = next(
        row for row in load("openrouter.ai") if row["name"].endswith("test_openrouter_web_search_tool_usage_stream/0")
    )
    blocks = row["response_body"].split("\n\n")
    recorded = [json.loads(block.removeprefix("data: ")) for block in blocks if block.startswith("data: {")]
    ours = list(wire.usage_chunks("gen-1", "C", wire.usage(1, 2, Decimal(0))))
    assert recorded[-1].keys() <= ours[-1].keys()
    assert recorded[-1]["choices"][0].keys() <= ours[-1]["choices"][0].keys()
