"""How alike two answers to one request are, as far as it can be told without a judge.

Each question is asked of both answers where it can be: a candidate that gives broken JSON where the primary does too is
no worse for it. What could not be judged within bounds is left open, with a word for why.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from rapidfuzz.distance import Indel

from shadow.exchange import Agreement, Observation, ToolCall
from shadow.wire.documents import JSONError, mapping, parse

NOTES: Final = frozenset(
    {
        "text_cut",  # of texts longer than TEXT_CHARACTERS, that many characters were compared
        "schema_missing",  # a schema was asked for, and did not reach the candidate: its dialect does not take one
        "schema_unusable",  # it is no schema, or refers to one elsewhere
        "schema_too_large",
        "schema_too_costly",  # to judge the answer by it takes longer than it may
        "schema_unbounded",  # it uses a keyword of which nobody can say how long it takes
    }
)
TEXT_CHARACTERS: Final = 8000  # 1.3 ms; time grows with the square, and how answers differ shows early in them

_JSON_FEATURES: Final = ("json_object", "json_schema")


@dataclass(frozen=True, slots=True)
class _Validity:
    """Whether an answer is the JSON that was asked for, and fits the schema. None where nothing was, or tells."""

    json: bool | None = None
    schema: bool | None = None


def agreement(primary: Observation, replay: Observation, request: bytes = b"") -> Agreement:
    """The primary's answer and the replay's; `request` is the body that was replayed. Pure.

    None where a question does not arise, such as tool calls where neither made any.
    """
    notes: set[str] = set()
    ones, others = primary.answer.tool_calls, replay.answer.tool_calls
    asked = _Asked.of(primary, request)
    first, second = asked.of_answer(primary, notes), asked.of_answer(replay, notes)
    return Agreement(
        finish_reason_same=_same_reason(primary.finish_reason, replay.finish_reason),
        tool_calls_same=_same_calls(ones, others),
        json_valid=second.json,
        text_similarity=_similarity(primary.answer.text, replay.answer.text, notes),
        tool_names_same=_same_names(ones, others),
        schema_valid=second.schema,
        refused=_refused(replay),
        primary_json_valid=first.json,
        primary_schema_valid=first.schema,
        primary_refused=_refused(primary),
        notes=tuple(sorted(notes)),
    )


def _same_reason(one: str | None, other: str | None) -> bool | None:
    return None if one is None or other is None else one == other


def _same_names(ones: Sequence[ToolCall], others: Sequence[ToolCall]) -> bool | None:
    """Whether the same functions were called, whatever with; parallel calls have no order."""
    if not ones and not others:
        return None
    return sorted(call.name or "" for call in ones) == sorted(call.name or "" for call in others)


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


def _similarity(one: str, other: str, notes: set[str]) -> float | None:
    """The share of characters that both texts have in common, in order: 1 for the same text, near 0 for another.

    None where neither says anything. (Normalised Indel similarity.)
    """
    if not one and not other:
        return None
    if max(len(one), len(other)) > TEXT_CHARACTERS:
        notes.add("text_cut")
    return float(Indel.normalized_similarity(one[:TEXT_CHARACTERS], other[:TEXT_CHARACTERS]))


def _refused(seen: Observation) -> bool | None:
    """Whether the model declined, in words of its own or by its provider's filter. None where nothing tells."""
    if seen.answer.refusal or seen.finish_reason == "content_filter":
        return True
    return None if seen.finish_reason is None else False


@dataclass(frozen=True, slots=True)
class _Asked:
    """The form in which a request wanted its answer."""

    formats: frozenset[str] = frozenset()
    schema: Any = None
    known: bool = False  # the schema reached the candidate

    @classmethod
    def of(cls, primary: Observation, request: bytes) -> "_Asked":
        formats = primary.features.intersection(_JSON_FEATURES)
        if "json_schema" not in formats:
            return cls(formats)
        try:
            chosen = mapping(mapping(parse(request)).get("response_format")) if request else {}
        except JSONError:
            chosen = {}
        stated = mapping(chosen.get("json_schema"))
        return cls(formats, stated.get("schema"), "schema" in stated)

    def of_answer(self, seen: Observation, notes: set[str]) -> _Validity:
        """Whether one answer is what was asked for; a tool call, an error or a refusal is not asked."""
        if not self.formats or seen.error_kind or seen.answer.tool_calls or seen.answer.refusal:
            return _Validity()
        try:
            value = parse(seen.answer.text.encode("utf-8", "replace"))
        except JSONError:
            return _Validity(json=False, schema=False if self.known else None)
        valid = isinstance(value, dict) or "json_object" not in self.formats
        return _Validity(valid, self._fits(value, len(seen.answer.text), notes))

    def _fits(self, value: Any, characters: int, notes: set[str]) -> bool | None:
        if "json_schema" not in self.formats:
            return None
        if not self.known:
            notes.add("schema_missing")
            return None
        from shadow.wire.schemas import UncheckedError, fits  # noqa: PLC0415 (6 MB that most recorders never need)

        try:
            return fits(value, self.schema, characters)
        except UncheckedError as error:
            notes.add(str(error))
            return None
