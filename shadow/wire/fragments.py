"""What a JSON text tells without being parsed as a whole: amounts exactly as written, and the ends of a cut answer.

A quote inside a JSON string is escaped, so what looks like a key is one. Whose key it is, its depth tells.
"""

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import Any, Final

from shadow.wire.documents import WORD_CHARACTERS, mapping

Amounts = Mapping[str, "Amounts"]  # members that may be amounts, and of those that are objects, theirs; {} has none

# How many places are tried for what may stand in several, and how long a usage object, or what stands between it and
# an end, may be: real ones are under 10 kB. Unbounded, a body of nothing but such keys would cost its length squared.
_PLACES: Final = 16
_PIECE_BYTES: Final = 64 << 10

_USAGE: Final = re.compile(rb'"usage"\s*:\s*(?=\{)')
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)  # one that never ends goes to the end
_NUMBER: Final = re.compile(rb"\s*:\s*(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)")
_EXACT: Final = json.JSONDecoder(parse_float=Decimal)


def exact_usage(data: bytes, usage: Mapping[str, Any], amounts: Amounts) -> Mapping[str, Any]:
    """`usage`, which stands somewhere in the JSON text `data`, with its `amounts` as the Decimals that were written.

    A float would turn a price into its neighbour. `usage` may hold more than stands there, where a stream says it in
    halves.
    """
    exact = _where_unmistakable(data, usage, amounts) if len(data) <= _PIECE_BYTES else None
    if exact is not None:
        return exact
    for candidate, _ in _usages(data):
        plain = {key: value for key, value in candidate.items() if isinstance(value, Decimal | int)}
        if plain and all(_rounded(value) == usage.get(key) for key, value in plain.items()):
            return {**usage, **candidate}
    return usage


def _where_unmistakable(data: bytes, usage: Mapping[str, Any], amounts: Amounts) -> Mapping[str, Any] | None:
    """The same without parsing it again, where each amount has a key that stands in the text once; else None."""
    exact = dict(usage)
    for key in amounts.keys() & usage.keys():
        value = usage[key]
        if isinstance(value, float):
            exact[key] = _only_number(data, key, value)
        elif isinstance(value, dict):
            exact[key] = _where_unmistakable(data, value, amounts[key])
        if exact[key] is None and value is not None:
            return None
    return exact


def _only_number(data: bytes, key: str, rounded: float) -> Decimal | None:
    """The fraction under a key that stands in the text once, as it is written."""
    quoted = b'"%s"' % key.encode()
    at = data.find(quoted)
    if at < 0 or data.find(quoted, at + 1) >= 0:
        return None
    found = _NUMBER.match(data, at + len(quoted))
    return Decimal(found[1].decode()) if found is not None and float(found[1]) == rounded else None


def usage_in_fragment(data: bytes) -> Mapping[str, Any]:
    """The usage of a JSON object of which only the end is there; exact, and empty where there is none.

    A usage object deeper inside counts something else, such as one of several models: what follows it tells its depth.
    """
    found = (usage for usage, end in _usages(data) if _depth(data[end:]) == (-1, 0))
    return next(found, {})


def word_in_fragment(data: bytes, key: str) -> str | None:
    """The string under a key of a JSON object of which only the beginning is there; None where there is none."""
    places = re.finditer(rb'"%s"\s*:\s*"([^"\\]{1,%d})"' % (key.encode(), WORD_CHARACTERS), data)
    found = (place[1] for place in islice(places, _PLACES) if _depth(data[: place.start()]) == (1, 0))
    return next((value.decode("utf-8", "replace") for value in found), None)


def _usages(data: bytes) -> Iterator[tuple[Mapping[str, Any], int]]:
    """The usage objects in a JSON text and where they end, the last one first."""
    places = deque((found.end() for found in _USAGE.finditer(data)), maxlen=_PLACES)
    for start in reversed(places):
        try:
            # Latin-1: a character a byte, so that lengths are those of the bytes; nothing but numbers is looked at
            usage, length = _EXACT.raw_decode(data[start : start + _PIECE_BYTES].decode("latin-1"))
        except (ValueError, RecursionError):
            continue
        yield mapping(usage), start + length


def _depth(piece: bytes) -> tuple[int, int] | None:
    """How many more objects, and lists, a piece of a JSON text opens than it closes; None for too long a piece."""
    if len(piece) > _PIECE_BYTES:
        return None
    bare = _STRING.sub(b"", piece)
    return bare.count(b"{") - bare.count(b"}"), bare.count(b"[") - bare.count(b"]")


def _rounded(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else value
