"""Prices of tokens, and what a call comes to at one: an operator's own, or one that a catalogue states as plainly."""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from shadow.config import Price, Prices
from shadow.exchange import UNKNOWN_COST, Cost, CostSource, Usage
from shadow.wire.usage import ZERO

MILLION: Final = Decimal(1_000_000)
# Variants that choose among a model's endpoints. Others (`:thinking`, `:extended`) are models with prices of their own,
# and `:online` adds searches that no token price covers.
ROUTING_VARIANTS: Final = frozenset({"nitro", "floor", "exacto"})
NAME_CHARACTERS: Final = 256  # longer than any model's name: what a client makes up is not looked up


def in_force(prices: Prices, names: Sequence[str], day: date) -> Price | None:
    """The configured price that holds on a UTC day for the first name that has one; the latest to begin wins."""
    for name in spellings(names):
        begun = [price for price in prices.get(name, ()) if price.since is None or price.since <= day]
        if begun:
            return max(begun, key=lambda price: price.since or date.min)
    return None


def spellings(names: Sequence[str]) -> Iterator[str]:
    """The names as they are, then without the variants that only choose an endpoint."""
    short = [name for name in names if len(name) <= NAME_CHARACTERS]
    yield from short
    for name in short:
        base, colon, variant = name.rpartition(":")
        if colon and variant in ROUTING_VARIANTS:
            yield base


def at_price(price: Price, usage: Usage, source: CostSource, version: str) -> Cost:
    """The cost of so many tokens, and where and from which list its price is. Unknown where they do not add up."""
    total, output = usage.input_tokens, _part(usage.output_tokens, price.output)
    if total is None or output is None:
        return UNKNOWN_COST
    read, written = usage.cache_read_input_tokens or 0, usage.cache_write_input_tokens or 0
    if min(total, read, written, total - read - written) < 0:
        return UNKNOWN_COST  # parts that exceed their whole: no price fits such counts
    cache_read = price.input if price.cache_read is None else price.cache_read
    cache_write = price.input if price.cache_write is None else price.cache_write
    prompt = (total - read - written) * price.input + read * cache_read + written * cache_write
    usd = (prompt + output) / MILLION + price.request
    normalised = (total * price.input + output) / MILLION + price.request
    return Cost(usd, source, normalised, version)


def _part(count: int | None, price: Decimal) -> Decimal | None:
    """Tokens at a price. An unstated count matters only where it has a price: embeddings state no output."""
    if count is None:
        return ZERO if price == 0 else None
    return count * price if count >= 0 else None
