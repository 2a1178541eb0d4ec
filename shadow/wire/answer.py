"""The answer of a model call, read from its bytes, whatever they turn out to be.

What the bytes are is told from the bytes: providers send JSON as event streams and event streams as JSON, and proxies
send HTML as either.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from shadow.exchange import Exchange, Outcome
from shadow.wire import chat, completions, embeddings, messages, responses
from shadow.wire.assembly import Assembly, Reading
from shadow.wire.decoding import Decoded
from shadow.wire.documents import JSONError, mapping, parse
from shadow.wire.errors import ErrorKind, by_status, error_kind
from shadow.wire.fragments import usage_in_fragment, word_in_fragment
from shadow.wire.request import Endpoint
from shadow.wire.runs import Run, text_under
from shadow.wire.sse import Event, SSEParser

ANOMALIES: Final = frozenset(
    {
        "capture_cut",  # the middle of the answer was not kept
        "undecodable",  # a content coding that is unknown, not installed, or not what the bytes are
        "too_large",  # it decodes to more than is read
        "line_too_long",
        "event_too_long",
        "too_many_events",
        "malformed_event",  # data that is not JSON
        "html_page",  # a proxy spoke, not the provider's API
        "end_missing",  # a finish reason came, but neither usage nor the stream's own end
        "finish_missing",  # the stream's own end came, but no finish reason
    }
)
UNREADABLE: Final = frozenset(
    {"capture_cut", "undecodable", "too_large", "line_too_long", "event_too_long", "too_many_events"}
)

_PADDING: Final = b"\xef\xbb\xbf \t\r\n"  # a byte order mark, and what is sent to keep a connection alive
_STREAM_STARTS: Final = (b"data:", b"event:", b"id:", b"retry:", b":")
_BLANK_LINES: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")


@dataclass(frozen=True, slots=True)
class _Reader:
    body: Callable[[Assembly, Mapping[str, Any]], None]
    event: Callable[[Assembly, Mapping[str, Any], str | None], None]
    text: re.Pattern[bytes] | None = None  # finds it in an event; None where no two events are alike but for it


_READERS: Final = {
    Endpoint.CHAT: _Reader(chat.read_body, chat.read_event, text_under("content", "reasoning_content")),
    Endpoint.COMPLETIONS: _Reader(completions.read_body, completions.read_event, text_under("text")),
    Endpoint.EMBEDDINGS: _Reader(embeddings.read_body, embeddings.read_event),
    Endpoint.RESPONSES: _Reader(responses.read_body, responses.read_event),
    Endpoint.MESSAGES: _Reader(messages.read_body, messages.read_event, text_under("text", "thinking")),
}


def read_answer(exchange: Exchange, endpoint: Endpoint, decoded: Decoded) -> Reading:
    """What the answer says and what is wrong with it; `decoded` is its body without the content coding."""
    answer, reader = Assembly(), _READERS[endpoint]
    if decoded.problem:
        answer.note(decoded.problem)
    if not exchange.response_body.whole:
        answer.note("capture_cut")
    start = decoded.head.lstrip(_PADDING)
    if start.startswith(_STREAM_STARTS):
        _read_stream(answer, reader, decoded, exchange)
    elif start.startswith((b"{", b"[")):
        _read_document(answer, reader, start, decoded.tail, exchange.status)
    elif start:
        _read_page(answer, start)
    answer.error_kind = _kind(exchange, answer)
    if exchange.outcome is Outcome.COMPLETE and UNREADABLE.isdisjoint(answer.anomalies):
        answer.error_kind = answer.error_kind or _flaw(answer, endpoint)
        _note_loose_ends(answer)
    return answer.reading()


def _read_document(answer: Assembly, reader: _Reader, head: bytes, tail: bytes, status: int | None) -> None:
    """A JSON body, or as much of it as is there."""
    try:
        document = parse(head)
    except JSONError:
        answer.malformed = True
        _read_fragments(answer, head, tail or head)
        return
    answer.error_kind = error_kind(status, document)
    answer.malformed = not isinstance(document, dict)
    answer.at(head)
    reader.body(answer, mapping(document))


def _read_fragments(answer: Assembly, head: bytes, end: bytes) -> None:
    """Who answered and what it cost, from a body whose middle or end is missing."""
    answer.identify({key: word_in_fragment(head, key) for key in ("id", "model", "provider")})
    answer.at(end)
    answer.usage(usage_in_fragment(end))


def _read_page(answer: Assembly, start: bytes) -> None:
    """What no API says: a proxy's page, or plain text."""
    answer.malformed = True
    if start.startswith(b"<"):
        answer.note("html_page")


def _read_stream(answer: Assembly, reader: _Reader, decoded: Decoded, exchange: Exchange) -> None:
    """An event stream, or as much of it as is there."""
    answer.streamed = True
    whole = exchange.response_body.whole and not decoded.problem
    _read_events(answer, reader, SSEParser(), decoded.head, ends=whole, cut=exchange.outcome is not Outcome.COMPLETE)
    if decoded.tail:
        skipped = _to_next_event(decoded.tail)
        parser = SSEParser(decoded.tail_at + skipped)
        _read_events(answer, reader, parser, decoded.tail[skipped:], ends=True, cut=False)


def _read_events(answer: Assembly, reader: _Reader, parser: SSEParser, data: bytes, *, ends: bool, cut: bool) -> None:
    """The events of one piece of a stream. Half an event at the end of a stream that was `cut` is nothing odd."""
    run, at = Run(reader.text, partial(_read_alone, reader)), 0
    while at < len(data) and not parser.gave_up:
        at = run.follow(answer, parser, data, at)
        piece = data[at : run.stretch(data, at)]
        unread = [event for event in parser.feed(piece) if not _read_event(answer, reader, event)]
        if unread:
            answer.note("malformed_event")
        else:  # what an event of a run says besides its text was said by the one before, if that was read
            run.begin(piece)
        at += len(piece)
    for event in parser.close() if ends else ():
        if not _read_event(answer, reader, event) and not cut:
            answer.note("malformed_event")
    if parser.gave_up:
        answer.note(parser.gave_up)


def _read_event(answer: Assembly, reader: _Reader, event: Event) -> bool:
    """Read one event; False where its data is neither JSON nor one of the words that stand for nothing more."""
    if not event.data or event.data.startswith(b"[DONE]"):
        answer.ended = answer.ended or bool(event.data)
        return True
    try:
        document = parse(event.data)
    except JSONError:
        return False
    answer.error_kind = answer.error_kind or error_kind(None, document)
    answer.at(event.data, event.end)
    reader.event(answer, mapping(document), event.kind)
    return True


def _read_alone(reader: _Reader, data: bytes) -> Assembly | None:
    """What one event says by itself; None where it cannot be read."""
    answer, events = Assembly(), SSEParser().feed(data)
    return answer if len(events) == 1 and _read_event(answer, reader, events[0]) else None


def _to_next_event(tail: bytes) -> int:
    """Where in a piece of a stream the first event begins that is there from its beginning."""
    starts = [found + len(blank) for blank in _BLANK_LINES if (found := tail.find(blank)) >= 0]
    return min(starts, default=len(tail))


def _kind(exchange: Exchange, answer: Assembly) -> ErrorKind | None:
    """What went wrong, the best witness first: the answer's words, its status, its last word, how it broke."""
    if answer.error_kind:
        return answer.error_kind
    if exchange.status is not None and not 200 <= exchange.status < 300:
        return by_status(exchange.status)
    if answer.finish_reason == "error":
        return ErrorKind.SERVER_ERROR
    if exchange.outcome is Outcome.UPSTREAM_TRUNCATED:
        return ErrorKind.TRUNCATED
    if exchange.outcome is Outcome.UPSTREAM_FAILED:
        return ErrorKind.NO_ANSWER
    return None


def _flaw(answer: Assembly, endpoint: Endpoint) -> ErrorKind | None:
    """What is wrong with an answer of which every byte is there."""
    if answer.malformed:
        return ErrorKind.MALFORMED
    if answer.finish_reason:
        return None
    if answer.streamed and not answer.ended:
        return ErrorKind.TRUNCATED  # it says neither that it is over nor why
    if answer.silent and endpoint is not Endpoint.EMBEDDINGS:
        return ErrorKind.EMPTY  # a cold start at some providers
    return None


def _note_loose_ends(answer: Assembly) -> None:
    """What a good stream left unsaid about its end."""
    if answer.error_kind or not answer.streamed:
        return
    if answer.finish_reason is None:
        answer.note("finish_missing")
    elif not answer.ended and not answer.counted:
        answer.note("end_missing")
