import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.config import Price
from shadow.exchange import Cost, CostSource, Usage
from shadow.wire.generation import Generation, generation_path, read_generation
from shadow.wire.prices import PriceBook
from shadow.wire.request import PATHS
from shadow.wire.usage import Reported
from tests.wire.exchanges import BOOK

AT = datetime(2026, 11, 23, tzinfo=UTC)
# As OpenRouter answers once the facts are in: nearly everything may be null.
FACTS: dict[str, Any] = {
    "id": "gen-1",
    "model": "vendor/model",
    "streamed": True,
    "cancelled": True,
    "is_byok": False,
    "finish_reason": None,
    "total_cost": 0.0000102,
    "usage": 0.0000102,
    "upstream_inference_cost": None,
    "cache_discount": None,
    "service_tier": None,
    "tokens_prompt": 19,
    "tokens_completion": 11,
    "native_tokens_prompt": 20,
    "native_tokens_completion": 12,
    "native_tokens_reasoning": None,
    "native_tokens_cached": 0,
}


def answer(**facts: Any) -> bytes:
    return json.dumps({"data": {**FACTS, **facts}}).encode()


odd = st.none() | st.booleans() | st.text() | st.integers() | st.floats() | st.lists(st.integers(), max_size=2)


def read(**facts: Any) -> Generation:
    found = read_generation(answer(**facts))
    assert found is not None
    return found


def test_the_facts_are_read() -> None:
    """Cost, billing mode, native counts and whether it was cancelled, each None where it is null."""
    assert read() == Generation(
        reported=Reported(Decimal("0.0000102"), is_byok=False),
        usage=Usage(20, 12, 0, None, None),
        model="vendor/model",
        cancelled=True,
    )


def test_money_is_exact() -> None:
    """An amount with more digits than a float holds is the amount that was written."""
    body = answer(total_cost=1).replace(b'"total_cost": 1', b'"total_cost": 0.1234567890123456789012')
    found = read_generation(body)
    assert found is not None
    assert found.reported.cost == Decimal("0.1234567890123456789012")


@pytest.mark.parametrize("cost", [None, -1, "0.1", True, [], {}, 10**40])
def test_without_a_cost_there_is_nothing_yet(cost: object) -> None:
    """Facts that state no cost, or one that is no amount, are no facts yet."""
    assert read_generation(answer(total_cost=cost)) is None


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b"\xff", b'{"data": null}', b'{"data": []}', b'{"data": {"total_cost": NaN}}',
     b'{"data": {"total_cost": 1e99999999999999999999}}', b'{"error": {"code": 404}}', b"[" * 100_000, b"9" * 10_000],
    ids=lambda body: repr(body[:20]),
)  # fmt: skip
def test_what_is_no_answer_is_nothing(body: bytes) -> None:
    """Errors, pages of proxies and hostile texts are None."""
    assert read_generation(body) is None


@given(
    st.binary(max_size=200) | st.dictionaries(st.sampled_from(sorted(FACTS)), odd).map(lambda facts: answer(**facts))
)
def test_nothing_raises(body: bytes) -> None:
    """Whatever comes is read or is None."""
    found = read_generation(body)
    assert found is None or found.reported.cost is not None


def test_counts_that_are_none_are_unknown() -> None:
    """A malformed count is None; the cost beside it stands."""
    found = read(native_tokens_prompt=-3, native_tokens_completion="12", native_tokens_cached=1.5)
    assert (found.usage, found.reported.cost) == (Usage(), Decimal("0.0000102"))


def test_the_cost_is_the_charge() -> None:
    """An ordinary generation costs what it says; the price version tells that it was said later."""
    usd = Decimal("0.0000102")
    assert read().cost(("vendor/model",), AT, BOOK) == Cost(usd, CostSource.REPORTED, usd, "generation", usd)


def test_the_clients_own_provider_key_is_billed_apart() -> None:
    """With BYOK the charge is a fee, and what the provider bills comes on top; the stated charge is still the fee."""
    cost = read(is_byok=True, total_cost=0.01, upstream_inference_cost=0.2).cost((), AT, BOOK)
    assert (cost.usd, cost.stated_usd, cost.price_version) == (Decimal("0.21"), Decimal("0.01"), "generation")


def test_what_it_leaves_open_is_priced_by_a_list_that_is_named() -> None:
    """With BYOK and no word of the provider's bill, the operator's price makes it up, and the price version says so."""
    book = PriceBook({"vendor/model": (Price(input=Decimal(1), output=Decimal(0)),)}, None, openrouter=True)
    cost = read(is_byok=True, total_cost=0.01).cost((), AT, book)
    assert (cost.usd, cost.source, cost.price_version) == (
        Decimal("0.01002"),
        CostSource.CONFIGURED,
        "generation, undated",
    )


def test_an_incredible_cost_is_unknown() -> None:
    """A charge that no call can cost is not believed, and stays without a price version."""
    assert read(total_cost=1e9, native_tokens_prompt=None).cost((), AT, BOOK) == Cost()


@pytest.mark.parametrize("path", sorted(PATHS))
def test_the_facts_are_beside_the_call(path: str) -> None:
    """Under the base of the call, whatever it is: a base that the upstream's URL holds is not repeated."""
    found = generation_path(path)
    assert found is not None
    base = found.removesuffix("/generation")
    assert path.startswith(base)
    assert base in ("/api/v1", "/v1", "", "/openai/v1", "/v1beta/openai")


@pytest.mark.parametrize("path", ["/api/v1/models", "/api/v1/presets/x/chat/completions", "/x/chat/completions", ""])
def test_what_is_no_call_has_no_generation(path: str) -> None:
    """No path that a client makes up leads to a question with its key."""
    assert generation_path(path) is None
