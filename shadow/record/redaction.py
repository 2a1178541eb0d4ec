"""Takes out of text what the configured patterns match, in bounded time whatever the text is.

RE2 looks through a text in time proportional to its length, whatever the pattern, where Python's `re` may take longer
than anybody lives. It does so for each match, though, and matches may be many: so all looking has a budget; once it is
spent, a text ends at its first match.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

REPLACEMENT: Final = "[redacted]"
# Bytes that may be looked at for one body: two thousand matches in a megabyte, every second byte of 30 kB. Two
# seconds at most, by patterns of the slowest kind, and milliseconds by ordinary ones.
BUDGET_BYTES: Final = 1 << 30
ESCAPE: Final = re.compile(r"\\u([0-9a-fA-F]{4})")
STRUCTURE: Final = '"\\'  # whose escapes hold a JSON text together


def compiled(patterns: Iterable[str]) -> tuple[Any, ...]:
    """Patterns of a configuration, ready for use. RE2 is loaded by the first."""
    if not patterns:
        return ()
    import re2  # noqa: PLC0415 (few configurations have patterns)

    return tuple(map(re2.compile, patterns))


class Redaction:
    """The `compiled` patterns at work on the texts of one body."""

    def __init__(self, patterns: tuple[Any, ...], budget: int = BUDGET_BYTES) -> None:
        self.count = 0  # of what was replaced
        self.exhausted = False  # whether a text has lost its rest
        self._patterns = patterns
        self._budget = budget

    def clean(self, text: str) -> str:
        """The text without what a pattern matches, also where that is hidden behind JSON's escapes.

        A text with such escapes, a tool call's arguments for one, only loses them where they hide something: a match,
        or the rest of one, as some programs write `+` as an escape.
        """
        if not self._patterns:
            return text
        cleaned, count = self._replaced(text)
        if "\\u" in text:
            unescaped, more = self._replaced(without_escapes(text))
            if more and unescaped != without_escapes(cleaned):
                cleaned, count = unescaped, more
        self.count += count
        return cleaned

    def _replaced(self, text: str) -> tuple[str, int]:
        data, count = text.encode("utf-8", "replace"), 0
        for pattern in self._patterns:
            data, more = self._without(pattern, data)
            count += more
        return data.decode("utf-8", "replace"), count

    def _without(self, pattern: Any, data: bytes) -> tuple[bytes, int]:
        """Each match replaced, and how many there were; without the rest, where the budget ends."""
        pieces: list[bytes] = []
        kept = count = 0
        self._budget -= len(data)
        for match in pattern.finditer(data):
            start, end = match.span()
            if start < end:  # else it is between two characters: there is nothing to replace
                pieces += (data[kept:start], REPLACEMENT.encode())
                kept = end
                count += 1
            self._budget -= len(data) - end  # the next one may be looked for up to the end
            if self._budget < 0:
                self.exhausted = True
                return b"".join((*pieces, data[kept:end])), count
        return b"".join((*pieces, data[kept:])), count


def without_escapes(text: str) -> str:
    r"""A text in which `\u00fc` is written as the character that it stands for: still JSON where it was."""
    plain = ESCAPE.sub(_character, text)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _character(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return escape[0] if character < " " or character in STRUCTURE else character
