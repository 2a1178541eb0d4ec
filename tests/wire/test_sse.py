"""The event-stream parser: the WHATWG grammar, however the bytes are cut."""

import re
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.wire.sse import Event, SSEParser

CASES = {
    "nothing": (b"", []),
    "one event": (b"data: a\n\n", [Event(b"a", None, 9)]),
    "carriage returns": (b"data: a\r\rdata: b\r\r", [Event(b"a", None, 9), Event(b"b", None, 18)]),
    "carriage return and line feed": (b"data: a\r\n\r\n", [Event(b"a", None, 10)]),
    "mixed line ends": (b"data: a\r\ndata: b\n\r\n", [Event(b"a\nb", None, 18)]),
    "several lines of data": (b"data: a\ndata: b\ndata\n\n", [Event(b"a\nb\n", None, 22)]),
    "no space after the colon": (b"data:a\n\n", [Event(b"a", None, 8)]),
    "only one space is removed": (b"data:  a\n\n", [Event(b" a", None, 10)]),
    "byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [Event(b"a", None, 12)]),
    "byte order mark on a blank line": (b"\xef\xbb\xbf\ndata: a\n\n", [Event(b"a", None, 13)]),
    "byte order mark elsewhere": (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [Event(b"a", None, 9)]),
    "comments": (b": PROCESSING\n\ndata: a\n: between\ndata: b\n\n", [Event(b"a\nb", None, 41)]),
    "named event": (b"event: ping\ndata: {}\n\ndata: a\n\n", [Event(b"{}", "ping", 22), Event(b"a", None, 31)]),
    "a name without data is forgotten": (b"event: ping\n\ndata: a\n\n", [Event(b"a", None, 22)]),
    "unknown fields": (b"id: 7\nretry: 10\ndatum: x\nDATA: x\ndata: a\n\n", [Event(b"a", None, 42)]),
    "empty data": (b"data\n\ndata:\n\n", [Event(b"", None, 6), Event(b"", None, 13)]),
    "a colon in the data": (b"data: a: b\n\n", [Event(b"a: b", None, 12)]),
    "other separators are no line ends": (
        b"data: a\x0b\x0c\x1c\xc2\x85\xe2\x80\xa8b\n\n",
        [Event(b"a\x0b\x0c\x1c\xc2\x85\xe2\x80\xa8b", None, 18)],
    ),
    "characters of several bytes": ("data: é 漢 🙂\n\n".encode(), [Event("é 漢 🙂".encode(), None, 19)]),
    "no blank line at the end": (b"data: a\n\ndata: b\n", [Event(b"a", None, 9), Event(b"b", None, 17)]),
    "no line end at the end": (b"data: a\n\ndata: b", [Event(b"a", None, 9), Event(b"b", None, 16)]),
    "a comment at the end": (b"data: a\n\n: bye", [Event(b"a", None, 9)]),
}
NAMES = list(CASES)


def parse(pieces: Iterable[bytes]) -> list[Event]:
    """All events of a stream that comes in these pieces."""
    parser = SSEParser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    return events + parser.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_in_one_piece(name: str) -> None:
    """The grammar, case by case, with the offset at which each event was complete."""
    stream, events = CASES[name]
    assert parse([stream]) == events


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_byte_by_byte(name: str) -> None:
    """The same events and offsets come out when every byte comes alone."""
    stream, events = CASES[name]
    assert parse(stream[at : at + 1] for at in range(len(stream))) == events


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_split_anywhere(name: str) -> None:
    """The same events and offsets come out wherever the stream is cut in two."""
    stream, events = CASES[name]
    for at in range(len(stream) + 1):
        assert parse([stream[:at], stream[at:]]) == events, at


def test_an_event_is_out_as_soon_as_it_is_complete() -> None:
    """An event is not held back until the next one begins, nor until a line feed follows its carriage return."""
    parser = SSEParser()
    assert parser.feed(b"data: a\r\n\r") == [Event(b"a", None, 10)]
    assert parser.feed(b"\ndata: b\n\n") == [Event(b"b", None, 20)]


def test_offsets_start_where_the_stream_is_joined() -> None:
    """A parser that sees the end of a stream counts from where that end begins."""
    assert SSEParser(start=1000).feed(b"data: a\n\n") == [Event(b"a", None, 1009)]


@pytest.mark.parametrize("pieces", [[b"data: " + b"x" * 20], [b"data: " + b"x" * 20 + b"\n"], [b"x"] * 20])
def test_a_line_beyond_the_bound_ends_the_reading(pieces: list[bytes]) -> None:
    """A line is not collected for ever: what was complete is returned, then nothing more, and the reason is told."""
    parser = SSEParser(max_line_bytes=16)
    assert parser.feed(b"data: a\n\n") == [Event(b"a", None, 9)]
    for piece in pieces:
        assert parser.feed(piece) == []
    assert parser.gave_up == "line_too_long"
    assert parser.feed(b"\n\ndata: b\n\n") == []
    assert parser.close() == []


def test_an_event_beyond_the_bound_ends_the_reading() -> None:
    """An event of endless lines is not collected for ever."""
    parser = SSEParser(max_event_bytes=16)
    assert parser.feed(b"data: 12345\n" * 4 + b"\n") == []
    assert parser.gave_up == "event_too_long"


def test_events_beyond_the_bound_end_the_reading() -> None:
    """A flood of tiny events is not read to its end; those before the bound count."""
    parser = SSEParser(max_events=2)
    assert [event.data for event in parser.feed(b"data: a\n\n" * 3)] == [b"a", b"a"]
    assert parser.gave_up == "too_many_events"


def reference(stream: bytes) -> list[tuple[bytes, str | None]]:
    """The same grammar, written the way the standard reads, over a whole stream at once."""
    events, data, kind = [], b"", b""
    for line in [*re.split(rb"\r\n|\n|\r", stream.removeprefix(b"\xef\xbb\xbf")), b""]:
        if line:
            name, _, value = line.partition(b":")
            value = value[1:] if value[:1] == b" " else value
            data += value + b"\n" if name == b"data" else b""
            kind = value if name == b"event" else kind
        else:
            events += [(data[:-1], kind.decode("utf-8", "replace") or None)] if data else []
            data, kind = b"", b""
    return events


words = st.sampled_from(
    [b"data", b"event", b"id", b"", b"x", b":", b": ", b" ", b"\r", b"\n", b"\r\n", "é🙂".encode(), b"\xff"]
)


@given(st.lists(words | st.binary(max_size=3), max_size=40), st.lists(st.integers(0, 120), max_size=6), st.booleans())
def test_any_bytes_in_any_pieces_read_as_the_standard_says(words: list[bytes], cuts: list[int], mark: bool) -> None:
    """Whatever the bytes and the cuts, the events are those of a plain reading of the grammar."""
    stream = b"\xef\xbb\xbf" * mark + b"".join(words)
    ends = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    events = parse(stream[start:end] for start, end in pairwise(ends))
    assert [(event.data, event.kind) for event in events] == reference(stream)
    assert [event.end for event in events] == sorted(event.end for event in events)
