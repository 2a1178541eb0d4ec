"""Which keys clients have used."""

from pathlib import Path

import pytest

from shadow.store.client_keys import used
from shadow.store.errors import StoreError
from shadow.store.sqlite import SQLiteStore
from tests.store.samples import exchange, recorded


async def test_a_key_that_came_with_an_exchange_was_used(store: SQLiteStore, path: Path) -> None:
    """By its fingerprint, as far as exchanges are kept."""
    await store.add([recorded(0)])
    known = exchange(0).attribution.key_fingerprint
    assert known is not None
    assert (used(path, known), used(path, "ab" * 16)) == (True, False)


def test_without_a_database_nobody_can_tell(path: Path) -> None:
    """That is an error, not a no."""
    with pytest.raises(StoreError):
        used(path, "ab" * 16)
