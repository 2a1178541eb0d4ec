import json
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from genai_prices.data_snapshot import get_snapshot

from shadow.config import Candidate, Config, Price, Upstream
from shadow.exchange import UNKNOWN_COST, CostSource, Usage
from shadow.wire import catalogue
from shadow.wire.catalogue import warm
from shadow.wire.prices import PriceBook
from shadow.wire.tariffs import in_force
from shadow.wire.usage import Reported
from tests.recorded import load, requires_recorded

AT = datetime(2026, 8, 1, 12, tzinfo=UTC)
OPENROUTER = PriceBook({}, "openrouter", openrouter=True)
NOWHERE = PriceBook({}, None)
TOKENS = Usage(1000, 100, 0)


def usd(text: str) -> Decimal:
    return Decimal(text)


def book(**prices: Any) -> PriceBook:
    return PriceBook({"m": (Price(**prices),)}, None)


def candidate(url: str, dialect: str) -> Candidate:
    return Candidate(name="c", url=url, dialect=dialect, models={})  # type: ignore[arg-type]


class TestStated:
    """The charge that OpenRouter states, by billing mode."""

    def test_ordinary_charge_is_taken_as_it_is(self) -> None:
        """The stated charge counts, to the last digit, whatever the tokens would come to."""
        cost = OPENROUTER.cost(TOKENS, ["openai/gpt-4o-mini"], AT, Reported(usd("0.00012104999999999999"), False))
        assert (cost.usd, cost.source) == (usd("0.00012104999999999999"), CostSource.REPORTED)

    def test_upstream_cost_is_not_added_outside_byok(self) -> None:
        """An ordinary answer repeats the charge as upstream cost; it is not paid twice."""
        cost = OPENROUTER.cost(TOKENS, ["m"], AT, Reported(usd("0.00183"), None, usd("0.00183")))
        assert cost.usd == usd("0.00183")

    def test_byok_is_the_fee_and_what_the_provider_bills(self) -> None:
        """With the client's own provider key, the comparable cost is both bills together."""
        cost = OPENROUTER.cost(TOKENS, ["m"], AT, Reported(usd("0.95"), True, usd("19")))
        assert (cost.usd, cost.price_version) == (usd("19.95"), "usage.cost + upstream_inference_cost")

    def test_byok_without_the_providers_bill_is_priced_and_gets_the_fee(self) -> None:
        """A fee alone is not the cost: the provider's part comes from the price list, and the source says so."""
        cost = OPENROUTER.cost(TOKENS, ["openai/gpt-4o-mini"], AT, Reported(usd("0.01"), True))
        assert (cost.usd, cost.source) == (usd("0.01021"), CostSource.CATALOGUE)

    def test_byok_without_any_price_is_unknown(self) -> None:
        """A fee alone is not the cost; where nothing prices the rest that is unknown, and the fee is kept as stated."""
        cost = OPENROUTER.cost(TOKENS, ["no/such"], AT, Reported(usd("0.01"), True))
        assert (cost.usd, cost.source, cost.stated_usd) == (None, CostSource.UNKNOWN, usd("0.01"))

    def test_response_cache_hit_costs_nothing(self) -> None:
        """A hit is a charge of zero, and what the call would have cost uncached is unknown."""
        cost = OPENROUTER.cost(Usage(0, 0), ["m"], AT, Reported(usd("0")), cached_response=True)
        assert (cost.usd, cost.source, cost.normalised_usd) == (0, CostSource.REPORTED, None)

    def test_zero_charge_is_not_the_price_of_an_uncached_call(self) -> None:
        """An insured failure or a hit costs nothing, which says nothing of the same call without it."""
        cost = OPENROUTER.cost(TOKENS, ["openai/gpt-4o-mini"], AT, Reported(usd("0")))
        assert (cost.usd, cost.normalised_usd) == (0, None)

    def test_free_variant_costs_nothing_cached_or_not(self) -> None:
        """`:free` is zero per token: stated or not, normalised or not."""
        stated = OPENROUTER.cost(TOKENS, ["m:free"], AT, Reported(usd("0")))
        silent = OPENROUTER.cost(TOKENS, ["m:free"], AT)
        assert (stated.usd, stated.normalised_usd, silent.usd, silent.normalised_usd) == (0, 0, 0, 0)

    def test_free_request_answered_by_another_model_is_not_free(self) -> None:
        """A fallback may answer a request for a free model: the answer's name decides."""
        cost = OPENROUTER.cost(TOKENS, ["openai/gpt-4o-mini", "google/gemini:free"], AT)
        assert cost.usd == usd("0.00021")

    def test_free_variant_without_usage_is_unknown(self) -> None:
        """Missing usage is unknown even where every price is zero: nothing shows that the call was answered."""
        assert OPENROUTER.cost(Usage(), ["m:free"], AT) == UNKNOWN_COST

    @pytest.mark.parametrize("nonsense", ["NaN", "Infinity", "-0.1", "1e12"])
    def test_nonsense_is_not_a_charge(self, nonsense: str) -> None:
        """What is no credible amount of dollars is not stored as one."""
        assert OPENROUTER.cost(Usage(), ["m"], AT, Reported(usd(nonsense))) == UNKNOWN_COST

    def test_stated_charge_beats_the_configured_price(self) -> None:
        """At OpenRouter the charge itself is authoritative."""
        prices = PriceBook({"m": (Price(input=usd("1"), output=usd("1")),)}, "openrouter", openrouter=True)
        assert prices.cost(TOKENS, ["m"], AT, Reported(usd("0.5"))).usd == usd("0.5")

    def test_configured_price_beats_a_charge_stated_elsewhere(self) -> None:
        """Of a gateway that states charges in units of its own, the operator's price is believed first."""
        cost = book(input=usd("1"), output=usd("0")).cost(TOKENS, ["m"], AT, Reported(usd("0.5")))
        assert (cost.usd, cost.source) == (usd("0.001"), CostSource.CONFIGURED)

    def test_charge_stated_elsewhere_is_taken_where_no_price_is_configured(self) -> None:
        """A seller that states its charge knows it better than a catalogue."""
        assert NOWHERE.cost(TOKENS, ["m"], AT, Reported(usd("0.5"))).source is CostSource.REPORTED


class TestNormalised:
    """The same call with every prompt token at the uncached price."""

    def test_stated_charge_without_cache_is_its_own(self) -> None:
        """Nothing read and nothing written: there is nothing to normalise, and no price list is needed."""
        cost = OPENROUTER.cost(Usage(10, 1, 0, 0), ["no/such"], AT, Reported(usd("0.5")))
        assert cost.normalised_usd == usd("0.5")

    def test_stated_charge_changes_by_what_the_lists_give_for_the_cache(self) -> None:
        """Fees inside the charge stay; the cached tokens are lifted to the input price."""
        usage = Usage(1_000_000, 0, 400_000)
        prices = {"m": (Price(input=usd("3"), output=usd("0"), cache_read=usd("0.3")),)}
        cost = PriceBook(prices, None, openrouter=True).cost(usage, ["m"], AT, Reported(usd("2")))
        assert cost.normalised_usd == usd("3.08")  # 2 + 0.4 × (3 − 0.3)

    def test_stated_charge_with_an_unstated_split_is_not_normalised(self) -> None:
        """The charge may hide a discount for cached tokens, so nothing is claimed."""
        cost = OPENROUTER.cost(Usage(10, 1), ["openai/gpt-4o-mini"], AT, Reported(usd("0.5")))
        assert (cost.usd, cost.normalised_usd) == (usd("0.5"), None)

    def test_stated_charge_of_an_unlisted_model_is_not_normalised(self) -> None:
        """Without a price the cached tokens cannot be lifted."""
        cost = OPENROUTER.cost(Usage(10, 1, 5), ["no/such"], AT, Reported(usd("0.5")))
        assert cost.normalised_usd is None

    def test_configured_prices_ignore_reads_and_writes(self) -> None:
        """Neither the discount of a read nor the surcharge of a write remains."""
        prices = book(input=usd("10"), output=usd("50"), cache_read=usd("1"), cache_write=usd("12.5"))
        cost = prices.cost(Usage(1000, 100, 600, 300), ["m"], AT)
        assert (cost.usd, cost.normalised_usd) == (usd("0.01035"), usd("0.015"))

    def test_catalogue_prices_ignore_reads(self) -> None:
        """1024 of 2000 prompt tokens read from the cache at a tenth of the price, then not."""
        cost = PriceBook({}, "openai").cost(Usage(2000, 500, 1024), ["gpt-5-mini"], AT)
        assert (cost.usd, cost.normalised_usd) == (usd("0.0012696"), usd("0.0015"))


class TestConfigured:
    """The operator's prices."""

    def test_price_per_million_and_per_call(self) -> None:
        """Dollars per million tokens of either kind, and dollars per call on top."""
        cost = book(input=usd("0.15"), output=usd("0.60"), request=usd("0.005")).cost(TOKENS, ["m"], AT)
        assert (cost.usd, cost.source, cost.price_version) == (usd("0.00521"), CostSource.CONFIGURED, "undated")

    def test_cache_prices_default_to_the_input_price(self) -> None:
        """What is not given costs what `input` costs."""
        assert book(input=usd("2"), output=usd("0")).cost(Usage(500, 0, 300, 100), ["m"], AT).usd == usd("0.001")

    def test_unstated_cached_tokens_are_priced_as_uncached(self) -> None:
        """A provider that discounts cached tokens says how many there were: silence claims no discount."""
        prices = book(input=usd("2"), output=usd("0"), cache_read=usd("0.2"))
        assert prices.cost(Usage(500, 0), ["m"], AT).usd == usd("0.001")

    def test_dates_choose_the_price_in_force(self) -> None:
        """A price holds from the start of its UTC day until the next one begins."""
        first, second = (
            Price(input=usd("1"), output=usd("1")),
            Price(input=usd("2"), output=usd("2"), since=date(2026, 8, 2)),
        )
        prices = PriceBook({"m": (second, first)}, None)
        days = [datetime(2026, 8, 1, 23, 59, tzinfo=UTC), datetime(2026, 8, 2, tzinfo=UTC)]
        assert [prices.cost(TOKENS, ["m"], day).price_version for day in days] == ["undated", "since 2026-08-02"]

    def test_price_not_yet_in_force_is_none(self) -> None:
        """Before the first day nothing is configured."""
        assert (
            in_force({"m": (Price(input=usd("1"), output=usd("1"), since=AT.date()),)}, ["m"], date(2026, 7, 31))
            is None
        )

    def test_answers_name_comes_before_the_requests(self) -> None:
        """A router answers by another model, and that one is billed."""
        prices = {name: (Price(input=usd(price), output=usd("0")),) for name, price in (("asked", "1"), ("given", "2"))}
        assert PriceBook(prices, None).cost(TOKENS, ["given", "asked"], AT).usd == usd("0.002")

    def test_request_name_serves_where_the_answers_is_not_listed(self) -> None:
        """Answers often name a dated release of the model that was asked for."""
        assert book(input=usd("1"), output=usd("0")).cost(TOKENS, ["m-2026-01-01", None, "m"], AT).usd == usd("0.001")

    def test_routing_variant_has_the_models_price(self) -> None:
        """`:nitro` chooses an endpoint, not another model."""
        assert book(input=usd("1"), output=usd("0")).cost(TOKENS, ["m:nitro"], AT).usd == usd("0.001")

    @pytest.mark.parametrize("variant", ["thinking", "extended", "online", "free"])
    def test_other_variants_do_not_borrow_the_models_price(self, variant: str) -> None:
        """They are sold at prices of their own."""
        assert book(input=usd("1"), output=usd("0")).cost(TOKENS, [f"m:{variant}"], AT) == UNKNOWN_COST

    @pytest.mark.parametrize(
        "usage",
        [
            pytest.param(Usage(), id="no usage"),
            pytest.param(Usage(output_tokens=5), id="no prompt"),
            pytest.param(Usage(5, None), id="no output"),
            pytest.param(Usage(5, 1, 6), id="more read than there was"),
            pytest.param(Usage(5, 1, 3, 3), id="read and written beyond the whole"),
            pytest.param(Usage(-1, 1), id="negative prompt"),
            pytest.param(Usage(5, -1), id="negative output"),
            pytest.param(Usage(10**40, 1), id="more than any call"),
        ],
    )
    def test_counts_that_do_not_do_are_an_unknown_cost(self, usage: Usage) -> None:
        """Unknown is never zero, and nonsense is no price."""
        assert book(input=usd("1"), output=usd("1")).cost(usage, ["m"], AT) == UNKNOWN_COST

    def test_unstated_output_matters_only_where_it_has_a_price(self) -> None:
        """Embeddings state no output tokens and bill none."""
        assert book(input=usd("1"), output=usd("0")).cost(Usage(5), ["m"], AT).usd == usd("0.000005")


class TestCatalogue:
    """The list prices of genai-prices."""

    def test_price_and_release(self) -> None:
        """The recorded call of 254 and 5 tokens costs what OpenRouter charged, and the release is named."""
        cost = OPENROUTER.cost(Usage(254, 5), ["anthropic/claude-sonnet-4.6"], AT)
        assert (cost.usd, cost.source, cost.price_version) == (
            usd("0.000837"),
            CostSource.CATALOGUE,
            "genai-prices 0.2.3",
        )

    def test_whole_prompt_moves_to_the_long_context_price(self) -> None:
        """The step is a cliff: past 200,000 tokens the dearer price holds for all of them."""
        cost = PriceBook({}, "anthropic").cost(Usage(250_000, 100), ["claude-sonnet-4-5"], AT)
        assert cost.usd == usd("1.50225")

    def test_flex_tier_has_its_own_price(self) -> None:
        """A service tier that the catalogue lists is priced by it, from the day it lists."""
        days = [datetime(2026, 10, 11, tzinfo=UTC), datetime(2026, 10, 12, tzinfo=UTC)]
        costs = [PriceBook({}, "openai").cost(TOKENS, ["gpt-5-mini"], day, service_tier="flex").usd for day in days]
        assert costs == [None, usd("0.000225")]

    def test_default_tier_has_the_ordinary_price(self) -> None:
        """OpenAI names the tier of every answer; the default one is the list price."""
        assert PriceBook({}, "openai").cost(TOKENS, ["gpt-5-mini"], AT, service_tier="default").usd == usd("0.00045")

    def test_tier_without_a_price_is_unknown(self) -> None:
        """A tier known to be sold apart is not priced as the ordinary one."""
        assert PriceBook({}, "groq").cost(TOKENS, ["openai/gpt-oss-120b"], AT, service_tier="flex") == UNKNOWN_COST

    @pytest.mark.parametrize("model", ["no/such-model", "", "x" * 10_000])
    def test_unlisted_model_is_unknown(self, model: str) -> None:
        """No list, no price: not zero."""
        assert OPENROUTER.cost(TOKENS, [model], AT) == UNKNOWN_COST

    def test_listed_model_without_prices_is_unknown(self) -> None:
        """The package sums nothing to zero; that is not a price."""
        assert PriceBook({}, "google").cost(TOKENS, ["gemma-3"], AT) == UNKNOWN_COST

    def test_embeddings_are_priced_without_output(self) -> None:
        """No output tokens are stated and none are billed."""
        assert PriceBook({}, "openai").cost(Usage(1000), ["text-embedding-3-small"], AT).usd == usd("0.00002")

    def test_unstated_output_of_a_chat_model_is_unknown(self) -> None:
        """Output has a price, so its count is needed."""
        assert PriceBook({}, "openai").cost(Usage(1000), ["gpt-4o-mini"], AT) == UNKNOWN_COST

    def test_counts_that_do_not_add_up_are_unknown(self) -> None:
        """More read from the cache than was sent: the package refuses, and so do we."""
        assert PriceBook({}, "openai").cost(Usage(5, 1, 6), ["gpt-4o-mini"], AT) == UNKNOWN_COST

    def test_routing_variant_is_stripped(self) -> None:
        """The catalogue lists models, not ways to route to them."""
        assert OPENROUTER.cost(TOKENS, ["openai/gpt-4o-mini:floor"], AT).usd == usd("0.00021")

    @pytest.mark.parametrize("usage", [TOKENS, Usage(1000, 100, 300, 200), Usage(1000, 100, 1001), Usage(7, 0, 7)])
    def test_plain_prices_sum_up_to_what_the_package_gives(self, usage: Usage, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of every model, whichever way it is summed: nothing in the catalogue is taken for simpler than it is."""
        listed = [(provider, model) for provider in get_snapshot().providers for model in provider.models]
        calls = [(PriceBook({}, provider.id), [model.id]) for provider, model in listed]
        costs = [book.cost(usage, names, AT) for book, names in calls]
        monkeypatch.setattr(catalogue, "_plain", lambda _listed: None)
        assert costs == [book.cost(usage, names, AT) for book, names in calls]

    def test_importing_prices_does_not_load_the_catalogue(self) -> None:
        """Thirty megabytes are for the process that prices, when it does."""
        code = "import sys, shadow.wire.prices; sys.exit('genai_prices' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603

    def test_warm_loads_the_catalogue(self) -> None:
        """The recorder takes the third of a second before the first call does."""
        code = "import sys, shadow.wire.catalogue as c; c.warm(); sys.exit('genai_prices.data' not in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603
        warm()


class TestArms:
    """Whose prices an arm has."""

    def test_primary_is_openrouter(self) -> None:
        """The upstream is OpenRouter or stands in for it, with the operator's own prices beside."""
        prices = {"m": (Price(input=usd("1"), output=usd("1")),)}
        primary = PriceBook.for_primary(Config(upstream=Upstream(url="http://127.0.0.1:1", prices=prices)))
        assert (primary.openrouter, primary.catalogue_provider, primary.configured) == (True, "openrouter", prices)

    def test_url_names_the_seller(self) -> None:
        """A known host decides, whatever dialect it is said to speak."""
        prices = PriceBook.for_candidate(candidate("https://api.openai.com/v1", "generic"))
        assert prices.cost(TOKENS, ["gpt-4o-mini"], AT).usd == usd("0.00021")

    def test_dialect_names_the_seller_behind_another_host(self) -> None:
        """A dialect that only one seller speaks does where the host says nothing."""
        prices = PriceBook.for_candidate(candidate("https://proxy.example.com/v1", "mistral"))
        assert prices.cost(TOKENS, ["mistral-small-latest"], AT).source is CostSource.CATALOGUE

    @pytest.mark.parametrize("dialect", ["openai", "vllm", "litellm", "generic"])
    def test_dialect_of_many_sellers_names_none(self, dialect: str) -> None:
        """A gateway that speaks OpenAI's dialect is not billed at OpenAI's prices."""
        prices = PriceBook.for_candidate(candidate("https://gateway.example.com/v1", dialect))
        assert prices.cost(TOKENS, ["gpt-4o-mini"], AT) == UNKNOWN_COST

    def test_openrouter_as_a_candidate_is_believed(self) -> None:
        """Its stated charge comes first there too."""
        assert PriceBook.for_candidate(candidate("https://openrouter.ai/api/v1", "generic")).openrouter


# Every recorded charge that is not what the catalogue gives for its tokens, with the reason.
DIFFERENT = {
    "test_openrouter_advisor_tool_stream/0": "the charge holds a second model's answer, asked as a server tool",
    "test_openrouter_google_nested_schema/0": "own provider key: the charge is the fee, here zero, and upstream bills",
    "test_openrouter_stream_with_native_options/0": "x-ai/grok-4 is not in the catalogue under OpenRouter",
    "test_openrouter_thinking_false_profile_gated_model/0": "served by an endpoint of another price than the list's",
    "test_openrouter_web_search_annotations/0": "a search fee of 0.007, and an endpoint of another price",
    "test_openrouter_web_search_annotations_stream/0": "a search fee of 0.007, and an endpoint of another price",
    "test_openrouter_web_search_tool_usage/0": "a search fee of 0.01",
    "test_openrouter_web_search_tool_usage_stream/0": "a search fee of 0.01",
    "test_openrouter_cache_instructions_gemini_real_api/1": "cached tokens at 0.03 a million, not 0.075",
}


def recorded_answers() -> list[tuple[str, dict[str, Any]]]:
    """Name and last object with a stated charge of every recorded OpenRouter exchange that has one."""
    found = []
    for row in load("openrouter.ai"):
        body = row["response_body"]
        lines = [line[6:] for line in body.splitlines() if line.startswith("data: {")] or [body]
        answers = [json.loads(line, parse_float=Decimal) for line in lines]
        stated = [answer for answer in answers if "cost" in (answer.get("usage") or {})]
        if stated:
            found.append((row["name"].removeprefix("openrouter.ai/"), stated[-1]))
    return found


@requires_recorded
def test_recorded_charges_are_what_the_catalogue_gives() -> None:
    """Every recorded charge equals the list price of its tokens, except those listed with their reason."""
    different = set()
    for name, answer in recorded_answers():
        counts, details = answer["usage"], answer["usage"]["prompt_tokens_details"]
        usage = Usage(
            counts["prompt_tokens"],
            counts["completion_tokens"],
            details["cached_tokens"],
            details.get("cache_write_tokens"),
        )
        cost = OPENROUTER.cost(usage, [answer["model"]], datetime.fromtimestamp(answer["created"], UTC))
        if cost.usd is None or abs(cost.usd - counts["cost"]) > usd("1e-12"):
            different.add(name)
    assert different == set(DIFFERENT)


@requires_recorded
def test_recorded_charges_are_taken_exactly() -> None:
    """Every recorded charge outside BYOK is the cost, digit by digit."""
    stated = {name: answer["usage"] for name, answer in recorded_answers() if not answer["usage"].get("is_byok")}
    costs = {
        name: OPENROUTER.cost(Usage(1, 1), ["m"], AT, Reported(Decimal(usage["cost"]), usage.get("is_byok"))).usd
        for name, usage in stated.items()
    }
    assert costs == {name: usage["cost"] for name, usage in stated.items()}
