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
from typing import Any, Final

from shadow.mirror.reasons import Ineligible
from shadow.wire.prices import ROUTING_VARIANTS

ROUTERS: Final = "openrouter/"
ALIAS: Final = "~"
DATED: Final = re.compile(r"-(?:20\d{6}|20\d\d-\d\d-\d\d)$")  # an answer names the dated release of what was asked for


@dataclass(frozen=True, slots=True)
class Mapped:
    """The candidate's model, the router's name that led to it, and the routing variants left aside."""

    model: str
    source: str
    variants: tuple[str, ...] = ()


def map_model(mapping: Mapping[str, str | None], body: Mapping[str, Any], answered: str | None) -> Mapped | Ineligible:
    """The candidate's model for a request, or why there is none.

    `mapping` goes by exact name first, then by glob in the order it is written; null excludes. `answered` is the
    model that the primary's answer names.
    """
    requested = body.get("model")
    requested = requested if isinstance(requested, str) and requested else None
    resolved = resolved_at_run_time(body)
    if requested is not None and requested in mapping and not _fell_back(body, requested, answered):
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


def _fell_back(body: Mapping[str, Any], requested: str, answered: str | None) -> bool:
    """Whether one of the request's fallbacks answered, or nobody can tell that none did."""
    return bool(body.get("models")) and (answered is None or _words(answered) != _words(requested))


def resolved_at_run_time(body: Mapping[str, Any]) -> bool:
    """Whether the router, not the request, chose the model."""
    model = body.get("model")
    if not isinstance(model, str) or not model or body.get("models"):
        return True
    return model.startswith((ROUTERS, ALIAS))


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
