"""Runs of events that are alike but for one piece of text: of each only the text is read.

Most events of a stream repeat the one before to the byte, around a few characters of new text. That such an event adds
its text and no more is not assumed but tried, once a run: with another text in its place and read on its own, it must
add that text to an answer. What it says besides, such as the model's name, was said by the one before.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

import orjson

from shadow.exchange import Answer
from shadow.wire.assembly import Assembly, Token
from shadow.wire.sse import SSEParser

_BLANK_LINE: Final = b"\n\n"  # with the end of the line before it
_PROBE: Final = b"a piece of text"
_TOKENS: Final[Mapping[Answer, Token]] = {
    Answer(text=_PROBE.decode()): Token.CONTENT,
    Answer(reasoning=_PROBE.decode()): Token.REASONING,
}
_MAX_TEXT_BYTES: Final = 4096  # pieces are a few characters; bounds how far a text and its end are looked for
_FIRST_STRIDE_BYTES: Final = 256
_MAX_STRIDE_BYTES: Final = 4096  # parsed between two attempts to begin a run, where attempts fail


def text_under(*keys: str) -> re.Pattern[bytes]:
    """What finds a text that is not empty under one of these keys, and its quotes.

    A quote inside a JSON string is escaped, so what looks like a key is one.
    """
    return re.compile(rb'"(?:%s)":\s?("(?!")[^"\\]*(?:\\.[^"\\]*)*")' % "|".join(keys).encode())


class Run:
    """The run that a stream is in, if any.

    `text` finds the text in an event, None where no two events are alike. `read` reads one event on its own, from its
    bytes in a stream; None where it cannot be read.
    """

    def __init__(self, text: re.Pattern[bytes] | None, read: Callable[[bytes], Assembly | None]) -> None:
        self._text = text
        self._read = read
        self._before = self._after = b""  # the text in the event that began the run, with a quote each
        self._token: Token | None = None  # what the text is, once that was tried
        self._stride = 0

    def follow(self, answer: Assembly, parser: SSEParser, data: bytes, at: int) -> int:
        """Read the events from `at` on that continue the run, in the place of the parser; returns where they end."""
        before, after, offset = self._before, self._after, parser.offset - at
        if not before or not data.startswith(before, at) or (self._token is None and not self._tried()):
            return at
        to_text, to_end, left = len(before) - 1, len(after) - 1, parser.events_left
        texts: list[str] = []
        ends: list[int] = []
        while data.startswith(before, at) and len(ends) < left:
            start = at + to_text
            stop = data.find(after, start + 1, start + _MAX_TEXT_BYTES) + 1
            try:
                text = orjson.loads(data[start:stop])
            except orjson.JSONDecodeError:
                break
            if not text:
                break  # an event without a text may be read otherwise
            at = stop + to_end
            texts.append(text)
            ends.append(offset + at)
        if self._token is not None and ends:
            answer.pieces(self._token, texts, ends)
            parser.skip(ends[-1], len(ends))
            self._stride = 0
        return at

    def stretch(self, data: bytes, at: int) -> int:
        """Where what is to be parsed next ends: at the end of an event."""
        end = -1 if self._text is None else data.find(_BLANK_LINE, at + self._stride)
        return len(data) if end < 0 else end + len(_BLANK_LINE)

    def begin(self, parsed: bytes) -> None:
        """These events were parsed and read: the last of them may begin a run."""
        if self._text is None:
            return
        self._stride = min(2 * self._stride + _FIRST_STRIDE_BYTES, _MAX_STRIDE_BYTES)
        event = parsed.removesuffix(_BLANK_LINE).rpartition(_BLANK_LINE)[2] + _BLANK_LINE
        found = self._text.search(event, 0, _MAX_TEXT_BYTES)
        before, after = (event[: found.start(1) + 1], event[found.end(1) - 1 :]) if found else (b"", b"")
        if (before, after) != (self._before, self._after):
            self._before, self._after, self._token = before, after, None

    def _tried(self) -> bool:
        """Whether the text is all that each of the events adds. If not there is no run, now and later."""
        alone = self._read(self._before + _PROBE + self._after)
        self._token = None if alone is None else _TOKENS.get(alone.reading().answer)
        if self._token is None:
            self._before, self._text = b"", None
        return self._token is not None
