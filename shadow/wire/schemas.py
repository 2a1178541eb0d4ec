"""Whether a JSON value fits the JSON schema that a request asked for. Pure, and bounded in time and size.

Schemas come from clients and answers from providers, so that each may be made to take for ever: references that
double at every level, patterns that backtrack, lists compared with lists. What would take longer than the bounds allow
is not judged, and the reason says so. (JSON Schema 2020-12; structured outputs in OpenAI's API reference.)
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import regex
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry

from shadow.wire.documents import as_json

SCHEMA_CHARACTERS: Final = 64 << 10  # those that providers take are below 15,000 (OpenAI: 5,000 properties, 10 levels)
VALUE_CHARACTERS: Final = 256 << 10  # of the answer: beyond what any model gives at once
STEPS: Final = 10_000  # a keyword at one place of the value: a tenth of a second, in a process that others need
PATTERN_STEPS: Final = 500  # what one pattern costs of these
PATTERN_S: Final = 0.002  # and how long it may take: backtracking is cut off there
# Keywords that the library checks by ways that no bound here reaches: it would search with patterns of its own making.
UNBOUNDED: Final = ('"patternProperties"', '"unevaluatedProperties"', '"unevaluatedItems"')

Checks = Callable[[Any, Any, Any, Mapping[str, Any]], Iterator[ValidationError] | None]


class UncheckedError(Exception):
    """The value was not judged; the text is the word for why."""


@dataclass(slots=True)
class _Allowance:
    """What is left to spend on one value."""

    steps: int = STEPS

    def spend(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise UncheckedError("schema_too_costly")


def fits(value: Any, schema: Any, characters: int) -> bool:
    """Whether the value fits the schema; `characters` is how long its text was. Raises UncheckedError."""
    said = as_json(schema)
    if not isinstance(schema, dict | bool) or not said:
        raise UncheckedError("schema_unusable")
    if len(said) > SCHEMA_CHARACTERS or characters > VALUE_CHARACTERS:
        raise UncheckedError("schema_too_large")
    if any(keyword in said for keyword in UNBOUNDED):
        raise UncheckedError("schema_unbounded")
    validator = _bounded(_Allowance())(schema, registry=Registry())  # an empty one: nothing is fetched
    try:
        return next(validator.iter_errors(value), None) is None
    except UncheckedError:
        raise
    except RecursionError as error:
        raise UncheckedError("schema_too_costly") from error
    except Exception as error:  # whatever a schema that is none makes the library trip over
        raise UncheckedError("schema_unusable") from error


def _bounded(allowance: _Allowance) -> Any:
    """A validator class that spends an allowance."""
    checks = {keyword: _counted(check, allowance) for keyword, check in Draft202012Validator.VALIDATORS.items()}
    checks["pattern"] = _pattern(allowance)
    return extend(Draft202012Validator, checks)  # type: ignore[no-untyped-call]


def _counted(check: Checks, allowance: _Allowance) -> Checks:
    def counted(validator: Any, said: Any, value: Any, schema: Mapping[str, Any]) -> Iterator[ValidationError]:
        wide = len(said) if isinstance(said, list | dict) else 0  # an enumeration is searched, properties looked for
        long = len(value) if isinstance(value, list) else 0
        allowance.spend(1 + wide // 8 + (long * long // 64 if schema.get("uniqueItems") else 0))
        yield from check(validator, said, value, schema) or ()

    return counted


def _pattern(allowance: _Allowance) -> Checks:
    def pattern(_validator: Any, said: Any, value: Any, _schema: Mapping[str, Any]) -> Iterator[ValidationError]:
        if not isinstance(value, str):
            return
        allowance.spend(PATTERN_STEPS)
        try:
            found = regex.search(said, value, timeout=PATTERN_S)
        except TimeoutError as error:
            raise UncheckedError("schema_too_costly") from error
        if found is None:
            yield ValidationError("it does not match the pattern")

    return pattern
