"""JSON as providers send it: fast where it is well-formed, forgiving where it nearly is.

Everything that a provider sends is untyped until proven otherwise: `mapping`, `sequence` and `word` turn a value that
is not what it should be into an empty one, so that readers need no error handling of their own.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

WORD_CHARACTERS: Final = 256  # names, ids and reasons; the longest model name seen is under 100
# Brackets and commas: each may become an object of a hundred bytes, so that 8 MiB of `{},` would take a gigabyte.
MAX_PARTS: Final = 1_000_000
_COUNTED_BYTES: Final = MAX_PARTS  # shorter texts cannot hold more parts
_NOTHING: Final[Mapping[str, Any]] = {}


class JSONError(ValueError):
    """The bytes are not a JSON text, or one that nests deeper or has more parts than anyone means."""


def parse(data: bytes) -> Any:
    """The value of a JSON text. Raises JSONError and nothing else.

    What orjson refuses and servers written in Python send is taken: NaN, invalid UTF-8, half a surrogate pair.
    """
    if len(data) > _COUNTED_BYTES and sum(map(data.count, (b"{", b"[", b","))) > MAX_PARTS:
        raise JSONError
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    try:
        return _clean(json.loads(data.decode("utf-8", "replace")))
    except (ValueError, RecursionError) as error:
        raise JSONError from error


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


def _clean(value: Any) -> Any:
    """The value without lone surrogates, which no encoder takes."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return value
