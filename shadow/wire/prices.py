"""What a call costs, in US dollars, exact: from the best source there is.

OpenRouter states the charge of every call itself (`usage.cost`), so there it comes first; then the price the operator
configured; then the catalogue of the genai-prices package; then unknown. At every other endpoint the operator's price
comes first and a stated cost second. Missing usage is an unknown cost, never zero.

OpenRouter's billing modes (its pages on usage accounting, BYOK and response caching; recorded exchanges):

- ordinary: `cost` is the charge, search and tool fees included; it is never rebuilt from tokens;
- own provider key (BYOK): `cost` is OpenRouter's fee alone and the provider bills `upstream_inference_cost` apart, so
  the comparable cost is their sum. Outside BYOK that field repeats the charge or a part of it and is never added;
- response-cache hit: nothing is charged, and what the call would have cost is unknown;
- `:free` variant: zero per token, known without a statement once usage proves that the call was answered.

What the counts leave open: a provider that bills cached tokens at a price of their own says how many there were, so an
unstated count means that every prompt token is priced uncached, the upper bound; `cache_read_input_tokens` of the row
stays None and tells such costs apart. The same holds for cache writes, all of which are taken to live five minutes.
Only what needs the split and no bound will do stays unknown: a stated charge without it is not cache-normalised.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, NamedTuple, Self, TypeGuard
from urllib.parse import urlsplit

from shadow.config import Candidate, Config, Control, Price, Prices
from shadow.exchange import UNKNOWN_COST, Cost, CostSource, Usage
from shadow.wire.usage import ZERO, Reported

if TYPE_CHECKING:  # the package is imported when it is first needed: see `warm`
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, Provider

MILLION: Final = Decimal(1_000_000)
CREDIBLE_USD: Final = Decimal(10_000)  # no call costs that; sums of a million such still fit 64 bits of nano-dollars

FREE: Final = ":free"
# Variants that choose among a model's endpoints. Others (`:thinking`, `:extended`) are models with prices of their own,
# and `:online` adds searches that no token price covers.
ROUTING_VARIANTS: Final = frozenset({"nitro", "floor", "exacto"})

# Dialects that one seller speaks, by the seller's name in the catalogue. `openai` is not among them: every gateway
# speaks it, and OpenAI's prices are not the gateway's. OpenAI itself is known by its host.
SELLERS: Final = {
    "anthropic": "anthropic",
    "azure": "azure",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "google": "google",
    "groq": "groq",
    "mistral": "mistral",
    "together": "together",
    "xai": "x-ai",
}
DEAR_TIERS: Final = frozenset({"flex", "priority", "fast"})  # service tiers that are not sold at the ordinary price
_PLAIN_PRICES: Final = frozenset({"input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok"})
NAME_CHARACTERS: Final = 256  # longer than any model's name: what a client makes up is not looked up


class _Call(NamedTuple):
    """What a price may depend on."""

    usage: Usage
    models: Sequence[str | None]
    at: datetime
    reported: Reported | None  # None also where its cost is no credible one
    tier: str | None

    @property
    def names(self) -> tuple[str, ...]:
        """The models' names, each once."""
        return tuple(dict.fromkeys(filter(None, self.models)))


@dataclass(frozen=True, slots=True)
class PriceBook:
    """The prices of one arm.

    `catalogue_provider` is the seller's id in genai-prices, None where only `url` may tell; `url`, where given, is
    looked up first. `openrouter` tells whether the charge that an answer states is authoritative.
    """

    configured: Prices
    catalogue_provider: str | None
    url: str | None = None
    openrouter: bool = False

    @classmethod
    def for_primary(cls, config: Config) -> Self:
        """The primary's prices. The upstream is OpenRouter, or stands in for it, whatever its host is called."""
        return cls(config.upstream.prices, "openrouter", openrouter=True)

    @classmethod
    def for_candidate(cls, candidate: Candidate) -> Self:
        """A candidate's prices. The seller is known by the URL, else by a dialect that no other seller speaks."""
        host = urlsplit(candidate.url).hostname or ""
        openrouter = host == "openrouter.ai" or host.endswith(".openrouter.ai")
        return cls(candidate.prices, SELLERS.get(candidate.dialect), candidate.url, openrouter)

    @classmethod
    def for_control(cls, control: Control) -> Self:
        """The control's prices: OpenRouter's, as the primary's are."""
        return cls(control.prices, "openrouter", openrouter=True)

    def cost(
        self,
        usage: Usage,
        models: Sequence[str | None],
        at: datetime,
        reported: Reported | None = None,
        *,
        service_tier: str | None = None,
        cached_response: bool = False,
    ) -> Cost:
        """What one answered call costs. Never raises; what cannot be known is UNKNOWN_COST.

        `models` are the names it goes by, the most telling first: the answer's, then the request's. `at` is when it
        was made, with its zone. `service_tier` is the one the answer names. `cached_response` says that OpenRouter
        answered from its response cache.
        """
        if cached_response and self.openrouter:
            return Cost(ZERO, CostSource.REPORTED, None, "response cache")
        stated = reported.cost if reported is not None and _credible(reported.cost) else None
        call = _Call(usage, models, at, None if stated is None else reported, service_tier)
        first, second = (self._stated, self._configured) if self.openrouter else (self._configured, self._stated)
        for source in (first, second, self._catalogue):
            best = source(call)
            if _known(best):
                break
        else:
            best = UNKNOWN_COST
        return best if best.stated_usd is stated else replace(best, stated_usd=stated)

    def _stated(self, call: _Call) -> Cost:
        """The charge that the answer states, by billing mode."""
        reported = call.reported
        if reported is None or reported.cost is None:
            return UNKNOWN_COST
        if not reported.is_byok:
            normalised = self._normalised(reported.cost, call)
            return Cost(reported.cost, CostSource.REPORTED, normalised, "usage.cost", reported.cost)
        if _credible(reported.upstream_inference_cost):
            usd = reported.cost + reported.upstream_inference_cost
            source = "usage.cost + upstream_inference_cost"
            return Cost(usd, CostSource.REPORTED, self._normalised(usd, call), source, reported.cost)
        priced = self._listed(call)
        if priced.usd is None or priced.normalised_usd is None:
            return UNKNOWN_COST
        fee = reported.cost
        return replace(priced, usd=priced.usd + fee, normalised_usd=priced.normalised_usd + fee)

    def _normalised(self, usd: Decimal, call: _Call) -> Decimal | None:
        """What a stated cost would be uncached: changed by what the price lists give for the cache. None: not known.

        A charge of zero says nothing of what the same call costs, except where its price is zero.
        """
        usage = call.usage
        if usage.cache_read_input_tokens is None or (usd == 0 and not self._free(call)):
            return None
        if not usage.cache_read_input_tokens and not usage.cache_write_input_tokens:
            return usd
        listed = self._listed(call)
        if listed.usd is None or listed.normalised_usd is None:
            return None
        normalised = usd + listed.normalised_usd - listed.usd
        return normalised if _credible(normalised) else None

    def _listed(self, call: _Call) -> Cost:
        configured = self._configured(call)
        return configured if configured.usd is not None else self._catalogue(call)

    def _free(self, call: _Call) -> bool:
        """Whether OpenRouter's free variant answered: by the answer's name, as a fallback may be another model."""
        return self.openrouter and next(filter(None, call.models), "").endswith(FREE)

    def _configured(self, call: _Call) -> Cost:
        """The cost by the operator's prices."""
        price = in_force(self.configured, call.names, call.at.astimezone(UTC).date())
        if price is None:
            return UNKNOWN_COST
        dated = f"since {price.since}" if price.since else "undated"
        return _by_price(price, call.usage, CostSource.CONFIGURED, dated)

    def _catalogue(self, call: _Call) -> Cost:
        """The cost by genai-prices: list prices of that release at the time of the call."""
        if call.usage.input_tokens is None:
            return UNKNOWN_COST
        if self._free(call):
            return Cost(ZERO, CostSource.CATALOGUE, ZERO, "free variant")
        if self.catalogue_provider is None and self.url is None:
            return UNKNOWN_COST
        try:
            entries = (_entry(self.catalogue_provider, self.url, name) for name in _spellings(call.names))
            entry = next(filter(None, entries), None)
            return UNKNOWN_COST if entry is None else _by_entry(*entry, call)
        except (LookupError, ValueError, TypeError, ArithmeticError):
            return UNKNOWN_COST  # counts that do not add up


def in_force(prices: Prices, names: Sequence[str], day: date) -> Price | None:
    """The configured price that holds on a UTC day for the first name that has one; the latest to begin wins."""
    for name in _spellings(names):
        begun = [price for price in prices.get(name, ()) if price.since is None or price.since <= day]
        if begun:
            return max(begun, key=lambda price: price.since or date.min)
    return None


def warm() -> None:
    """Load the catalogue now (30 MB, a third of a second) instead of at the first call that needs it."""
    _snapshot()


def _by_price(price: Price, usage: Usage, source: CostSource, version: str) -> Cost:
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


def _spellings(names: Sequence[str]) -> Iterator[str]:
    """The names as they are, then without the variants that only choose an endpoint."""
    short = [name for name in names if len(name) <= NAME_CHARACTERS]
    yield from short
    for name in short:
        base, colon, variant = name.rpartition(":")
        if colon and variant in ROUTING_VARIANTS:
            yield base


def _credible(usd: Decimal | None) -> TypeGuard[Decimal]:
    return usd is not None and usd.is_finite() and 0 <= usd < CREDIBLE_USD


def _known(cost: Cost) -> bool:
    normalised = cost.normalised_usd
    return _credible(cost.usd) and (normalised is None or normalised is cost.usd or _credible(normalised))


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


def _by_entry(provider: "Provider", model: "ModelInfo", call: _Call) -> Cost:
    """The cost at list price. Raises ValueError where the counts do not add up."""
    if call.tier in DEAR_TIERS and not _sells(provider, model, call):
        return UNKNOWN_COST
    if not (call.tier and model.price_variants) and call.usage.output_tokens is not None:
        price = _plain(model.get_prices(call.at))
        cost = UNKNOWN_COST if price is None else _by_price(price, call.usage, CostSource.CATALOGUE, _release())
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
    """The catalogue's price as one of an operator's, by which it is a matter of two sums; None where it knows more.

    All of OpenRouter's are so plain. The package looks for steps and a hundred units, which takes 50 µs a call.
    """
    stated = {name: value for name, value in vars(listed).items() if value is not None}
    if not (stated.keys() <= _PLAIN_PRICES and all(isinstance(value, Decimal) for value in stated.values())):
        return None
    if "input_mtok" not in stated or "output_mtok" not in stated:
        return None
    return Price(
        input=stated["input_mtok"],
        output=stated["output_mtok"],
        cache_read=stated.get("cache_read_mtok"),
        cache_write=stated.get("cache_write_mtok"),
    )


def _sum(provider: "Provider", model: "ModelInfo", call: _Call, cached: dict[str, int | None]) -> Decimal | None:
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


def _sells(provider: "Provider", model: "ModelInfo", call: _Call) -> bool:
    """Whether the catalogue has this seller's own price for the service tier at that time."""
    variants = [variant for variant in model.price_variants or () if variant.when == {"service_tier": call.tier}]
    in_time = any(variant.constraint is None or variant.constraint.active(call.at) for variant in variants)
    return in_time and any(model is own for own in provider.models)


@cache
def _release() -> str:
    return f"genai-prices {version('genai-prices')}"
