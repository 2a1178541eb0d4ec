"""The answer of a model call, read from its bytes, whatever they turn out to be.

What the bytes are is told from the bytes: providers send JSON as event streams and event streams as JSON, and proxies
send HTML as either.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from shadow.exchange import Exchange, Outcome
from shadow.wire import chat, completions, embeddings, messages, responses
from shadow.wire.assembly import Assembly, Reading
from shadow.wire.decoding import Decoded
from shadow.wire.documents import mapping, parse, usage_in_fragment, word_in_fragment
from shadow.wire.errors import ErrorKind, by_status, error_kind
from shadow.wire.request import Endpoint
from shadow.wire.sse import Event, SSEParser

ANOMALIES: Final = frozenset(
    {
        "capture_cut",  # the middle of the answer was not kept
        "undecodable",  # a content coding that is unknown, not installed, or not what the bytes are
        "too_large",  # it decodes to more than is read
        "line_too_long",
        "event_too_long",
        "malformed_event",  # data that is not JSON
        "html_page",  # a proxy spoke, not the provider's API
        "end_missing",  # a finish reason came, but neither usage nor the stream's own end
        "finish_missing",  # the stream's own end came, but no finish reason
    }
)
_UNREADABLE: Final = frozenset({"capture_cut", "undecodable", "too_large", "line_too_long", "event_too_long"})

_PADDING: Final = b"\xef\xbb\xbf \t\r\n"  # a byte order mark, and what is sent to keep a connection alive
_STREAM_STARTS: Final = (b"data:", b"event:", b"id:", b"retry:", b":")
_BLANK_LINES: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")


@dataclass(frozen=True, slots=True)
class _Reader:
    body: Callable[[Assembly, Mapping[str, Any]], None]
    event: Callable[[Assembly, Mapping[str, Any], str | None], None]


_READERS: Final = {
    Endpoint.CHAT: _Reader(chat.read_body, chat.read_event),
    Endpoint.COMPLETIONS: _Reader(completions.read_body, completions.read_event),
    Endpoint.EMBEDDINGS: _Reader(embeddings.read_body, embeddings.read_event),
    Endpoint.RESPONSES: _Reader(responses.read_body, responses.read_event),
    Endpoint.MESSAGES: _Reader(messages.read_body, messages.read_event),
}


def read_answer(exchange: Exchange, endpoint: Endpoint, decoded: Decoded) -> Reading:
    """What the answer says and what is wrong with it; `decoded` is its body without the content coding."""
    answer, reader = Assembly(), _READERS[endpoint]
    anomalies = [decoded.problem] if decoded.problem else []
    if not exchange.response_body.whole:
        anomalies.append("capture_cut")
    start = decoded.head.lstrip(_PADDING)
    flaw = None
    if start.startswith(_STREAM_STARTS):
        anomalies += _read_stream(answer, reader, decoded, exchange)
        flaw = _flaw_of_stream(answer)
    elif start.startswith((b"{", b"[")):
        flaw = _read_document(answer, reader, decoded, exchange.status)
    elif start:
        anomalies += ["html_page"] if start.startswith(b"<") else []
        flaw = ErrorKind.MALFORMED
    reading = answer.reading()
    flaw = flaw or _flaw_of_content(reading, endpoint)
    kind = _kind(exchange, reading, None if _UNREADABLE.intersection(anomalies) else flaw)
    if answer.streamed and kind is None and exchange.outcome is Outcome.COMPLETE:
        anomalies += _loose_ends(reading)
    return replace(reading, error_kind=kind, anomalies=tuple(dict.fromkeys(anomalies)))


def _kind(exchange: Exchange, reading: Reading, flaw: ErrorKind | None) -> ErrorKind | None:
    """What went wrong, the best witness first: the answer's words, its status, how it ended, what is missing in it."""
    if reading.error_kind:
        return ErrorKind(reading.error_kind)
    if exchange.status is not None and not 200 <= exchange.status < 300:
        return by_status(exchange.status)
    if reading.finish_reason == "error":
        return ErrorKind.SERVER_ERROR
    if exchange.outcome is Outcome.UPSTREAM_TRUNCATED:
        return ErrorKind.TRUNCATED
    if exchange.outcome is Outcome.UPSTREAM_FAILED:
        return ErrorKind.NO_ANSWER
    return flaw if exchange.outcome is Outcome.COMPLETE else None


def _read_document(answer: Assembly, reader: _Reader, decoded: Decoded, status: int | None) -> ErrorKind | None:
    """A JSON body, or as much of it as is there."""
    try:
        document = parse(decoded.head)
    except ValueError:
        _read_fragments(answer, decoded)
        return ErrorKind.MALFORMED
    answer.error_kind = error_kind(status, document)
    if isinstance(document, dict):
        answer.at(decoded.head)
        reader.body(answer, document)
        return None
    return ErrorKind.MALFORMED


def _read_fragments(answer: Assembly, decoded: Decoded) -> None:
    """Who answered and what it cost, from a body whose middle or end is missing."""
    answer.identify({key: word_in_fragment(decoded.head, key) for key in ("id", "model", "provider")})
    end = decoded.tail or decoded.head
    answer.at(end)
    answer.usage(usage_in_fragment(end))


def _read_stream(answer: Assembly, reader: _Reader, decoded: Decoded, exchange: Exchange) -> list[str]:
    """An event stream, or as much of it as is there; returns the anomalies."""
    parser = SSEParser()
    anomalies = _read_events(answer, reader, parser.feed(decoded.head))
    if exchange.response_body.whole:
        rest = _read_events(answer, reader, parser.close())
        anomalies += rest if exchange.outcome is Outcome.COMPLETE else []  # else the cut explains them
    elif decoded.tail:
        tail, start = _from_next_event(decoded.tail)
        parser = SSEParser(decoded.tail_at + start)
        anomalies += _read_events(answer, reader, [*parser.feed(tail), *parser.close()])
    answer.streamed = True
    return [*anomalies, parser.gave_up] if parser.gave_up else anomalies


def _read_events(answer: Assembly, reader: _Reader, events: Iterable[Event]) -> list[str]:
    anomalies: list[str] = []
    for event in events:
        if event.data.startswith(b"[DONE]"):
            answer.ended = True
            continue
        try:
            document = parse(event.data)
        except ValueError:
            anomalies += ["malformed_event"] if event.data else []
            continue
        answer.error_kind = answer.error_kind or error_kind(None, document)
        answer.at(event.data, event.end)
        reader.event(answer, mapping(document), event.kind)
    return anomalies


def _from_next_event(tail: bytes) -> tuple[bytes, int]:
    """A piece of a stream from its first event that is there from the beginning, and where in the piece that is."""
    starts = [found + len(blank) for blank in _BLANK_LINES if (found := tail.find(blank)) >= 0]
    start = min(starts, default=len(tail))
    return tail[start:], start


def _flaw_of_stream(answer: Assembly) -> ErrorKind | None:
    """A stream that says neither that it is over nor why did not end: it stopped."""
    return None if answer.ended or answer.finish_reason else ErrorKind.TRUNCATED


def _flaw_of_content(reading: Reading, endpoint: Endpoint) -> ErrorKind | None:
    """A cold start at some providers: an answer in form without a word, a token or a reason."""
    said = reading.answer
    if endpoint is Endpoint.EMBEDDINGS or reading.finish_reason:
        return None
    if said.text or said.reasoning or said.refusal or said.tool_calls:
        return None
    return ErrorKind.EMPTY


def _loose_ends(reading: Reading) -> list[str]:
    """What a good stream left unsaid about its end."""
    if not reading.ended and not reading.usage:
        return ["end_missing"]
    return [] if reading.finish_reason else ["finish_missing"]
