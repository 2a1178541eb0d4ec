"""Which model of a candidate answers for which of the router's: the operator's model map, read as it is written.

Forms of a model's name on OpenRouter (its pages on model variants, routers and latest resolution): `vendor/model`,
with variants as suffixes (`:nitro`), `~vendor/model-latest` for an alias that is resolved at run time, `openrouter/…`
for routers, `@preset/…` for stored prompts. Routers, aliases and fallbacks (`models`) are mapped by the model that
answered.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache, partial
from typing import Any, Final

from shadow.mirror.reasons import Ineligible
from shadow.wire.documents import word
from shadow.wire.tariffs import ROUTING_VARIANTS

REMEMBERED: Final = 1024  # names of 256 characters at most: more than a team uses, and made-up ones push each other out
ROUTERS: Final = "openrouter/"
ALIAS: Final = "~"
DATED: Final = re.compile(r"-(?:20\d{6}|20\d\d-\d\d-\d\d)$")  # an answer names the dated release of what was asked for


@dataclass(frozen=True, slots=True)
class Mapped:
    """The candidate's model, the router's name that led to it, and the routing variants left aside."""

    model: str
    source: str
    variants: tuple[str, ...] = ()


class ModelMap:
    """The model map of one candidate, by exact name first, then by glob in the order it is written; null excludes."""

    def __init__(self, rows: Mapping[str, str | None]) -> None:
        self._remembered = lru_cache(maxsize=REMEMBERED)(partial(_map, rows))

    def of(self, requested: str | None, answered: str | None, *, fallbacks: bool) -> Mapped | Ineligible:
        """The candidate's model for a request, or why there is none. Remembered: nearly all name the same few.

        `requested` is the model that the request names, `answered` the one that the primary's answer names, and
        `fallbacks` tells whether the request lists others to try.
        """
        return self._remembered(requested, answered, fallbacks)


def _map(
    mapping: Mapping[str, str | None], requested: str | None, answered: str | None, fallbacks: bool
) -> Mapped | Ineligible:
    resolved = left_to_router(requested, fallbacks=fallbacks)
    if requested is not None and requested in mapping and not (fallbacks and _fell_back(requested, answered)):
        return _target(mapping[requested], requested, requested)  # said outright, for a router or an alias too
    source = answered if resolved else requested
    if source is None:
        return Ineligible.MODEL_UNMAPPED
    names = tuple(_spellings(source, dated=resolved))
    row = next((name for name in names if name in mapping), None)
    if row is None and resolved:
        row = next((name for name in mapping if _words(name) == _words(source)), None)
    if row is not None:
        return _target(mapping[row], row, requested)
    for pattern, target in mapping.items():
        if any(fnmatchcase(name, pattern) for name in names):
            return _target(target, source, requested)
    return Ineligible.MODEL_UNMAPPED


def _fell_back(requested: str, answered: str | None) -> bool:
    """Whether a fallback answered, or nobody can tell that none did."""
    return answered is None or _words(answered) != _words(requested)


def leaves_to_router(body: Mapping[str, Any]) -> bool:
    """Whether the router, not the request, chooses the model."""
    return left_to_router(word(body.get("model")), fallbacks=bool(body.get("models")))


def left_to_router(requested: str | None, *, fallbacks: bool) -> bool:
    """The same of what was read of the request: no model is named, several are, or one that stands for others is."""
    return requested is None or fallbacks or requested.startswith((ROUTERS, ALIAS))


def variants(model: str | None) -> tuple[str, ...]:
    """The suffixes of a model's name: ("nitro",) of `vendor/model:nitro`."""
    return tuple(model.split(":")[1:]) if model and ":" in model else ()


def _words(name: str) -> tuple[str, frozenset[str]]:
    """A model by its vendor and the words of its name: an answer has them in another order, and the release's date.

    `anthropic/claude-sonnet-4.5` is answered by `anthropic/claude-4.5-sonnet-20250929`.
    """
    *_, plain = _spellings(name, dated=True)
    vendor, _, model = plain.rpartition("/")
    return vendor, frozenset(re.split("[-:]", model))


def _spellings(name: str, *, dated: bool) -> Iterator[str]:
    """The name as it is, without routing variants, and, where it comes from an answer, without its date."""
    yield name
    base, *suffixes = name.split(":")
    kept = ":".join((base, *(suffix for suffix in suffixes if suffix not in ROUTING_VARIANTS)))
    if kept != name:
        yield kept
    if dated and DATED.search(kept):
        yield DATED.sub("", kept)


def _target(target: str | None, source: str, requested: str | None) -> Mapped | Ineligible:
    if target is None:
        return Ineligible.MODEL_EXCLUDED
    routed = tuple(suffix for suffix in variants(requested) if suffix in ROUTING_VARIANTS)
    return Mapped(target, source, routed)
