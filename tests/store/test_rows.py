import sqlite3
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.exchange import (
    Agreement,
    Attribution,
    Body,
    Cost,
    CostSource,
    Pending,
    Recorded,
    ReplayOutcome,
    Rewrite,
    Usage,
)
from shadow.store.adding import ADD_EXCHANGES
from shadow.store.buckets import bucket
from shadow.store.ids import blob
from shadow.store.migrations import migrate
from shadow.store.rows import (
    ENDING_COLUMNS,
    EXCHANGE_COLUMNS,
    REPLAY_COLUMNS,
    UNSENT_COLUMNS,
    exchange_row,
    nano_usd,
    pending_row,
    replay_row,
    rows,
    settlement,
    unsent_row,
    usd,
)
from tests.store.samples import exchange, exchange_id, observation, recorded, replay


def named(columns: tuple[str, ...], row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(columns, row, strict=True))


def stored(one: Recorded) -> dict[str, Any]:
    return named(EXCHANGE_COLUMNS, exchange_row(one))


def test_an_exchange_becomes_a_row() -> None:
    """Every fact of a primary exchange is in the column of its name; what is not known is None."""
    assert stored(recorded()) == {
        "exchange_id": blob(exchange_id(0)),
        "outcome": "complete",
        "tenant": "acme",
        "feature": "summaries",
        "plan": "business",
        "key_fingerprint": "0123456789abcdef" * 2,
        "method": "POST",
        "path": "/api/v1/chat/completions",
        "started_at": 1_780_000_000.0,
        "status": 200,
        "failure": None,
        "inference": True,
        "stream": True,
        "request_model": "openai/gpt-4o-mini",
        "response_model": "openai/gpt-4o-mini-2024-07-18",
        "provider": "OpenAI",
        "generation_id": "gen-1",
        "input_tokens": 100,
        "output_tokens": 20,
        "cache_read_input_tokens": 10,
        "cache_write_input_tokens": None,
        "reasoning_output_tokens": 0,
        "cost_nano_usd": 123_456,
        "cost_usd_exact": None,
        "cost_source": "reported",
        "cost_normalised_nano_usd": 200_000,
        "cost_normalised_usd_exact": None,
        "price_version": None,
        "stated_cost_usd": None,
        "first_byte_s": 0.25,
        "ttft_s": 0.5,
        "total_s": 2.5,
        "tpot_s": 0.01,
        "largest_gap_s": 0.1,
        "ttft_bucket": bucket(0.5),
        "total_bucket": bucket(2.5),
        "tpot_bucket": bucket(0.01),
        "finish_reason": "stop",
        "error_kind": None,
        "features": '["streaming","tools"]',
        "anomalies": "[]",
        "request_bytes": 2,
        "response_bytes": 2,
        "byok": False,
        "client_timeout_s": 600.0,
    }


def test_an_ended_replay_becomes_a_row() -> None:
    """A completed replay's row has its identity, its own facts and how alike the answers are."""
    completed = replay(
        rewrite=Rewrite(("model: a → b",), ("provider",), ("prompt-cache",)),
        exchange=exchange(status=200, arm="ferry"),
        observation=observation(provider="Ferry"),
        agreement=Agreement(True, None, False, 0.75, schema_valid=False, primary_refused=False, notes=("b", "a")),
    )
    row = named(REPLAY_COLUMNS, replay_row(completed))
    assert (row["exchange_id"], row["arm"], row["probability"]) == (blob(exchange_id(0)), "ferry", 0.05)
    assert (row["outcome"], row["reason"], row["provider"]) == ("completed", None, "Ferry")
    assert row["rewrite"] == '{"mapped":["model: a → b"],"dropped":["provider"],"tags":["prompt-cache"]}'
    assert (row["finish_reason_same"], row["tool_calls_same"], row["json_valid"]) == (True, None, False)
    assert (row["text_similarity"], row["agreement_notes"]) == (0.75, '["a","b"]')
    assert (row["tool_names_same"], row["schema_valid"], row["primary_refused"]) == (None, False, False)


def test_conversation_is_stored_with_the_draw() -> None:
    """It is there from the plan on, and where a replay ended at once; 63 bits fit."""
    most = 2**63 - 1
    ended = named(REPLAY_COLUMNS, replay_row(replay(conversation=most)))
    pending = named(UNSENT_COLUMNS, pending_row(exchange_id(0), Pending("ferry", 0.05, most)))
    assert (ended["conversation"], pending["conversation"]) == (most, most)


def test_a_replay_that_sent_nothing_has_no_facts() -> None:
    """Where nothing was sent only identity, outcome, reason and probability are set."""
    row = named(UNSENT_COLUMNS, unsent_row(replay(outcome=ReplayOutcome.SAMPLED_OUT, reason="not_drawn")))
    known = {name for name, value in row.items() if value is not None}
    assert known == {"exchange_id", "arm", "outcome", "reason", "probability"}


def test_a_pending_replay_has_no_outcome() -> None:
    """A row that is yet to be sent has its identity and its part in the sample and nothing else."""
    [pending] = recorded(0, "ferry").pending
    row = named(UNSENT_COLUMNS, pending_row(exchange_id(0), pending))
    known = {name for name, value in row.items() if value is not None}
    assert known == {"exchange_id", "arm", "probability"}


def test_a_settlement_ends_the_row_of_its_key() -> None:
    """The values for an update come in the order of the ending's columns, then the key."""
    row = settlement(replay(outcome=ReplayOutcome.FAILED, reason="deadline"))
    assert row[:2] == ("failed", "deadline")
    assert row[len(ENDING_COLUMNS) :] == (blob(exchange_id(0)), "ferry")


def test_a_batch_becomes_rows_of_both_tables() -> None:
    """Each exchange has one row, each of its replays, ended or pending, another."""
    both = rows([recorded(0, "ferry", ended=(replay(0, "canal"),)), recorded(1)])
    assert (len(both.exchanges), len(both.replays), len(both.unsent)) == (2, 0, 2)


def test_anomalies_are_gathered() -> None:
    """What was odd about the exchange, its usage and its timings is in one sorted list."""
    odd = observation(anomalies=("b",), usage=Usage(anomalies=("a",)))
    assert stored(Recorded(exchange(), odd))["anomalies"] == '["a","b"]'


@given(st.integers(-(10**18), 10**18), st.integers(9, 40))
def test_money_survives_storage_exactly(digits: int, places: int) -> None:
    """Whatever a provider reports comes back as the same amount, be it finer than a nano-dollar."""
    amount = Decimal(digits).scaleb(-places)
    assert usd(*nano_usd(amount)) == amount


@pytest.mark.parametrize(
    ("amount", "nano"), [("0.0000000005", 0), ("0.0000000015", 2), ("0.0000000025", 2), ("1e-12", 0)]
)
def test_nano_dollars_are_rounded_half_to_even(amount: str, nano: int) -> None:
    """Sums of rounded amounts are not biased; the exact text stays beside them."""
    assert nano_usd(Decimal(amount)) == (nano, str(Decimal(amount)))


def test_nothing_is_nothing_however_it_is_written() -> None:
    """A zero has no size, whatever its exponent says."""
    assert nano_usd(Decimal("0E+30")) == (0, None)


@pytest.mark.parametrize(
    "amount",
    [
        None,
        *map(Decimal, ("NaN", "Infinity", "1e30", "1e999999", "9223372037", "1e-9999999", "1" * 70, f"0.{'1' * 70}")),
    ],
)
def test_an_amount_that_no_column_holds_is_unknown(amount: Decimal | None) -> None:
    """An absurd amount is not cut to a wrong one."""
    assert nano_usd(amount) == (None, None)


def test_odd_values_make_a_row_that_sqlite_takes() -> None:
    """Lone surrogates, endless text and numbers beyond 64 bits do not keep a batch from being committed."""
    odd = Recorded(
        exchange(path="/" + "x" * 10_000, attribution=Attribution("\ud800tenant"), request_body=Body(size=3)),
        observation(usage=Usage(1 << 70), cost=Cost(Decimal("1e40"), CostSource.REPORTED), provider="nul\0"),
    )
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, 0.0)
    connection.execute(ADD_EXCHANGES, exchange_row(odd))
    tenant, path, tokens = connection.execute("SELECT tenant, length(path), input_tokens FROM exchanges").fetchone()
    connection.close()
    assert (tenant, path, tokens) == ("?tenant", 512, None)
