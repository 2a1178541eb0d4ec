"""Token counts and stated costs, from the usage object of any provider.

Conventions differ and their names overlap. In OpenAI-style usage the cached tokens are part of `prompt_tokens` and the
reasoning tokens part of `completion_tokens`. Anthropic's `input_tokens` leaves the cached ones out; xAI's
`completion_tokens` leaves the reasoning ones out, which shows in the total. (The providers' API references; recorded
exchanges.)
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeGuard

from shadow.exchange import Exchange, Usage
from shadow.wire.assembly import Reading
from shadow.wire.documents import mapping
from shadow.wire.errors import ErrorKind
from shadow.wire.fragments import Amounts, exact_usage

ANOMALIES: Final = frozenset(
    {
        "usage_missing",  # an answer without any count
        "usage_malformed",  # a count that is not a non-negative whole number
        "usage_total_mismatch",  # the total is not the sum of its parts
        "usage_cached_exceeds_input",
        "usage_reasoning_exceeds_output",
        "cost_malformed",  # a stated cost that is not a non-negative amount
    }
)
MISSING: Final = Usage(anomalies=("usage_missing",))

MAX_TOKENS: Final = 1 << 40  # beyond any context; keeps sums of a billion rows inside 64 bits
MAX_EXPONENT: Final = 30  # no amount of money is further from one dollar; further out, arithmetic overflows
ZERO: Final = Decimal(0)
USD_PER_TICK: Final = Decimal("1e-10")  # xAI's `cost_in_usd_ticks`, by its API reference


def _places(*paths: str) -> tuple[tuple[str, str], ...]:
    """Where a count may stand: a member, and one inside it or none. Taken apart once, for all answers."""
    return tuple((outer, inner) for outer, _, inner in (path.partition(".") for path in paths))


_INPUT: Final = _places("prompt_tokens", "input_tokens")
_OUTPUT: Final = _places("completion_tokens", "output_tokens")
_TOTAL: Final = _places("total_tokens")
_CACHE_READ_INSIDE: Final = _places(  # part of the input
    "prompt_tokens_details.cached_tokens",
    "input_tokens_details.cached_tokens",
    "prompt_token_details.cached_tokens",
    "num_cached_tokens",
    "prompt_cache_hit_tokens",
    "cached_tokens",
)
_CACHE_WRITE_INSIDE: Final = _places(
    "prompt_tokens_details.cache_write_tokens", "input_tokens_details.cache_write_tokens"
)
_CACHED_INSIDE: Final = (*_CACHE_READ_INSIDE, *_CACHE_WRITE_INSIDE)
_CACHE_READ: Final = (*_CACHE_READ_INSIDE, *_places("cache_read_input_tokens"))
_CACHE_WRITE: Final = (*_CACHE_WRITE_INSIDE, *_places("cache_creation_input_tokens"))
_REASONING: Final = _places(
    "completion_tokens_details.reasoning_tokens",
    "output_tokens_details.reasoning_tokens",
    "reasoning_tokens",
)

_OPENAI: Final = {"prompt_tokens", "completion_tokens", "prompt_tokens_details", "completion_tokens_details"}
# Where other providers state the same, in other words or with another meaning.
_ELSEWHERE: Final = {outer for outer, _ in (*_INPUT, *_OUTPUT, *_CACHE_READ, *_CACHE_WRITE, *_REASONING)} - _OPENAI

# Where a charge may stand, and where with the caller's own key what the provider bills apart from it.
CHARGE: Final[Amounts] = {"cost": {"total_cost": {}}, "cost_in_usd_ticks": {}, "estimated_cost": {}}
BILLED_APART: Final[Amounts] = {**CHARGE, "cost_details": {"upstream_inference_cost": {}}}


class Reported(NamedTuple):
    """What an answer says that it cost, in US dollars, exactly as written. None where it does not say.

    At OpenRouter `cost` is what the account is charged. With `is_byok` it is the fee alone and the provider bills
    `upstream_inference_cost` apart; without it that amount is a part or a copy of `cost`, must not be added, and is not
    told.
    """

    cost: Decimal | None = None
    is_byok: bool | None = None
    upstream_inference_cost: Decimal | None = None


def read_usage(exchange: Exchange, reading: Reading) -> Usage:
    """The counts of an answer. One that was given and states none is missing them; an error owes none."""
    if reading.usage:
        return normalise(reading.usage)
    answered = exchange.status is not None and reading.error_kind in (None, ErrorKind.TRUNCATED)
    return MISSING if answered else Usage()


def normalise(usage: Mapping[str, Any]) -> Usage:
    """A provider's usage object as counts whose input includes cached tokens and whose output includes reasoning."""
    return _as_openai(usage) or _as_any(usage)


def _as_openai(usage: Mapping[str, Any]) -> Usage | None:
    """The counts where they are stated as OpenAI and OpenRouter do, and add up; None where `_as_any` must look.

    Nearly all are, and the general way looks in twenty places.
    """
    if not _ELSEWHERE.isdisjoint(usage):
        return None
    given, output, total = usage.get("prompt_tokens"), usage.get("completion_tokens"), usage.get("total_tokens")
    if not (_is_count(given) and _is_count(output) and _is_count(total) and total == given + output):
        return None
    of_given, of_output = mapping(usage.get("prompt_tokens_details")), mapping(usage.get("completion_tokens_details"))
    cache_read, cache_write = of_given.get("cached_tokens"), of_given.get("cache_write_tokens")
    reasoning = of_output.get("reasoning_tokens")
    for part, most in ((cache_read, given), (cache_write, MAX_TOKENS), (reasoning, output)):
        if part is not None and not (_is_count(part) and part <= most):
            return None
    return Usage(given, output, cache_read, cache_write, reasoning)


def _as_any(usage: Mapping[str, Any]) -> Usage:
    """The same by whatever convention: which one it is, names and sums tell."""
    counts = _Counts(usage)
    stated, total = counts.first(_INPUT), counts.first(_TOTAL)
    cache_read, cache_write = counts.first(_CACHE_READ), counts.first(_CACHE_WRITE)
    inside = counts.first(_CACHED_INSIDE) is not None
    given = stated if inside else _sum(stated, cache_read or 0, cache_write or 0)
    cached = (cache_read or 0) + (cache_write or 0)
    if not inside and total is not None and total == _sum(stated, counts.first(_OUTPUT)) and cached <= (stated or 0):
        given = stated  # the total says that what is named the way Anthropic does is counted the way OpenAI does
    output, reasoning = _output(counts, given, total)
    anomalies = [*counts.anomalies]
    if total is not None and _sum(given, output) not in (None, total) and _sum(stated, output) != total:
        anomalies.append("usage_total_mismatch")
    if given is not None and cache_read is not None and cache_read > given:
        anomalies.append("usage_cached_exceeds_input")
    if output is not None and reasoning is not None and reasoning > output:
        anomalies.append("usage_reasoning_exceeds_output")
    return Usage(given, output, cache_read, cache_write, reasoning, tuple(anomalies))


def _output(counts: "_Counts", given: int | None, total: int | None) -> tuple[int | None, int | None]:
    """The output with its reasoning, and the reasoning. The total tells what the output's own count leaves out."""
    output, reasoning = counts.first(_OUTPUT), counts.first(_REASONING)
    if total is None:
        return output, reasoning
    if output is None and total == given:
        return 0, reasoning  # an embedding: that nothing was generated is known, not missing
    if reasoning and total == _sum(given, output, reasoning):
        return _sum(output, reasoning), reasoning
    return output, reasoning


def reported(usage: Mapping[str, Any], source: bytes) -> Reported | None:
    """The cost that a usage object states, read again from `source`, the JSON text in which the object stands.

    It may be called `cost` (OpenRouter, and others after it), `cost_in_usd_ticks` (xAI) or `estimated_cost`
    (DeepInfra). None where none of these is there, or all are null.
    """
    if usage.get("cost") is None and usage.get("cost_in_usd_ticks") is None and usage.get("estimated_cost") is None:
        return None
    is_byok = usage.get("is_byok")
    if is_byok is not True:
        return Reported(_stated(exact_usage(source, usage, CHARGE)), is_byok if is_byok is False else None)
    exact = exact_usage(source, usage, BILLED_APART)
    return Reported(_stated(exact), True, _amount(mapping(exact.get("cost_details")).get("upstream_inference_cost")))


def _stated(exact: Mapping[str, Any]) -> Decimal | None:
    """The first amount that is one."""
    cost = exact.get("cost")
    amount = _amount(cost.get("total_cost") if isinstance(cost, dict) else cost)  # Perplexity itemises
    if amount is None and (ticks := _amount(exact.get("cost_in_usd_ticks"))) is not None:
        amount = ticks * USD_PER_TICK
    return _amount(exact.get("estimated_cost")) if amount is None else amount


class _Counts:
    """Looks counts up and notes those that are not counts."""

    def __init__(self, usage: Mapping[str, Any]) -> None:
        self._usage = usage
        self.anomalies: tuple[str, ...] = ()

    def first(self, places: tuple[tuple[str, str], ...]) -> int | None:
        """The count at the first of the places that has one."""
        for outer, inner in places:
            value = self._usage.get(outer)
            if value is not None and inner:
                value = mapping(value).get(inner)
            if value is None:
                continue
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            if _is_count(value):
                return value
            self.anomalies = ("usage_malformed",)
        return None


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_TOKENS


def _sum(*counts: int | None) -> int | None:
    """The sum of counts; None where one of them is unknown."""
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total


def _amount(value: object) -> Decimal | None:
    """A non-negative amount of money, None for anything else."""
    if value is None:
        return None
    if isinstance(value, float):  # the text could not be read again: its shortest form is the likeliest
        value = Decimal(repr(value))
    if isinstance(value, int) and not isinstance(value, bool):
        value = Decimal(value)
    if not isinstance(value, Decimal) or not value.is_finite() or value < ZERO:
        return None
    if not value:
        return ZERO
    return value if abs(value.adjusted()) <= MAX_EXPONENT else None
