"""Rows as other programs get them."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from shadow.exchange import Agreement, Cost, CostSource, Pending, Recorded, ReplayOutcome, Rewrite
from shadow.report.totals import Scope
from shadow.store import export
from shadow.store.errors import StoreError
from shadow.store.export import COLUMNS, records
from shadow.store.files import open_database
from tests.report.population import BEGUN, exchange, mixed, observation, replay, store, usd

ALL = Scope()


def one_of(path: Path, kind: export.Kind) -> dict[str, object]:
    [found] = records(path, kind, ALL)
    return found


def test_an_exchange_has_the_columns_that_were_promised(tmp_path: Path) -> None:
    """First those that scripts rely on, in their order; others are added at the end."""
    promised = [
        "exchange_id",
        "started_at",
        "tenant",
        "feature",
        "plan",
        "key_fingerprint",
        "method",
        "path",
        "status",
        "outcome",
        "stream",
        "request_model",
        "response_model",
        "provider",
        "generation_id",
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "cache_write_input_tokens",
        "reasoning_output_tokens",
        "cost_usd",
        "cost_source",
        "first_byte_s",
        "ttft_s",
        "total_s",
        "tpot_s",
        "finish_reason",
        "error_kind",
        "features",
        "request_bytes",
        "response_bytes",
    ]
    found = one_of(store(tmp_path / "shadow.db", [Recorded(exchange(), observation())]), "exchanges")
    assert list(found)[: len(promised)] == promised
    assert (found["started_at"], found["stream"], found["cost_usd"], found["features"]) == (
        "2026-09-21T14:13:20.000000+00:00",
        True,
        "0.001",
        [],
    )
    assert (found["response_model"], found["input_tokens"]) == (None, None)


def test_a_replay_has_the_columns_that_were_promised(tmp_path: Path) -> None:
    """Its own facts, and how alike the answers are."""
    promised = ["exchange_id", "arm", "outcome", "reason", "probability", "rewrite"]
    one = exchange()
    ended = replace(replay(one), rewrite=Rewrite(("model: a → b",)), agreement=Agreement(True, None, False, 0.5))
    found = one_of(store(tmp_path / "shadow.db", [Recorded(one, observation(), (ended,))]), "replays")
    assert list(found)[: len(promised)] == promised
    assert (found["exchange_id"], found["arm"], found["reason"]) == (one.exchange_id, "ferry", None)
    assert found["rewrite"] == {"mapped": ["model: a → b"], "dropped": [], "tags": []}
    names = ("finish_reason_same", "tool_calls_same", "json_valid", "text_similarity")
    assert [found[name] for name in names] == [True, None, False, 0.5]


@pytest.mark.parametrize(
    "text", ["0.000000000000123", "1234.5", "0", "-2.5", "0.1000", "0.12345678901234567890123456789012"]
)
def test_money_is_exact_decimal_text(tmp_path: Path, text: str) -> None:
    """To the last digit that a provider said, without an exponent."""
    seen = observation(Cost(Decimal(text), CostSource.REPORTED))
    found = one_of(store(tmp_path / "shadow.db", [Recorded(exchange(), seen)]), "exchanges")
    assert isinstance(found["cost_usd"], str)
    assert "E" not in found["cost_usd"]
    assert Decimal(found["cost_usd"]) == Decimal(text)


def test_replays_that_have_not_ended_have_no_outcome(tmp_path: Path) -> None:
    """Nothing is known of them yet."""
    path = store(tmp_path / "shadow.db", [Recorded(exchange(), observation(), (), (Pending("ferry", 0.5),))])
    found = one_of(path, "replays")
    assert (found["outcome"], found["probability"], found["cost_usd"]) == (None, 0.5, None)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PAGE", 7)


@pytest.mark.parametrize("kind", ["exchanges", "replays"])
@pytest.mark.usefixtures("small_pages")
def test_every_row_is_there_once_in_order(tmp_path: Path, kind: export.Kind) -> None:
    """Whatever page it is on; exchanges begun in the same millisecond, and arms of one exchange, are not confused."""
    path = store(tmp_path / "shadow.db", mixed(100, apart_s=0.0001))
    keys = [(row["exchange_id"], row.get("arm")) for row in records(path, kind, ALL)]
    assert len(keys) == len(set(keys)) == (100 if kind == "exchanges" else 200)
    assert keys == sorted(keys, key=str)


@pytest.mark.usefixtures("small_pages")
def test_filters_are_those_of_a_report(tmp_path: Path) -> None:
    """A half-open period, conditions that must all hold, one candidate; empty asks for those without."""
    path = store(tmp_path / "shadow.db", mixed(60))
    since = datetime.fromtimestamp(BEGUN + 600, UTC)
    within = Scope(since=since, until=since + timedelta(minutes=10))
    starts = [datetime.fromisoformat(row["started_at"]) for row in records(path, "exchanges", within)]
    assert (len(starts), starts[0], starts[-1]) == (10, since, since + timedelta(minutes=9))
    tenants = {row["tenant"] for row in records(path, "exchanges", Scope(where=(("tenant", "acme"),)))}
    nobody = {row["tenant"] for row in records(path, "exchanges", Scope(where=(("tenant", ""),)))}
    assert (tenants, nobody) == ({"acme"}, {None})
    assert {row["arm"] for row in records(path, "replays", Scope(candidate="canal"))} == {"canal"}
    assert len(list(records(path, "replays", replace(within, candidate="canal")))) == 10


@pytest.mark.usefixtures("small_pages")
def test_a_writer_is_not_held_up_between_pages(tmp_path: Path) -> None:
    """No transaction stays open while a slow reader takes its time: the log can be emptied beside it."""
    path = store(tmp_path / "shadow.db", mixed(50))
    rows: Iterator[dict[str, object]] = records(path, "exchanges", ALL)
    next(rows)
    with closing(open_database(path)) as writer:
        writer.execute("DELETE FROM exchanges WHERE tenant = 'acme'")
        assert writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
    left = list(rows)
    assert {row["tenant"] for row in left[7:]} <= {"globex", "initech", None}


def test_columns_of_an_empty_store(tmp_path: Path) -> None:
    """No rows; what they would have is known all the same."""
    assert list(records(store(tmp_path / "shadow.db", []), "replays", ALL)) == []
    assert "arm" in COLUMNS["replays"]


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    """An error with the path, at the first row."""
    with pytest.raises(StoreError, match="nowhere"):
        next(records(tmp_path / "nowhere.db", "exchanges", ALL))


def test_refusals_of_the_draw_are_rows_too(tmp_path: Path) -> None:
    """What was not drawn is part of the account."""
    one = exchange()
    out = replay(one, ReplayOutcome.SAMPLED_OUT, "not_drawn", probability=0.05)
    found = one_of(store(tmp_path / "shadow.db", [Recorded(one, observation(usd(None)), (out,))]), "replays")
    assert (found["outcome"], found["reason"], found["started_at"]) == ("sampled_out", "not_drawn", None)
