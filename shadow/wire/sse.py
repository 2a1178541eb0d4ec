"""An incremental parser of event streams, over bytes, by the WHATWG grammar (HTML standard, section 9.2.6).

Lines end in CR, LF or CRLF; a byte order mark may come first; comments and unknown fields are skipped. Lines are cut
before anything is decoded, so a character that was split between two network chunks is whole again when it is read.
Two things differ from a browser: an event whose blank line never came is not thrown away, because a provider that
closes early still said it, and `id` and `retry` mean nothing here.
"""

from typing import Final, NamedTuple

# One image in base64 is one line. Twice what is captured of an answer by default: more cannot be an event of one.
MAX_LINE_BYTES: Final = 16 << 20
MAX_EVENT_BYTES: Final = 16 << 20
MAX_EVENTS: Final = 100_000  # three times the tokens of the longest answers; a flood of empty ones takes no longer

_BOM: Final = b"\xef\xbb\xbf"
_COLON: Final = 0x3A


class Event(NamedTuple):
    """One event: its data, its `event:` field if it has one, and the offset in the stream at which it was complete."""

    data: bytes
    kind: str | None
    end: int


class SSEParser:
    """Feed it bytes as they come, close it at the end; both return the events that this completed.

    `gave_up` says why nothing more is read: `line_too_long`, `event_too_long` or `too_many_events`. Nothing raises.
    `start` is the offset of the first byte that it will see.
    """

    def __init__(
        self,
        start: int = 0,
        max_line_bytes: int = MAX_LINE_BYTES,
        max_event_bytes: int = MAX_EVENT_BYTES,
        max_events: int = MAX_EVENTS,
    ) -> None:
        self.gave_up: str | None = None
        self._max_line_bytes = max_line_bytes
        self._max_event_bytes = max_event_bytes
        self.events_left = max_events
        self.offset = start
        self._at_start = start == 0
        self._after_cr = False
        self._line: list[bytes] = []  # pieces of a line that has not ended
        self._line_bytes = 0
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._kind: str | None = None

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete."""
        events: list[Event] = []
        if self.gave_up:
            return events
        if self._after_cr and data[:1] == b"\n":  # the second half of a CRLF whose CR ended a line already
            data = data[1:]
            self.offset += 1
            self._after_cr = False
        for piece in data.splitlines(keepends=True):
            line = piece.rstrip(b"\r\n")
            if len(line) == len(piece):
                self._keep(line)
            else:
                self._end_line(line, self.offset + len(line) + 1, events)
            if self.gave_up:
                break
            self.offset += len(piece)
        if data:
            self._after_cr = data.endswith(b"\r")
        return events

    def skip(self, end: int, count: int) -> None:
        """Go on behind so many events that were read without it, between two events, up to this offset."""
        self.offset = end
        self.events_left -= count

    def close(self) -> list[Event]:
        """The event, if any, that the end of the stream completes although its blank line never came."""
        events: list[Event] = []
        if self._line:
            self._end_line(b"", self.offset, events)
        if not self.gave_up:
            self._dispatch(self.offset, events)
        return events

    def _keep(self, piece: bytes) -> None:
        """The beginning of a line, or more of it."""
        self._line.append(piece)
        self._line_bytes += len(piece)
        if self._line_bytes > self._max_line_bytes:
            self._give_up("line_too_long")

    def _end_line(self, line: bytes, end: int, events: list[Event]) -> None:
        if self._line:
            line = b"".join((*self._line, line))
            self._line = []
            self._line_bytes = 0
        if self._at_start:
            line = line.removeprefix(_BOM)
            self._at_start = False
        if not line:
            self._dispatch(end, events)
        elif len(line) > self._max_line_bytes:
            self._give_up("line_too_long")
        elif line[0] != _COLON:  # which begins a comment
            self._take(line)

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            value = value.removeprefix(b" ")
            self._data.append(value)
            self._data_bytes += len(value) + 1
            if self._data_bytes > self._max_event_bytes:
                self._give_up("event_too_long")
        elif name == b"event":
            self._kind = value.removeprefix(b" ").decode("utf-8", "replace") or None

    def _dispatch(self, end: int, events: list[Event]) -> None:
        if self._data:
            self.events_left -= 1
            if self.events_left < 0:
                self._give_up("too_many_events")
                return
            events.append(Event(b"\n".join(self._data), self._kind, end))
            self._data = []
            self._data_bytes = 0
        self._kind = None

    def _give_up(self, reason: str) -> None:
        self.gave_up = reason
        self._line = []
        self._data = []
