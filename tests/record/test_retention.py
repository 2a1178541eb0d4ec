"""Retention deletes by a clock only while it is believed."""

import pytest

from shadow.config import Config, Upstream
from shadow.record.retention import DAY_S, _delete_old
from tests.record.samples import KEEPS_NOTHING
from tests.record.test_dates import YEAR_S, Clocks

CONFIG = Config(upstream=Upstream(url="https://openrouter.ai"))


class Pruned:
    """A store that keeps what it was asked to delete: everything before a moment."""

    def __init__(self) -> None:
        self.rows: list[float] = []
        self.bodies: list[float] = []

    async def prune(self, before: float) -> int:
        self.rows.append(before)
        return 1

    async def prune_bodies(self, before: float, tenants: frozenset[str]) -> int:
        assert tenants == KEEPS_NOTHING.tenants
        self.bodies.append(before)
        return 1


async def look(store: Pruned, clocks: Clocks) -> None:
    """One look of retention at a store."""
    await _delete_old(store, CONFIG, KEEPS_NOTHING, clocks.calendar)  # type: ignore[arg-type]


async def test_rows_and_bodies_go_by_their_own_days() -> None:
    """Each when it is older than what is configured for it."""
    store, clocks = Pruned(), Clocks()
    await look(store, clocks)
    assert CONFIG.store.retention_days is not None
    assert store.rows == [clocks.wall - CONFIG.store.retention_days * DAY_S]
    assert store.bodies == [clocks.wall - CONFIG.capture.bodies_retention_days * DAY_S]


@pytest.mark.parametrize("leap_s", [YEAR_S, -YEAR_S])
async def test_nothing_is_deleted_by_a_clock_that_was_just_set(leap_s: float, caplog: pytest.LogCaptureFixture) -> None:
    """It is told by how much the clock has leapt; if it still says so at the next look, it is gone by."""
    store, clocks = Pruned(), Clocks()
    clocks.wall += leap_s
    with caplog.at_level("INFO", "shadow"):
        await look(store, clocks)
    assert (store.rows, store.bodies) == ([], [])
    assert f"the clock has leapt by {leap_s:.0f} s: nothing is deleted by it for an hour" in caplog.text
    clocks.run(3600)
    await look(store, clocks)
    assert len(store.rows) == len(store.bodies) == 1
