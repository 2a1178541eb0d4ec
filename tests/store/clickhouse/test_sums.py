"""The same rows give the same sums in every engine, number by number."""

import dataclasses
import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shadow.exchange import Outcome, Pending, Recorded, ReplayOutcome
from shadow.report import as_json
from shadow.report.comparison import compare
from shadow.report.totals import DIMENSIONS, Scope, Totals
from shadow.store import aggregates
from shadow.store.clickhouse import aggregates as fleet
from shadow.store.clickhouse import sums
from shadow.store.clickhouse.sums import Share
from shadow.store.engines import add_up
from tests.clickhouse import Current, Database, Server
from tests.report.population import BEGUN, exchange, mixed, observation, replay, store, usd
from tests.store.clickhouse.fleet import ask_current, ship_into, ship_into_current

ODD = ("o'neill", "back\\slash", "tab\tand\nline", "☃", "1:a", "")
SCOPES = {
    "everything": Scope(breakdowns=()),
    "each dimension": Scope(breakdowns=tuple((one,) for one in DIMENSIONS)),
    "combinations": Scope(breakdowns=(("tenant", "feature"), DIMENSIONS)),
    "one candidate": Scope(candidate="canal", breakdowns=(("feature",),)),
    "a candidate nobody knows": Scope(candidate="nobody"),
    "one tenant": Scope(where=(("tenant", "acme"), ("feature", "chat")), breakdowns=(("model",),)),
    "no tenant": Scope(where=(("tenant", ""),), breakdowns=(("tenant",),)),
    "a tenant with a quote": Scope(where=(("tenant", "o'neill"),), breakdowns=(("tenant", "plan"),)),
    "a period": Scope(
        since=datetime.fromtimestamp(BEGUN + 5000, UTC), until=datetime.fromtimestamp(BEGUN + 60_000.5, UTC)
    ),
    "a period without exchanges": Scope(until=datetime.fromtimestamp(BEGUN - 1, UTC)),
}


def population() -> Iterator[Recorded]:
    """A mixed workload, more tenants than are listed, and what is odd: names, costs, pending, no model call."""
    yield from mixed(1500)
    for number in range(300):
        one = exchange(BEGUN + number, tenant=ODD[number] if number < len(ODD) else f"t{number}")
        seen = observation(usd(number), ttft_s=None if number % 3 else 0.1 * number)
        again = observation(usd(7 * number))
        if number % 5 == 0:
            seen = dataclasses.replace(seen, anomalies=("usage_missing", "finish_missing")[: number % 3])
            again = dataclasses.replace(again, anomalies=("capture_cut",))
        yield Recorded(one, seen, (replay(one, seen=again, arm="canal"),))
    pending = exchange(BEGUN + 1)
    yield Recorded(pending, observation(), (), (Pending("ferry", 0.25, 7),))
    yield Recorded(
        exchange(BEGUN + 2, outcome=Outcome.UPSTREAM_FAILED), dataclasses.replace(observation(), inference=False)
    )
    huge = exchange(BEGUN + 3)
    yield Recorded(huge, observation(usd(10**18)), (replay(huge, seen=observation(usd(-5)), probability=None),))
    refused = exchange(BEGUN + 4)
    yield Recorded(refused, observation(), (replay(refused, ReplayOutcome.WITHHELD, "consent", probability=0.0),))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store(tmp_path_factory.mktemp("fleet") / "shadow.db", population())


@pytest.fixture(scope="module")
def database(path: Path, clickhouse_server: Server) -> Database:
    database = clickhouse_server.database()
    ship_into(path, database)
    return database


@pytest.fixture(scope="module")
def current(path: Path, current_clickhouse: Current) -> Current:
    ship_into_current(path, current_clickhouse, "sums")
    return current_clickhouse


@pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES)
def test_every_sum_and_every_report_is_the_same(path: Path, database: Database, scope: Scope) -> None:
    """Counts and money to the digit, weights, moments and intervals but for the order in which they are added."""
    theirs, ours = fleet.read(database.settings, scope), aggregates.read(path, scope)
    assert differences(theirs, ours) == []
    assert differences(rendered(theirs, scope), rendered(ours, scope)) == []


@pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES)
def test_every_sum_is_the_same_today(path: Path, current: Current, scope: Scope) -> None:
    """In a current release too."""
    assert differences(in_current(current, scope), aggregates.read(path, scope)) == []


@pytest.mark.parametrize("name", ["each dimension", "one candidate", "a period"])
def test_a_large_period_is_added_up_in_halves(
    path: Path, database: Database, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Sums of the halves add up to those of the whole, also where a conversation is in both."""
    monkeypatch.setattr(sums, "WHOLE_MOST", 100)
    scope = SCOPES[name]
    assert differences(fleet.read(database.settings, scope), aggregates.read(path, scope)) == []


def test_rows_sent_twice_count_once(path: Path, database: Database) -> None:
    """Before the engine has merged them, too."""
    scope = SCOPES["each dimension"]
    for table in ("exchanges", "replays"):
        database.ask(f"INSERT INTO DB.{table} SELECT * FROM DB.{table} FINAL LIMIT 500")  # noqa: S608 (our own names)
    assert differences(fleet.read(database.settings, scope), aggregates.read(path, scope)) == []


def test_the_rows_of_two_pods_are_one_report(tmp_path: Path, clickhouse_database: Database) -> None:
    """Pods come and go; where their rows meet they are as if one had seen all."""
    every = list(mixed(400))
    for pod in (0, 1):
        ship_into(store(tmp_path / f"pod-{pod}.db", every[pod::2]), clickhouse_database)
    scope = SCOPES["each dimension"]
    ours = aggregates.read(store(tmp_path / "all.db", every), scope)
    assert differences(fleet.read(clickhouse_database.settings, scope), ours) == []


def test_arms_are_found(path: Path, database: Database) -> None:
    """Whatever else was asked for."""
    scope = Scope(candidate="nobody", where=(("tenant", "nobody"),))
    assert fleet.arms(database.settings, scope) == aggregates.arms(path, scope) == ("canal", "ferry")


def rendered(totals: Totals, scope: Scope) -> Any:
    return json.loads(as_json.render(compare(totals, scope)))


def in_current(current: Current, scope: Scope) -> Totals:
    share = Share(lambda queries: ask_current(current, queries), "sums", scope)
    return add_up([share], share.ends(), scope)


def differences(theirs: Any, ours: Any, at: str = "") -> list[str]:
    """Where two trees of records differ, with both values."""
    if dataclasses.is_dataclass(ours):
        pairs = [(one.name, getattr(theirs, one.name), getattr(ours, one.name)) for one in dataclasses.fields(ours)]
        return [found for name, *both in pairs for found in differences(*both, f"{at}.{name}")]
    if isinstance(ours, dict):
        if theirs.keys() != ours.keys():
            return [f"{at}: {theirs.keys() ^ ours.keys()}"]
        return [found for key in ours for found in differences(theirs[key], ours[key], f"{at}[{key}]")]
    if isinstance(ours, list | tuple):
        if len(theirs) != len(ours):
            return [f"{at}: {len(theirs)} and {len(ours)}"]
        return [
            found for n, both in enumerate(zip(theirs, ours, strict=True)) for found in differences(*both, f"{at}[{n}]")
        ]
    same = math.isclose(theirs, ours, rel_tol=1e-9, abs_tol=1e-9) if isinstance(ours, float) else theirs == ours
    return [] if same else [f"{at}: {theirs!r} and {ours!r}"]
