"""What tests of several rooms share: an address of nobody, and the ClickHouse servers that a test asks for."""

import importlib.util
import socket
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


@pytest.fixture
def nobody() -> Iterator[str]:
    """A loopback address where connections are refused: bound, so that no other test listens on it meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture(autouse=True)
def own_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that give way would make the tests themselves wait for everybody else."""
    monkeypatch.setattr("os.nice", lambda _: 0)
    monkeypatch.setattr("os.setpriority", lambda *_: None)
    monkeypatch.setattr("os.sched_setscheduler", lambda *_: None, raising=False)
