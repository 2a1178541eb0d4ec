"""The recorded OpenRouter requests, rewritten for every dialect, against expectations written by hand."""

import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from shadow.config import Price
from shadow.exchange import Exchange, Replay, ReplayOutcome
from shadow.mirror import Mirror, Planned
from shadow.mirror.dialects import RULES
from shadow.mirror.eligibility import of_request
from shadow.mirror.worst_case import worst_usd_of
from shadow.wire.prices import PriceBook
from shadow.wire.request import read_request
from shadow.wire.tariffs import MILLION
from tests import recorded
from tests.mirror.making import Ledger, chat, config, observed
from tests.mirror.test_worst_case import AT

GOLDEN = yaml.safe_load((Path(__file__).parent / "golden" / "openrouter.yaml").read_text())
CONTROLS = ("reasoning_effort", "thinking", "reasoning", "chat_template_kwargs")  # of reasoning, by any dialect
STRICT = {"openai", "azure", "mistral", "vllm", "sglang", "litellm"}


def exchange_of(row: dict[str, Any]) -> Exchange:
    headers = tuple((name, value) for name, value in row["response_headers"].items() if name == "content-type")
    return chat(row["request_body"], row["response_body"].encode(), status=row["status"], response_headers=headers)


def decided(row: dict[str, Any]) -> Iterator[tuple[str, Replay | Planned]]:
    """What the mirror makes of a recorded exchange, by dialect."""
    exchange = exchange_of(row)
    observation = observed(exchange)
    base = config(models={"*": "candidate-model"})
    for dialect in RULES:
        candidate = replace(base.candidates[0], dialect=dialect)
        mirror = Mirror(replace(base, candidates=(candidate,)), Ledger())
        ended, planned = mirror.decide(exchange, observation, read_request(exchange))
        yield dialect, (*ended, *planned)[0]


def for_dialect(table: dict[str, Any] | None, dialect: str, default: Any) -> Any:
    """The entry of a golden table: that of the dialect's own group, else that for all."""
    table = table or {}
    own = (value for group, value in table.items() if dialect in group.split())
    return next(own, table.get("all", default))


def unmarked(node: Any) -> Any:
    """A JSON value without cache markers."""
    if isinstance(node, list):
        return [unmarked(one) for one in node]
    if isinstance(node, dict):
        return {key: unmarked(one) for key, one in node.items() if key != "cache_control"}
    return node


def joined(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages with their text in one string."""
    return [
        {**one, "content": "\n".join(part["text"] for part in one["content"])}
        if isinstance(one["content"], list)
        else one
        for one in messages
    ]


def expected_tools(row: dict[str, Any], dialect: str) -> list[dict[str, Any]]:
    tools = unmarked(row["request_body"]["tools"])
    if dialect not in STRICT:
        tools = [{**one, "function": {k: v for k, v in one["function"].items() if k != "strict"}} for one in tools]
    return tools


def expected_body(row: dict[str, Any], shape: dict[str, Any], dialect: str) -> dict[str, Any]:
    messages = row["request_body"]["messages"]
    messages = unmarked(messages) if shape.get("messages") == "unmarked" else messages
    made = {"model": "candidate-model", "messages": joined(messages) if dialect == "deepseek" else messages}
    if "tools" in shape:
        made["tools"] = expected_tools(row, dialect)
    return made | for_dialect(shape["fields"], dialect, {})


def expected_dropped(row: dict[str, Any], shape: dict[str, Any], dialect: str) -> set[str]:
    dropped = set(for_dialect(shape.get("dropped"), dialect, []))
    strict = any("strict" in tool["function"] for tool in row["request_body"].get("tools", ()))
    return dropped | ({"tools[].function.strict"} if strict and dialect not in STRICT else set())


def expected_tags(row: dict[str, Any], shape: dict[str, Any], dialect: str) -> set[str]:
    contents = [message["content"] for message in row["request_body"]["messages"]]
    several = any(isinstance(content, list) and len(content) > 1 for content in contents)
    joining = {"text-parts"} if several and dialect == "deepseek" else set()
    return set(for_dialect(shape.get("tags"), dialect, [])) | joining


def expected_mapped(row: dict[str, Any], shape: dict[str, Any], dialect: str) -> set[str]:
    """What is said to be renamed or translated, from what the golden file says is sent."""
    fields, messages = for_dialect(shape["fields"], dialect, {}), row["request_body"]["messages"]
    mapped = {f"model: {shape.get('source', row['request_body']['model'])} → candidate-model"}
    if "max_tokens" in fields and "max_completion_tokens" in row["request_body"]:
        mapped.add("max_completion_tokens → max_tokens")
    control = {name: fields[name] for name in CONTROLS if name in fields}
    if control:
        mapped.add(f"reasoning: {shape['effort']} → {orjson.dumps(control).decode()}")
    if dialect == "deepseek" and any(isinstance(message["content"], list) for message in messages):
        mapped.add("messages[].content: parts → text")
    if dialect == "mistral" and any("tool_calls" in message for message in messages):
        mapped.add("messages[].tool_calls[].id → nine characters")
    return mapped


def with_recorded_ids(sent: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """What Mistral is sent, with its nine-character call ids taken back to the recorded ones, each to one."""
    text = orjson.dumps(sent).decode()
    for message in row["request_body"]["messages"]:
        for call in message.get("tool_calls", ()):
            (short,) = set(re.findall(r'"(?:tool_call_)?id":"([0-9A-Za-z]{9})"', text))
            text = text.replace(f'"{short}"', f'"{call["id"]}"')
    return orjson.loads(text)


def rows() -> list[Any]:
    return (
        [pytest.param(row, id=row["name"]) for row in recorded.load("openrouter.ai")] if recorded.PATH.exists() else []
    )


def golden(row: dict[str, Any]) -> dict[str, Any]:
    return GOLDEN["requests"][row["name"].removeprefix("openrouter.ai/")]


@recorded.requires_recorded
def test_the_golden_file_speaks_of_every_recording():
    """No recorded request is without an expectation, and no expectation without its request or shape."""
    names = {row["name"].removeprefix("openrouter.ai/") for row in recorded.load("openrouter.ai")}
    assert set(GOLDEN["requests"]) == names
    shapes = {one["shape"] for one in GOLDEN["requests"].values() if "shape" in one}
    assert shapes == set(GOLDEN["shapes"])


@recorded.requires_recorded
@pytest.mark.parametrize("row", rows())
def test_each_recorded_request_becomes_what_was_written_down(row):
    """Body, mapped and dropped fields and tags for all sixteen dialects, or the reason against a replay."""
    entry = golden(row)
    for dialect, outcome in decided(row):
        if "ineligible" in entry:
            assert (outcome.outcome, outcome.reason) == (ReplayOutcome.INELIGIBLE, entry["ineligible"]), dialect
            continue
        shape = GOLDEN["shapes"][entry["shape"]]
        refused = for_dialect(shape.get("refused"), dialect, None)
        if refused is not None:
            assert (outcome.outcome, outcome.reason) == (ReplayOutcome.INELIGIBLE, refused), dialect
            continue
        assert isinstance(outcome, Planned), (dialect, outcome)
        sent = orjson.loads(outcome.body)
        if dialect == "mistral":
            sent = with_recorded_ids(sent, row)
        assert sent == expected_body(row, shape, dialect), dialect
        assert set(outcome.rewrite.dropped) == expected_dropped(row, shape, dialect), dialect
        assert set(outcome.rewrite.tags) == expected_tags(row, shape, dialect), dialect
        assert set(outcome.rewrite.mapped) == expected_mapped(row, shape, dialect), dialect


@recorded.requires_recorded
def test_most_recorded_requests_are_replayed():
    """What is refused has a reason: thirty of forty go on to a generic candidate."""
    going = [golden(row) for row in recorded.load("openrouter.ai") if "shape" in golden(row)]
    assert len(going) == 30


def counted() -> Iterator[tuple[dict[str, Any], int, int]]:
    """Recorded chat completions that may be replayed: the body, the bytes sent, the prompt tokens that were billed."""
    for row in recorded.load():
        exchange = replace(exchange_of(row), path=row["path"])
        request, seen = read_request(exchange), observed(exchange)
        if request is None or of_request(request, seen) is not None or seen.usage.input_tokens is None:
            continue
        if "compound" not in str(request.model):  # Groq's, which search by themselves and bill what they found
            yield dict(request.body), len(orjson.dumps(request.body)), seen.usage.input_tokens


@recorded.requires_recorded
def test_the_bound_of_a_prompt_is_above_what_providers_counted():
    """Of every provider and kind of prompt that was recorded, pictures and tools among them."""
    price = PriceBook({"any": (Price(input=Decimal(1), output=Decimal(0)),)}, None)
    found = list(counted())
    for body, size, tokens in found:
        worst = worst_usd_of({**body, "model": "any", "models": None, "service_tier": None}, size, price, AT)
        assert worst is not None
        assert worst * MILLION >= tokens
    assert len(found) > 50
