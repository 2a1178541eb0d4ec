"""One answer, put together from whatever a provider sent: a whole body, or the events of a stream in order.

The readers of the endpoints write into an `Assembly` in words that all endpoints share; what comes out is a frozen
`Reading`. Of models, providers and ids the first is kept, of usages and finish reasons the last.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from shadow.exchange import Answer, ToolCall
from shadow.wire.documents import text, word
from shadow.wire.errors import ErrorKind

# What providers call the same end, in OpenAI's words. Others stay as sent.
FINISH_REASONS: Final = {
    "end_turn": "stop",  # Anthropic
    "stop_sequence": "stop",
    "eos": "stop",  # Together
    "completed": "stop",  # Responses
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",  # Mistral
    "tool_use": "tool_calls",
    "function_call": "tool_calls",  # OpenAI before tools
    "refusal": "content_filter",
}
MAX_TOOL_CALLS: Final = 1024  # no model calls more at once; keeps hostile indexes from costing memory


class Reading(NamedTuple):
    """What an answer says, before it is counted, priced and timed.

    `usage` is the provider's own object and `usage_source` the JSON text it stood in. `deltas` tells at which offsets
    of the stream content, reasoning, or a piece of a tool call had come: what a user sees begin. `anomalies` names what
    was odd about the bytes, from `shadow.wire.answer.ANOMALIES`.
    """

    response_model: str | None = None
    provider: str | None = None
    generation_id: str | None = None
    service_tier: str | None = None
    finish_reason: str | None = None
    error_kind: ErrorKind | None = None
    usage: Mapping[str, Any] = MappingProxyType({})
    usage_source: bytes = b""
    answer: Answer = Answer()
    deltas: tuple[int, ...] = ()
    streamed: bool = False
    anomalies: tuple[str, ...] = ()


@dataclass(slots=True)
class _Call:
    """A tool call as it grows."""

    id: str | None = None
    name: str | None = None
    arguments: list[str] = field(default_factory=list)


class Assembly:
    """Collects one answer. `at(source, offset)` says which text is read next; the rest says what it says."""

    def __init__(self) -> None:
        self.response_model: str | None = None
        self.provider: str | None = None
        self.generation_id: str | None = None
        self.service_tier: str | None = None
        self.finish_reason: str | None = None
        self.error_kind: ErrorKind | None = None
        self.streamed = False  # it came as events
        self.ended = False  # its stream said that it was over
        self.malformed = False  # it is not what the endpoint is documented to send
        self.anomalies: list[str] = []
        self._source = b""
        self._offset = 0
        self._usage: dict[str, Any] = {}
        self._usage_source = b""
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._calls: dict[int | str | None, _Call] = {}  # those that may still grow
        self._all_calls: list[_Call] = []
        self._deltas: list[int] = []
        self._repeating = False

    def at(self, source: bytes, offset: int = 0) -> None:
        """What follows stands in this JSON text, which was complete at this offset of the answer."""
        self._source = source
        self._offset = offset

    def note(self, anomaly: str) -> None:
        """Something is odd about the bytes; odd twice is odd once."""
        if anomaly not in self.anomalies:
            self.anomalies.append(anomaly)

    def identify(self, document: Mapping[str, Any]) -> None:
        """Who answered; empty fields, as in Azure's first chunk, say nothing."""
        if self.generation_id is None:
            self.generation_id = word(document.get("id"))
        if self.response_model is None:
            self.response_model = word(document.get("model"))
        if self.provider is None:
            self.provider = word(document.get("provider"))
        if "service_tier" in document:  # what was asked for first, what was given last
            self.service_tier = word(document["service_tier"]) or self.service_tier

    def content(self, piece: str) -> None:
        """More of the answer's text."""
        if piece:
            self._content.append(piece)
            self._mark()

    def reasoning(self, piece: str) -> None:
        """More of what the model thought aloud."""
        if piece:
            self._reasoning.append(piece)
            self._mark()

    def pieces(self, said: str, offsets: Iterable[int], *, thought: bool) -> None:
        """More of the answer's text or of what was thought aloud, in pieces complete at these offsets."""
        (self._reasoning if thought else self._content).append(said)
        if not self._repeating:
            self._deltas.extend(offsets)

    def refusal(self, piece: str) -> None:
        """More of the text with which the model declines: for whoever waits, it is text like any other."""
        if piece:
            self._refusal.append(piece)
            self._mark()

    def tool_call(self, key: object, call_id: object, name: object, arguments: object) -> None:
        """More of the tool call at `key`. Another id together with a name begins another call at the same key."""
        call_id, called, more = word(call_id), word(name), text(arguments)
        if not (called or more):
            return
        key = key if isinstance(key, int | str) else None
        call = self._calls.get(key)
        if call is None or (called and call_id and call.id not in (None, call_id)):
            if len(self._all_calls) >= MAX_TOOL_CALLS:
                return
            call = self._calls[key] = _Call()
            self._all_calls.append(call)
        call.id = call.id or call_id
        call.name = call.name or called
        call.arguments.append(more)
        self._mark()

    def finish(self, reason: object) -> None:
        """Why the model stopped. Said again, the last word holds; never counted twice."""
        said = word(reason)
        if said:
            self.finish_reason = FINISH_REASONS.get(said, said)

    def usage(self, usage: object) -> None:
        """The usage so far, which replaces any before it: cumulative and repeated counts come out right."""
        if isinstance(usage, dict) and usage:
            self._usage = usage
            self._usage_source = self._source

    def more_usage(self, usage: object) -> None:
        """More of the usage, where a stream says the input's first and the output's last."""
        if isinstance(usage, dict):
            self.usage({**self._usage, **{key: value for key, value in usage.items() if value is not None}})

    def restart(self) -> None:
        """Forget what was said: the whole of it follows. When it was said stays known, and is not said again."""
        self._repeating = bool(self._deltas)
        self._content, self._reasoning, self._refusal = [], [], []
        self._calls, self._all_calls = {}, []

    @property
    def silent(self) -> bool:
        """Whether nothing at all was said."""
        return not self._deltas

    @property
    def counted(self) -> bool:
        """Whether there was any usage."""
        return bool(self._usage)

    def _mark(self) -> None:
        if not self._repeating:
            self._deltas.append(self._offset)

    def reading(self) -> Reading:
        """What has been said so far."""
        return Reading(  # in the order of its fields: named, they take twice as long
            self.response_model,
            self.provider,
            self.generation_id,
            self.service_tier,
            self.finish_reason,
            self.error_kind,
            self._usage,
            self._usage_source,
            self.answer(),
            tuple(self._deltas),
            self.streamed,
            tuple(self.anomalies),
        )

    def answer(self) -> Answer:
        """Its texts and tool calls so far."""
        calls = [ToolCall(call.name, "".join(call.arguments), call.id) for call in self._all_calls]
        refusal = "".join(self._refusal) or None
        return Answer("".join(self._content), "".join(self._reasoning), refusal, tuple(calls))
