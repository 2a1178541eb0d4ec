"""What is read back of kept requests, and which of them an arm has no row of."""

from decimal import Decimal
from pathlib import Path

import pytest

from shadow.exchange import Answer, Cost, CostSource, Pending, Recorded, ToolCall
from shadow.store.errors import StoreError
from shadow.store.ids import END, floor
from shadow.store.sqlite import SQLiteStore
from shadow.store.stored import outstanding, stored
from tests.store.samples import BEGAN, bodies, exchange, exchange_id, observation, recorded

REQUEST = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
SAID = {"text": "Hello.", "tool_calls": [{"name": "f", "arguments": "{}", "id": "call_1"}]}
ALL = (b"", END)


async def test_an_exchange_is_told_from_what_is_stored(store: SQLiteStore, path: Path) -> None:
    """Its facts, its caller, the request and what was answered; of the wire nothing is left."""
    cost = Cost(Decimal("0.0000000001"), CostSource.REPORTED)
    seen = observation(cost=cost, anomalies=("response_cache_hit",), features=frozenset({"tools"}))
    await store.add([Recorded(exchange(0), seen, bodies=bodies(REQUEST, SAID, redactions=2))])
    [one] = stored(path, [exchange_id(0)])
    assert (one.request, one.redactions) == (REQUEST, 2)
    assert one.exchange.attribution == exchange().attribution
    assert (one.exchange.method, one.exchange.path, one.exchange.status) == ("POST", "/api/v1/chat/completions", 200)
    assert (one.exchange.started_at, one.exchange.total_s) == (BEGAN, 2.5)
    assert one.exchange.request_body.whole
    assert one.observation.inference
    assert one.observation.cost.usd == cost.usd
    assert one.observation.usage.input_tokens == seen.usage.input_tokens
    assert one.observation.finish_reason == seen.finish_reason
    assert (one.observation.features, one.observation.anomalies) == (frozenset({"tools"}), ("response_cache_hit",))
    assert one.observation.answer == Answer("Hello.", tool_calls=(ToolCall("f", "{}", "call_1"),))


async def test_what_was_cut_is_not_whole(store: SQLiteStore, path: Path) -> None:
    """A request that lacks a part is another request."""
    await store.add([recorded(0, bodies=bodies(REQUEST, whole=False))])
    [one] = stored(path, [exchange_id(0)])
    assert not one.exchange.request_body.whole


async def test_outstanding_is_what_has_a_request_and_no_row(store: SQLiteStore, path: Path) -> None:
    """Not what keeps nothing, or no request, nor what the arm has, be it pending; another arm's do not count."""
    await store.add(
        [
            recorded(0, bodies=bodies(REQUEST)),
            recorded(1),
            recorded(2, bodies=bodies(None, SAID)),
            recorded(3, "ferry", bodies=bodies(REQUEST)),
            recorded(4, "canal", bodies=bodies(REQUEST)),
        ]
    )
    await store.add_later(exchange_id(0), Pending("ferry", 1.0))
    assert outstanding(path, "ferry", ALL) == [exchange_id(4)]
    assert sorted(outstanding(path, "canal", ALL)) == [exchange_id(0), exchange_id(3)]


async def test_a_period_bounds_it(store: SQLiteStore, path: Path) -> None:
    """From its first moment on, and before its last."""
    await store.add([recorded(number, bodies=bodies(REQUEST)) for number in range(5)])
    period = floor(BEGAN + 0.001), floor(BEGAN + 0.003)
    assert sorted(outstanding(path, "ferry", period)) == [exchange_id(1), exchange_id(2)]


async def test_what_is_gone_is_left_out(store: SQLiteStore, path: Path) -> None:
    """Retention may have deleted it since it was found."""
    await store.add([recorded(0, bodies=bodies(REQUEST))])
    assert [one.exchange.exchange_id for one in stored(path, [exchange_id(1), exchange_id(0)])] == [exchange_id(0)]


def test_a_store_that_is_not_there_is_told(tmp_path: Path) -> None:
    """As an error of the store."""
    with pytest.raises(StoreError, match="cannot be read"):
        outstanding(tmp_path / "none.db", "ferry", ALL)
    with pytest.raises(StoreError, match="cannot be read"):
        stored(tmp_path / "none.db", [exchange_id(0)])
