"""How alike two answers to one request are, as far as it can be told without a judge."""

from collections.abc import Sequence
from typing import Any, Final

from shadow.exchange import Agreement, Observation, ToolCall
from shadow.wire.documents import JSONError, parse

_JSON_FEATURES: Final = ("json_object", "json_schema")


def agreement(primary: Observation, replay: Observation) -> Agreement:
    """The primary's answer and the replay's. None where a question does not arise; text is not compared yet."""
    return Agreement(
        finish_reason_same=_same_reason(primary.finish_reason, replay.finish_reason),
        tool_calls_same=_same_calls(primary.answer.tool_calls, replay.answer.tool_calls),
        json_valid=_json_valid(primary, replay),
    )


def _same_reason(one: str | None, other: str | None) -> bool | None:
    return None if one is None or other is None else one == other


def _same_calls(ones: Sequence[ToolCall], others: Sequence[ToolCall]) -> bool | None:
    """Whether the same functions were called with the same arguments; parallel calls have no order."""
    if not ones and not others:
        return None
    if len(ones) != len(others):
        return False
    left = [(call.name, _arguments(call)) for call in others]
    for call in ones:
        arguments = _arguments(call)
        twin = next(
            (at for at, (name, other) in enumerate(left) if name == call.name and _same(arguments, other)), None
        )
        if twin is None:
            return False
        del left[twin]
    return True


def _arguments(call: ToolCall) -> Any:
    """The arguments as a JSON value, or as their text where they are none. No arguments are `{}`, or nothing at all."""
    try:
        return parse(call.arguments.encode("utf-8", "replace")) if call.arguments.strip() else {}
    except JSONError:
        return call.arguments


def _same(one: Any, other: Any) -> bool:
    try:
        return same_json(one, other)
    except RecursionError:  # nested as no function's arguments are
        return False


def same_json(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same: 1 is 1.0, true is not 1, and members have no order."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    return bool(one == other)


def _json_valid(primary: Observation, replay: Observation) -> bool | None:
    """Whether the replay gave JSON where the request asked for it; a tool call or an error is not asked."""
    asked = primary.features.intersection(_JSON_FEATURES)
    if not asked or replay.error_kind or replay.answer.tool_calls:
        return None
    try:
        value = parse(replay.answer.text.encode("utf-8", "replace"))
    except JSONError:
        return False
    return isinstance(value, dict) or "json_object" not in asked
