"""A second, plain reading of the recorded exchanges, for the golden file. It shares no code with what it checks.

`python -m tests.wire.plain_reading` prints one line of facts per exchange, for a person to hold against the recording
before it goes into `golden.jsonl`. It leans on what these recordings are (line feeds, one choice, no faults of framing)
and would be no use on the wire.
"""

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from tests import recorded

FINISH = {"completed": "stop"}
ERRORS = {  # by eye: there are no others
    "api.groq.com/test_tool_regular_error/0": "not_found",
    "api.groq.com/test_tool_use_failed_error/0": "tool_call_invalid",
    "api.groq.com/test_tool_use_failed_error_streaming/0": "tool_call_invalid",
    "api.openai.com/test_openai_o1_mini_system_role[system]/0": "param_rejected",
    "openrouter.ai/test_openrouter_errors_raised/0": "rate_limited",
    "openrouter.ai/test_openrouter_errors_raised/1": "rate_limited",
    "openrouter.ai/test_openrouter_stream_error/0": "context_length",
}
ANOMALIES = {  # by eye
    # 66 + 6 is not 100: thoughts are counted in the total alone
    "generativelanguage.googleapis.com/test_compatible_api_with_tool_calls_without_id/1": ["usage_total_mismatch"],
    # 11 tokens of reasoning in an answer of 10
    "openrouter.ai/test_openrouter_stream_error/0": ["usage_reasoning_exceeds_output"],
    # [DONE] comes, a finish reason never does
    "myorg-myaccount.snowflakecomputing.com/test_snowflake_model_streaming/0": ["finish_missing"],
    "myorg-myaccount.snowflakecomputing.com/test_snowflake_thinking_streaming/0": ["finish_missing"],
}
FEATURES = {  # what stands at which place of a request, flattened to `path = value`
    "stream": r"stream = true",
    "tools": r"tools\.\d+\.(type = \"function\"|function)",
    "server_tools": r"tools\.\d+\.type = \"(?!function)|web_search_options|plugins\.\d+\.id = \"web|model = .*:online",
    "json_object": r"response_format\.type = \"json_object\"",
    "json_schema": r"response_format\.type = \"json_schema\"",
    "images": r"(messages|input)\..*\.type = \"(image_url|input_image)\"",
    "audio": r"(messages|input)\..*\.type = \"input_audio\"",
    "video": r"(messages|input)\..*\.type = \"video_url\"",
    "files": r"(messages|input)\..*\.type = \"(file|input_file)\"",
    "reasoning": r"reasoning\.(effort = \"(?!none)|max_tokens|enabled = true)|reasoning_effort = \"(?!none)"
    r"|thinking\.type = \"enabled",
    "logprobs": r"logprobs = true|include\.\d+ = \"message.output_text.logprobs",
    "cache_control": r"(messages|input|tools)\.(.*\.)?cache_control",
    "fallbacks": r"models\.0",
    "provider_routing": r"provider\.(order|only|ignore|allow_fallbacks|require_parameters|sort|max_price)",
    "no_data_collection": r"provider\.data_collection = \"deny",
    "zdr": r"provider\.zdr = true",
    "plugins": r"plugins\.0",
    "presets": r"preset = |model = \".*@preset",
    "transforms": r"transforms\.0",
    "variants": r"model = \"[^\"]*/[^\"]*:",
}


def flat(value: Any, path: str = "") -> Iterator[str]:
    """Every leaf of a JSON value as `path = value`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from flat(inner, f"{path}.{index}" if path else str(index))
    else:
        yield f"{path} = {json.dumps(value)}"


def documents(row: dict[str, Any]) -> list[Any]:
    """The JSON texts of an answer."""
    body = row["response_body"]
    texts = re.findall(r"^data: ?(\{.*)$", body, re.MULTILINE) if is_stream(row) else [body]
    return [json.loads(text, parse_float=Decimal) for text in texts]


def is_stream(row: dict[str, Any]) -> bool:
    """Whether the answer came as events."""
    return "event-stream" in row["response_headers"].get("content-type", "")


def read(row: dict[str, Any]) -> dict[str, Any]:
    """The facts of one recorded exchange."""
    said = responses(row) if row["path"].endswith("responses") else chat(row)
    usage = said.pop("usage") or {}
    lines = [*flat(row["request_body"])]
    given = usage.get("prompt_tokens", usage.get("input_tokens"))
    made = usage.get("completion_tokens", usage.get("output_tokens"))
    inner = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    outer = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
    cost = usage.get("cost")
    if usage.get("is_byok"):  # the fee, and what the provider bills apart
        cost += usage["cost_details"]["upstream_inference_cost"]
    return {
        "name": row["name"],
        "stream": row["request_body"].get("stream"),
        "request_model": row["request_body"].get("model"),
        **said,
        "input_tokens": given,
        "output_tokens": made,
        "cache_read_input_tokens": inner.get("cached_tokens", usage.get("cached_tokens")),
        "cache_write_input_tokens": inner.get("cache_write_tokens"),
        "reasoning_output_tokens": outer.get("reasoning_tokens"),
        "cost": None if cost is None else str(cost),
        "error_kind": ERRORS.get(row["name"]),
        "anomalies": ANOMALIES.get(row["name"], []),
        "features": sorted(name for name, found in FEATURES.items() if any(re.match(found, line) for line in lines)),
    }


def chat(row: dict[str, Any]) -> dict[str, Any]:
    """What a chat completion says, whole or in chunks."""
    text, thought, reason, usage, first = "", "", None, None, {}
    calls: dict[int, list[Any]] = {}
    for document in documents(row):
        first = first or document
        usage = document.get("usage") or (document.get("x_groq") or {}).get("usage") or usage
        for choice in document.get("choices") or []:
            message = choice.get("message") or choice.get("delta") or {}
            content = message.get("content") or ""
            if isinstance(content, list):
                thought += "".join(t["text"] for part in content for t in part.get("thinking", []))
                content = "".join(part.get("text", "") for part in content)
            text += content
            details = "".join(d.get("text") or d.get("summary") or "" for d in message.get("reasoning_details") or [])
            thought += message.get("reasoning") or message.get("reasoning_content") or details
            for position, call in enumerate(message.get("tool_calls") or []):
                slot = calls.setdefault(call.get("index", position), ["", ""])
                slot[0] += call["function"].get("name") or ""
                slot[1] += call["function"].get("arguments") or ""
            reason = choice.get("finish_reason") or reason
    return said(first, text, thought, list(calls.values()), reason, usage)


def responses(row: dict[str, Any]) -> dict[str, Any]:
    """What a response says; a stream holds the whole of it in its last event."""
    last = documents(row)[-1]
    last = last.get("response", last)
    items = last["output"]
    parts = [part for item in items for part in item.get("content") or [] if item["type"] == "message"]
    thoughts = [part for item in items if item["type"] == "reasoning" for part in item["summary"]]
    calls = [[item["name"], item["arguments"]] for item in items if item["type"] == "function_call"]
    text, thought = ("".join(part["text"] for part in some) for some in (parts, thoughts))
    return said(last, text, thought, calls, "tool_calls" if calls else FINISH.get(last["status"]), last["usage"])


def said(first: dict[str, Any], text: str, thought: str, calls: list[Any], reason: Any, usage: Any) -> dict[str, Any]:
    """The facts in the order of the golden file. Long texts are kept as their length and hash."""
    return {
        "response_model": first.get("model"),
        "provider": first.get("provider"),
        "generation_id": first.get("id") or None,
        "finish_reason": reason or None,
        "text": short(text),
        "reasoning": short(thought),
        "tool_calls": calls,
        "usage": usage,
    }


def short(text: str) -> str:
    """A text, or the beginning, length and hash of a long one."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return text if len(text) <= 60 else f"{text[:30]}… {len(text)} characters, sha256 {digest}"


if __name__ == "__main__":
    for row in recorded.load():
        sys.stdout.write(json.dumps(read(row), ensure_ascii=False) + "\n")
