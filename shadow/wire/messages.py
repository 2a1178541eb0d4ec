"""Anthropic Messages: `POST /messages`, whole and streamed. (Anthropic's and OpenRouter's API references.)

A stream says the input's usage when the message starts and the output's near its end.
"""

from collections.abc import Mapping
from typing import Any

from shadow.wire.assembly import Assembly
from shadow.wire.documents import as_json, mapping, sequence, text


def read_body(answer: Assembly, body: Mapping[str, Any]) -> None:
    """The answer of a call that did not stream."""
    answer.identify(body)
    answer.usage(body.get("usage"))
    answer.finish(body.get("stop_reason"))
    for position, block in enumerate(map(mapping, sequence(body.get("content")))):
        _read_block(answer, block, position)
        if block.get("type") == "tool_use":
            answer.tool_call(position, None, None, as_json(block.get("input")))


def read_event(answer: Assembly, event: Mapping[str, Any], kind: str | None) -> None:
    """One event of a stream: what it is stands in its `type`, and again in the `event:` field."""
    what = text(event.get("type")) or kind
    if what == "content_block_delta":
        _read_delta(answer, mapping(event.get("delta")), event.get("index"))
    elif what == "content_block_start":
        _read_block(answer, mapping(event.get("content_block")), event.get("index"))
    elif what == "message_start":
        message = mapping(event.get("message"))
        answer.identify(message)
        answer.more_usage(message.get("usage"))
    elif what == "message_delta":
        answer.finish(mapping(event.get("delta")).get("stop_reason"))
        answer.more_usage(event.get("usage"))
    elif what == "message_stop":
        answer.ended = True


def _read_block(answer: Assembly, block: Mapping[str, Any], index: object) -> None:
    """A content block, whole or just begun. The input of a tool follows in deltas, so `{}` here means nothing yet."""
    answer.content(text(block.get("text")))
    answer.reasoning(text(block.get("thinking")))
    if block.get("type") == "tool_use":
        answer.tool_call(index, block.get("id"), block.get("name"), "")


def _read_delta(answer: Assembly, delta: Mapping[str, Any], index: object) -> None:
    answer.content(text(delta.get("text")))
    answer.reasoning(text(delta.get("thinking")))
    answer.tool_call(index, None, None, delta.get("partial_json"))
