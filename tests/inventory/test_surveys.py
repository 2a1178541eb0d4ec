"""What a store counts for the inventory, the same in every engine."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shadow.exchange import Usage
from shadow.inventory.facts import Facts
from shadow.report.totals import Scope
from shadow.store.clickhouse import surveys as fleet
from shadow.store.surveys import read, survey
from tests.clickhouse import Current, Database, Server
from tests.inventory.traffic import CHAT, EMBEDDINGS, KEY, OTHER_KEY, call, traffic
from tests.report.population import BEGUN, mixed, store
from tests.store.clickhouse.fleet import ask_current, ship_into, ship_into_current

SCOPES = {
    "everything": Scope(),
    "a tenant": Scope(where=(("tenant", "globex"),)),
    "nobody's": Scope(where=(("tenant", ""),)),
    "a model": Scope(where=(("model", "vendor/model-1"), ("feature", "chat"))),
    "a candidate": Scope(candidate="arm-1"),
    "a quote": Scope(where=(("tenant", "o'neill?"),)),
    "a period": Scope(since=datetime.fromtimestamp(BEGUN + 2, UTC), until=datetime.fromtimestamp(BEGUN + 6, UTC)),
    "an empty period": Scope(until=datetime.fromtimestamp(BEGUN - 1, UTC)),
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Traffic in a SQLite file."""
    return store(tmp_path_factory.mktemp("survey") / "shadow.db", [*traffic(), *mixed(300)])


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    """What is counted of the little traffic alone."""
    return read(store(tmp_path / "shadow.db", traffic()), Scope())


def test_models_are_told_apart_by_what_answered(facts: Facts) -> None:
    """By asked for, answered, provider, and where the cost comes from; what is no model call is not there."""
    assert sum(use.calls.calls for use in facts.models) == 9
    assert {(use.requested, use.served, use.cost_source): use.calls.calls for use in facts.models} == {
        ("vendor/model-1", "vendor/model-1-2026-01-01", "reported"): 4,
        ("vendor/model-1", "vendor/model-1-2026-01-01", "catalogue"): 1,
        ("vendor/model-1", "vendor/model-1-2026-01-01", "unknown"): 2,
        ("vendor/model-1", "other/model-2", "reported"): 1,
        ("", "", "unknown"): 1,
    }


def test_calls_are_counted_by_how_they_ended(facts: Facts) -> None:
    """Answered, cancelled, streamed, paid with an own key; cost and tokens are sums over what is known."""
    [one] = [use.calls for use in facts.models if use.cost_source == "catalogue"]
    assert (one.calls, one.answered, one.cancelled, one.streamed, one.byok) == (1, 1, 0, 1, 1)
    assert (one.cost_known, one.cost_nano, one.cost_unknown) == (1, 500_000_000, 0)
    assert (one.input_tokens, one.output_tokens, one.cache_read_input_tokens) == (1234, 56, 1000)
    assert (one.first_at, one.last_at) == (BEGUN + 3, BEGUN + 3)
    unknown = [use.calls for use in facts.models if use.cost_source == "unknown" and use.requested]
    assert [(one.answered, one.cancelled, one.cost_unknown) for one in unknown] == [(0, 1, 0)]


def test_prompts_are_counted_by_size_and_patience(facts: Facts) -> None:
    """Sizes to two digits, downwards; the most is exact and includes the answer."""
    assert Counter({use.client_timeout_s: use.calls for use in facts.prompts if use.input_tokens == 1200}) == Counter(
        {600.0: 1, 30.0: 1, None: 6}
    )
    assert {use.most_tokens for use in facts.prompts if use.requested} == {1290}
    assert [use.input_tokens for use in facts.prompts if not use.requested] == [None]


@pytest.mark.parametrize(("tokens", "bucket"), [(0, 0), (9, 9), (99, 99), (100, 100), (109, 100), (128_000, 120_000)])
def test_sizes_keep_two_digits(tmp_path: Path, tokens: int, bucket: int) -> None:
    """Small ones are exact."""
    found = read(store(tmp_path / "shadow.db", [call(usage=Usage(tokens, 1))]), Scope())
    assert [use.input_tokens for use in found.prompts] == [bucket]


def test_callers_are_counted_with_what_they_use(facts: Facts) -> None:
    """Tenants and features with the features of the API, keys with their tenants."""
    assert {(use.tenant, use.plan, use.uses) for use in facts.tenants} == {
        ("acme", "pro", frozenset()),
        ("acme", "pro", frozenset({"tools"})),
        ("acme", "pro", frozenset({"provider_keys"})),
        ("globex", "pro", frozenset()),
        ("globex", "pro", frozenset({"tools", "fallbacks"})),
        ("", "", frozenset()),
    }
    assert {(use.feature, use.path) for use in facts.features} == {
        ("chat", CHAT),
        ("agents", CHAT),
        ("search", EMBEDDINGS),
        ("", CHAT),
    }
    assert {(use.fingerprint, use.tenant, use.provider_keys) for use in facts.keys} == {
        (KEY, "acme", False),
        (KEY, "acme", True),
        (KEY, "globex", False),
        (OTHER_KEY, "globex", False),
        ("", "", False),
    }


def test_replays_are_counted_with_what_was_left_out_and_refused(facts: Facts) -> None:
    """By arm and end, with the primary's features."""
    assert {one.arm: one[1:] for one in facts.replays} == {
        "arm-0": (frozenset({"tools"}), "completed", "", ("seed",), "", 1),
        "arm-1": (frozenset({"tools"}), "failed", "param_rejected", (), "logit_bias", 1),
        "arm-2": (frozenset({"tools"}), "ineligible", "server_tools", (), "", 1),
        "arm-3": (frozenset({"tools"}), "failed", "server_error", (), "", 1),
    }


@pytest.fixture(scope="module")
def database(path: Path, clickhouse_server: Server) -> Database:
    """The same rows in an old release."""
    database = clickhouse_server.database()
    ship_into(path, database)
    return database


@pytest.fixture(scope="module")
def current(path: Path, current_clickhouse: Current) -> Current:
    """The same rows in a current one."""
    ship_into_current(path, current_clickhouse, "surveys")
    return current_clickhouse


@pytest.mark.parametrize("name", SCOPES)
def test_an_old_clickhouse_counts_the_same(path: Path, database: Database, name: str) -> None:
    """Debian's 18.16, over HTTP."""
    assert alike(read(database.settings, SCOPES[name])) == alike(read(path, SCOPES[name]))


@pytest.mark.parametrize("name", SCOPES)
def test_a_current_clickhouse_counts_the_same(path: Path, current: Current, name: str) -> None:
    """The same statements in a release of today."""

    def run(query: str, values: Any) -> list[list[Any]]:
        [rows] = ask_current(current, [fleet.filled(query, values)])
        return rows

    assert alike(survey(fleet.over(run, "surveys"), SCOPES[name])) == alike(read(path, SCOPES[name]))


def alike(facts: Facts) -> dict[str, Any]:
    """The facts in an order of their own."""
    found: dict[str, Any] = {name: getattr(facts, name) for name in facts.__slots__}
    return {name: sorted(value, key=repr) if isinstance(value, list) else value for name, value in found.items()}
