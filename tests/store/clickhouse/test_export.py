"""The same rows come out of every engine."""

from pathlib import Path

import pytest

from shadow.report.totals import Scope
from shadow.store import export
from shadow.store.clickhouse import export as fleet
from tests.clickhouse import Current, Database
from tests.report.population import store
from tests.store.clickhouse.fleet import ask_current, ship_into, ship_into_current
from tests.store.clickhouse.test_sums import SCOPES, population

KINDS = pytest.mark.parametrize("kind", ["exchanges", "replays"])


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store(tmp_path_factory.mktemp("export") / "shadow.db", population())


@KINDS
def test_every_row_is_the_same(
    path: Path, clickhouse_database: Database, monkeypatch: pytest.MonkeyPatch, kind: export.Kind
) -> None:
    """In the same order, to the last digit, also where they are read in many ranges."""
    ship_into(path, clickhouse_database)
    monkeypatch.setattr(fleet, "AT_ONCE", 500)
    for name, scope in SCOPES.items():
        if kind == "replays" or not scope.candidate:
            assert list(fleet.records(clickhouse_database.settings, kind, scope)) == [
                *export.records(path, kind, scope)
            ], name


@KINDS
def test_every_row_is_the_same_today(path: Path, current_clickhouse: Current, kind: export.Kind) -> None:
    """In a current release too."""
    ship_into_current(path, current_clickhouse, f"export_{kind}")
    found = fleet.read(lambda queries: ask_current(current_clickhouse, queries), f"export_{kind}", kind, Scope())
    assert list(found) == [*export.records(path, kind, Scope())]
