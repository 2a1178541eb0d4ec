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

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, NamedTuple, Self, TypeGuard
from urllib.parse import urlsplit

from shadow.config import Candidate, Config, Control, Prices
from shadow.exchange import UNKNOWN_COST, Cost, CostSource, Usage
from shadow.wire.catalogue import Sold, at_list_price
from shadow.wire.tariffs import at_price, in_force
from shadow.wire.usage import ZERO, Reported

CREDIBLE_USD: Final = Decimal(10_000)  # no call costs that; sums of a million such still fit 64 bits of nano-dollars

FREE: Final = ":free"
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
        return at_price(price, call.usage, CostSource.CONFIGURED, dated)

    def _catalogue(self, call: _Call) -> Cost:
        """The cost by genai-prices: list prices of that release at the time of the call."""
        if call.usage.input_tokens is None:
            return UNKNOWN_COST
        if self._free(call):
            return Cost(ZERO, CostSource.CATALOGUE, ZERO, "free variant")
        if self.catalogue_provider is None and self.url is None:
            return UNKNOWN_COST
        sold = Sold(call.usage, call.names, call.at, call.tier)
        return at_list_price(sold, self.catalogue_provider, self.url)


def _credible(usd: Decimal | None) -> TypeGuard[Decimal]:
    return usd is not None and usd.is_finite() and 0 <= usd < CREDIBLE_USD


def _known(cost: Cost) -> bool:
    normalised = cost.normalised_usd  # the same object as `usd` where nothing was cached: not looked at twice
    return _credible(cost.usd) and (normalised is None or normalised is cost.usd or _credible(normalised))
