"""What was done to a request, noted while it is rewritten: each fact once, in order, bounded."""

import re
from dataclasses import dataclass, field
from typing import Final

from shadow.exchange import Rewrite

MAX_NOTES: Final = 48  # of a kind: more fields than OpenRouter documents; a hostile body must not swell a row
PLAIN_PATH: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.\[\]-]{0,79}")
ODD: Final = "(odd name)"  # a field whose name is no identifier: it may hold anything, so it is not written down
MAX_CHARACTERS: Final = 300  # two model names and an arrow

# Every caveat a pair may carry.
TAGS: Final = frozenset(
    {
        "prompt-cache",  # cache markers were dropped: prices of cached prompts differ
        "samplers",  # sampling parameters were dropped
        "stop",
        "seed",
        "tool-choice",
        "verbosity",
        "tier-mismatch",  # the primary ran on another service tier
        "context-compression",  # the router may have shortened the primary's prompt
        "response-healing",  # the router may have repaired the primary's JSON
        "checks",  # the router checked the primary's prompt or answer
        "routed",  # the router chose the primary's model: a router, an alias or a list of fallbacks
        "variant-nitro",
        "variant-floor",
        "variant-exacto",
        "reasoning-history",  # reasoning of earlier turns was dropped
        "reasoning-effort",  # the dialect has no such effort: the nearest was asked for
        "output-cap",  # the answer was bounded, for the sake of a budget, where the primary's was not
        "response-format",  # the endpoint heeds no response format
        "annotations",  # citations and parsed files of earlier turns were dropped
        "text-parts",  # text in parts was joined
        "stored",  # replayed from what was kept, long after the primary answered
        "redacted",  # what was kept, and so what was sent or compared, has redactions
    }
)


@dataclass(slots=True)
class Notes:
    """Collects a `Rewrite`. Dictionaries serve as ordered sets."""

    _mapped: dict[str, None] = field(default_factory=dict)
    _dropped: dict[str, None] = field(default_factory=dict)
    _tags: dict[str, None] = field(default_factory=dict)

    def map(self, what: str) -> None:
        self._mapped.setdefault(what[:MAX_CHARACTERS])

    def drop(self, path: str, tag: str | None = None) -> None:
        """Note a dropped field by its path, such as `messages[].name`, and what that does to the pair."""
        self._dropped.setdefault(path if PLAIN_PATH.fullmatch(path) else ODD)
        self.tag(tag)

    def tag(self, tag: str | None) -> None:
        if tag is not None:
            self._tags.setdefault(tag)

    def rewrite(self) -> Rewrite:
        kept = (tuple(notes)[:MAX_NOTES] for notes in (self._mapped, self._dropped, self._tags))
        return Rewrite(*kept)
