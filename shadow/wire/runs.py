"""Runs of events that are alike but for one piece of text: of each only the text is read.

Most events of a stream repeat the one before to the byte, around a few characters of new text. That such an event adds
its text and no more is not assumed but tried, once a run: with another text in its place and read on its own, it must
add that text to an answer. What it says besides, such as the model's name, was said by the one before.
"""

import re
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Final

import orjson

from shadow.exchange import Answer
from shadow.wire.assembly import Assembly
from shadow.wire.sse import SSEParser

_BLANK_LINE: Final = b"\n\n"  # with the end of the line before it
_PROBE: Final = b"a piece of text"
_THOUGHT: Final[Mapping[Answer, bool]] = {
    Answer(text=_PROBE.decode()): False,
    Answer(reasoning=_PROBE.decode()): True,
}
_MAX_TEXT_BYTES: Final = 4096  # pieces are a few characters; bounds how far the first of them is looked for
# Of a stream, what is taken apart at once: twice as much each time, so that a run of one event does not cost much.
_FIRST_WINDOW_BYTES: Final = 4096
_MAX_WINDOW_BYTES: Final = 64 << 10
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
        self._thought: bool | None = None  # whether the text is thought aloud or said, once that was tried
        self._stride = 0

    def follow(self, answer: Assembly, parser: SSEParser, data: bytes, at: int) -> int:
        """Read the events from `at` on that continue the run, in the place of the parser; returns where they end."""
        if not self._before or not data.startswith(self._before, at) or not self._tried():
            return at
        around, window = len(self._before) + len(self._after) + len(_BLANK_LINE), _FIRST_WINDOW_BYTES
        while contents := self._contents(data[at : at + window])[: parser.events_left]:
            said = _said(contents)
            if said is None:
                break  # one of them is left to the parser, and those before it with it
            ends = list(accumulate([around + len(content) for content in contents], initial=parser.offset))
            answer.pieces(said, ends[1:], thought=self._thought is True)
            parser.skip(ends[-1], len(contents))
            at += ends[-1] - ends[0]
            window = min(2 * window, _MAX_WINDOW_BYTES)
            self._stride = 0
        return at

    def _contents(self, window: bytes) -> list[bytes]:
        """What stands between the quotes of each text, as far as the run goes; an empty one may be read otherwise."""
        before, after, contents = self._before, self._after, []
        for event in window.split(_BLANK_LINE)[:-1]:
            content = event[len(before) : -len(after)]
            if not (content and event.startswith(before) and event.endswith(after)):
                break
            contents.append(content)
        return contents

    def stretch(self, data: bytes, at: int) -> int:
        """Where what is to be parsed next ends: at the end of an event."""
        end = -1 if self._text is None else data.find(_BLANK_LINE, at + self._stride)
        return len(data) if end < 0 else end + len(_BLANK_LINE)

    def begin(self, parsed: bytes) -> None:
        """These events were parsed and read: the last of them may begin a run."""
        if self._text is None:
            return
        self._stride = min(2 * self._stride + _FIRST_STRIDE_BYTES, _MAX_STRIDE_BYTES)
        event = parsed.removesuffix(_BLANK_LINE).rpartition(_BLANK_LINE)[2]
        found = self._text.search(event, 0, _MAX_TEXT_BYTES)
        before, after = (event[: found.start(1) + 1], event[found.end(1) - 1 :]) if found else (b"", b"")
        if (before, after) != (self._before, self._after):
            self._before, self._after, self._thought = before, after, None

    def _tried(self) -> bool:
        """Whether the text is all that each of the events adds. If not there is no run, now and later."""
        if self._thought is not None:
            return True
        alone = self._read(self._before + _PROBE + self._after + _BLANK_LINE)
        self._thought = None if alone is None else _THOUGHT.get(alone.answer())
        if self._thought is None:
            self._before, self._text = b"", None
        return self._thought is not None


def _said(contents: list[bytes]) -> str | None:
    """What JSON strings say together, from what stands between their quotes; None where one of these is no such thing.

    They are read as one array. No string may hold the line ends between them, so none runs on into the next; one that
    ends early, at a quote of its own, makes the array longer, or puts something into it that is no string.
    """
    try:
        strings = orjson.loads(b'["%s"]' % b'",\n"'.join(contents))
        return "".join(strings) if len(strings) == len(contents) else None
    except (orjson.JSONDecodeError, TypeError):
        return None
