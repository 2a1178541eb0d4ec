"""What tests of several rooms share: the ClickHouse servers, started once and only where a test asks for one."""

import importlib.util
from collections.abc import Iterator

import pytest

from tests import clickhouse


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[clickhouse.Server]:
    """Debian's ClickHouse, for all tests that let it run."""
    if clickhouse.BINARY is None:
        pytest.skip(clickhouse.MISSING)
    with clickhouse.running(tmp_path_factory.mktemp("clickhouse")) as server:
        yield server


@pytest.fixture
def clickhouse_database(clickhouse_server: clickhouse.Server) -> clickhouse.Database:
    """A database of this test's own, without tables."""
    return clickhouse_server.database()


@pytest.fixture(scope="session")
def current_clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[clickhouse.Current]:
    """A current ClickHouse."""
    if importlib.util.find_spec("chdb") is None:
        pytest.skip("chdb is not installed: see .ci/components")
    current = clickhouse.Current(tmp_path_factory.mktemp("chdb"))
    try:
        yield current
    finally:
        current.close()


@pytest.fixture(autouse=True)
def own_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that give way would make the tests themselves wait for everybody else."""
    monkeypatch.setattr("os.nice", lambda _: 0)
    monkeypatch.setattr("os.sched_setscheduler", lambda *_: None, raising=False)
