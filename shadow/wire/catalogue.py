"""What calls cost by list: the catalogue of the genai-prices package, as of its release and the time of the call."""

from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from functools import cache, lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, NamedTuple

from shadow.config import Price
from shadow.exchange import UNKNOWN_COST, Cost, CostSource, Usage
from shadow.wire.tariffs import at_price, spellings

if TYPE_CHECKING:  # the package is imported when it is first needed: see `warm`
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, Provider

DEAR_TIERS: Final = frozenset({"flex", "priority", "fast"})  # service tiers that are not sold at the ordinary price
PLAIN: Final = frozenset({"input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok"})


class Sold(NamedTuple):
    """What a list price may depend on. `names` are the model's, the most telling first; `at` has its zone."""

    usage: Usage
    names: tuple[str, ...]
    at: datetime
    tier: str | None


def at_list_price(call: Sold, provider_id: str | None, url: str | None) -> Cost:
    """The cost at the price of the seller at a URL, else of the one of that id. Never raises."""
    try:
        entries = (_entry(provider_id, url, name) for name in spellings(call.names))
        entry = next(filter(None, entries), None)
        return UNKNOWN_COST if entry is None else _by_entry(*entry, call)
    except (LookupError, ValueError, TypeError, ArithmeticError):
        return UNKNOWN_COST  # counts that do not add up


def warm() -> None:
    """Load the catalogue now (30 MB, a third of a second) instead of at the first call that needs it."""
    _snapshot()


@cache
def _snapshot() -> "DataSnapshot":
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 (30 MB: only for those who price by it)

    return get_snapshot()


@lru_cache(maxsize=1024)  # more names than a team uses; names made up by a hostile client push each other out
def _entry(provider_id: str | None, url: str | None, name: str) -> "tuple[Provider, ModelInfo] | None":
    """A seller and a model of it, as the catalogue knows them."""
    provider = _seller(provider_id, url)
    model = provider and provider.find_model(name, all_providers=_snapshot().providers)
    return (provider, model) if provider and model else None


@lru_cache(maxsize=256)  # one for each arm
def _seller(provider_id: str | None, url: str | None) -> "Provider | None":
    """The seller at a URL, else the one of that id."""
    for named, reached in ((None, url), (provider_id, None)):
        with suppress(LookupError):
            return _snapshot().find_provider(None, named, reached)
    return None


def _by_entry(provider: "Provider", model: "ModelInfo", call: Sold) -> Cost:
    """The cost at list price. Raises ValueError where the counts do not add up."""
    if call.tier in DEAR_TIERS and not _sells(provider, model, call):
        return UNKNOWN_COST
    if not (call.tier and model.price_variants) and call.usage.output_tokens is not None:
        price = _plain(model.get_prices(call.at))
        cost = UNKNOWN_COST if price is None else at_price(price, call.usage, CostSource.CATALOGUE, _release())
        if cost.usd is not None:
            return cost
    cached = {
        "cache_read_tokens": call.usage.cache_read_input_tokens,
        "cache_write_tokens": call.usage.cache_write_input_tokens,
    }
    usd = _sum(provider, model, call, cached)
    normalised = _sum(provider, model, call, {}) if any(cached.values()) else usd
    return UNKNOWN_COST if usd is None else Cost(usd, CostSource.CATALOGUE, normalised, _release())


def _plain(listed: "ModelPrice") -> Price | None:
    """The catalogue's price as one of an operator's, by which it is a matter of two sums; None where it knows more, as
    of models whose price has steps.

    Nearly three quarters of OpenRouter's are so plain. The package looks for steps and a hundred units, which takes
    50 µs a call.
    """
    stated = {name: value for name, value in vars(listed).items() if value is not None}
    if not (stated.keys() <= PLAIN and all(isinstance(value, Decimal) for value in stated.values())):
        return None
    if "input_mtok" not in stated or "output_mtok" not in stated:
        return None
    return Price(
        input=stated["input_mtok"],
        output=stated["output_mtok"],
        cache_read=stated.get("cache_read_mtok"),
        cache_write=stated.get("cache_write_mtok"),
    )


def _sum(provider: "Provider", model: "ModelInfo", call: Sold, cached: dict[str, int | None]) -> Decimal | None:
    """The package's sum, or None where it would count tokens that have no price as zero."""
    from genai_prices import Usage as Counts  # noqa: PLC0415 (loaded by now)

    output = call.usage.output_tokens
    counts = Counts(input_tokens=call.usage.input_tokens, output_tokens=output, **cached)
    context = {"service_tier": call.tier} if call.tier else None
    price = model.calc_price(counts, provider, genai_request_timestamp=call.at, price_context=context)
    priced_output = price.model_price.output_mtok is not None
    if price.model_price.input_mtok is None or (output is None and priced_output) or (output and not priced_output):
        return None
    return price.total_price


def _sells(provider: "Provider", model: "ModelInfo", call: Sold) -> bool:
    """Whether the catalogue has this seller's own price for the service tier at that time."""
    variants = [variant for variant in model.price_variants or () if variant.when == {"service_tier": call.tier}]
    in_time = any(variant.constraint is None or variant.constraint.active(call.at) for variant in variants)
    return in_time and any(model is own for own in provider.models)


@cache
def _release() -> str:
    return f"genai-prices {version('genai-prices')}"
