"""Responses: `POST /responses`, whole and streamed. (OpenAI's and OpenRouter's API references; recorded exchanges.)

A stream ends with the whole answer inside its last event. Up to there the deltas are all there is, and they stand where
it never comes.
"""

from collections.abc import Mapping
from typing import Any, Final

from shadow.wire.assembly import Assembly
from shadow.wire.documents import mapping, sequence, text
from shadow.wire.errors import error_kind

_LAST: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})
_TEXT: Final = "response.output_text.delta"
_REASONING: Final = frozenset({"response.reasoning_text.delta", "response.reasoning_summary_text.delta"})


def read_body(answer: Assembly, body: Mapping[str, Any]) -> None:
    """The answer of a call that did not stream."""
    answer.identify(body)
    answer.usage(body.get("usage"))
    called = False
    for position, item in enumerate(map(mapping, sequence(body.get("output")))):
        called = _read_item(answer, item, position) or called
    _read_end(answer, body, called)


def read_event(answer: Assembly, event: Mapping[str, Any], kind: str | None) -> None:
    """One event of a stream: what it is stands in its `type`, and again in the `event:` field."""
    what = text(event.get("type")) or kind or ""
    if what == _TEXT:
        answer.content(text(event.get("delta")))
    elif what in _REASONING:
        answer.reasoning(text(event.get("delta")))
    elif what == "response.refusal.delta":
        answer.refusal(text(event.get("delta")))
    elif what == "response.function_call_arguments.delta":
        answer.tool_call(event.get("output_index"), None, None, event.get("delta"))
    elif what == "response.output_item.added":
        _read_call(answer, mapping(event.get("item")), event.get("output_index"))
    elif what in _LAST:
        answer.restart()
        answer.ended = True
        read_body(answer, mapping(event.get("response")))
    elif what == "response.created":
        answer.identify(mapping(event.get("response")))


def _read_item(answer: Assembly, item: Mapping[str, Any], position: int) -> bool:
    """One output item; tells whether it calls a function."""
    what = item.get("type")
    if what == "message":
        for part in map(mapping, sequence(item.get("content"))):
            answer.content(text(part.get("text")))
            answer.refusal(text(part.get("refusal")))
    elif what == "reasoning":
        for part in (*sequence(item.get("summary")), *sequence(item.get("content"))):
            answer.reasoning(text(mapping(part).get("text")))
    return _read_call(answer, item, position)


def _read_call(answer: Assembly, item: Mapping[str, Any], key: object) -> bool:
    if item.get("type") != "function_call":
        return False
    answer.tool_call(key, item.get("call_id"), item.get("name"), item.get("arguments"))
    return True


def _read_end(answer: Assembly, body: Mapping[str, Any], called: bool) -> None:
    """The status in the words of a finish reason; `in_progress` is none."""
    status = body.get("status")
    if status == "completed":
        answer.finish("tool_calls" if called else "stop")
    elif status == "incomplete":
        answer.finish(mapping(body.get("incomplete_details")).get("reason"))
    elif status == "failed":
        answer.finish("error")
        answer.error_kind = error_kind(None, body) or answer.error_kind
