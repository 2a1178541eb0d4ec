"""JSON as providers send it: fast where it is well-formed, forgiving where it nearly is, exact where it is money.

Everything that a provider sends is untyped until proven otherwise: `mapping`, `sequence` and `word` turn a value that
is not what it should be into an empty one, so that readers need no error handling of their own.
"""

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any, Final

import orjson

WORD_CHARACTERS: Final = 256  # names, ids and reasons; the longest model name seen is under 100
_NOTHING: Final[Mapping[str, Any]] = {}
# How many places are tried for what may stand in several, and how long a usage object, or what stands between it and
# an end, may be: real ones are under 10 kB. Unbounded, a body of nothing but such keys would cost its length squared.
_USAGE: Final = re.compile(rb'"usage"\s*:\s*(?=\{)')
_PLACES: Final = 16
_PIECE_BYTES: Final = 64 << 10
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)  # one that never ends goes to the end
_EXACT: Final = json.JSONDecoder(parse_float=Decimal)


class JSONError(ValueError):
    """The bytes are not a JSON text, or one that nests deeper than anyone means."""


def parse(data: bytes) -> Any:
    """The value of a JSON text. Raises JSONError and nothing else.

    What orjson refuses and servers written in Python send is taken: NaN, invalid UTF-8, half a surrogate pair.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    try:
        return _clean(json.loads(data.decode("utf-8", "replace")))
    except (ValueError, RecursionError) as error:
        raise JSONError from error


def exact_usage(data: bytes, usage: Mapping[str, Any]) -> Mapping[str, Any]:
    """`usage`, which stands somewhere in the JSON text `data`, with its fractions as the Decimals that were written.

    A float would turn a price into its neighbour. Only the usage object is parsed again, not the whole answer. `usage`
    may hold more than stands there, where a stream says it in halves.
    """
    for candidate, _ in _usages(data):
        if all(_rounded(value) == usage.get(key) for key, value in candidate.items() if _is_plain(value)):
            return {**usage, **candidate}
    return usage


def usage_in_fragment(data: bytes) -> Mapping[str, Any]:
    """The usage of a JSON object of which only the end is there; exact, and empty where there is none.

    A usage object deeper inside counts something else, such as one of several models: what follows it tells its depth.
    """
    found = (usage for usage, end in _usages(data) if _depth(data[end:]) == (-1, 0))
    return next(found, _NOTHING)


def word_in_fragment(data: bytes, key: str) -> str | None:
    """The string under a key of a JSON object of which only the beginning is there; None where there is none."""
    places = re.finditer(rb'"%s"\s*:\s*"([^"\\]{1,%d})"' % (key.encode(), WORD_CHARACTERS), data)
    found = (place[1] for place in islice(places, _PLACES) if _depth(data[: place.start()]) == (1, 0))
    return next((value.decode("utf-8", "replace") for value in found), None)


def _depth(piece: bytes) -> tuple[int, int] | None:
    """How many more objects and lists a piece of a JSON text opens than it closes; None for a piece that is too long."""
    if len(piece) > _PIECE_BYTES:
        return None
    bare = _STRING.sub(b"", piece)
    return bare.count(b"{") - bare.count(b"}"), bare.count(b"[") - bare.count(b"]")


def mapping(value: object) -> Mapping[str, Any]:
    """The value where it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else _NOTHING


def sequence(value: object) -> Sequence[Any]:
    """The value where it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else ()


def text(value: object) -> str:
    """The value where it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def as_json(value: object) -> str:
    """A value as JSON text; empty for what has none, such as a number beyond 64 bits."""
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        return ""


def word(value: object) -> str | None:
    """The value where it is a string that says something, cut to a length that a column and a label can bear."""
    return value[:WORD_CHARACTERS] if isinstance(value, str) and value else None


def _usages(data: bytes) -> Iterator[tuple[Mapping[str, Any], int]]:
    """The usage objects in a JSON text and where they end, the last one first.

    A quote inside a string is escaped, so a key is a key. Latin-1 keeps characters and bytes in step.
    """
    places = deque((found.end() for found in _USAGE.finditer(data)), maxlen=_PLACES)
    for start in reversed(places):
        try:
            usage, length = _EXACT.raw_decode(data[start : start + _PIECE_BYTES].decode("latin-1"))
        except (ValueError, RecursionError):
            continue
        yield mapping(usage), start + length


def _is_plain(value: object) -> bool:
    return value is not None and not isinstance(value, dict | list)


def _rounded(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else value


def _clean(value: Any) -> Any:
    """The value without lone surrogates, which no encoder takes."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return value
