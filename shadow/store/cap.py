"""Keeps a database within a number of bytes, by deleting what is oldest, and writes down what was.

First go exchanges that have been shipped, with all that belongs to them: they are elsewhere. Then bodies: an account is
worth more than an example. Then exchanges that are nowhere else. The row of `losses` has how many of either kind of
exchange were deleted, and the last of them: a report must say what it cannot see.
"""

import sqlite3
from dataclasses import dataclass
from functools import partial
from typing import Final

from shadow.store.bodies import ANY
from shadow.store.database import Work
from shadow.store.limits import Limits
from shadow.store.outbox import BEYOND, shipped_before
from shadow.store.retention import Retention, delete_bodies, delete_exchanges

LOW: Final = 0.9  # of the bound: room for a while, so that not every look has something to delete

USED: Final = """SELECT (page_count - freelist_count) * page_size
    FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()"""
DELETE_OLDEST_BODIES: Final = """DELETE FROM bodies WHERE body_id IN
    (SELECT body_id FROM bodies ORDER BY exchange_id LIMIT ?)"""
NOTE: Final = """INSERT INTO losses (cause, shipped, unshipped, last_id)
    VALUES ('max_bytes', :shipped, :unshipped, :last)
    ON CONFLICT DO UPDATE SET shipped = shipped + :shipped, unshipped = unshipped + :unshipped,
    last_id = max(last_id, :last)"""


@dataclass(frozen=True, slots=True)
class Capped:
    """How much was deleted: exchanges that had been shipped, others, and rows of bodies of exchanges that stay."""

    shipped: int = 0
    unshipped: int = 0
    bodies: int = 0

    def __bool__(self) -> bool:
        return bool(self.shipped or self.unshipped or self.bodies)


async def cap(retention: Retention, limits: Limits, max_bytes: int) -> Capped:
    """Delete until the database takes up less than `max_bytes`. Raises StoreError; steps that were done stay done."""
    if await retention.writer.chore(_used) <= max_bytes:
        return Capped()
    steps: tuple[Work[int], ...] = (
        partial(_delete_exchanges, limits=limits, shipped=True),
        partial(delete_bodies, statement=DELETE_OLDEST_BODIES, parameters=(limits.prune_bodies,)),
        partial(_delete_exchanges, limits=limits, shipped=False),
    )
    target = int(max_bytes * LOW)
    shipped, bodies, unshipped = [
        await retention.delete(partial(_unless_below, step=step, target=target)) for step in steps
    ]
    return Capped(shipped, unshipped, bodies)


def _unless_below(connection: sqlite3.Connection, step: Work[int], target: int) -> int:
    return 0 if _used(connection) <= target else step(connection)


def _used(connection: sqlite3.Connection) -> int:
    """Bytes of the pages that hold something; the others are given back."""
    (used,) = connection.execute(USED).fetchone()
    return int(used)


def _delete_exchanges(connection: sqlite3.Connection, limits: Limits, shipped: bool) -> int:
    before = shipped_before(connection) if shipped else BEYOND
    if before is None:
        return 0
    (large,) = connection.execute(ANY).fetchone()
    last, count = delete_exchanges(connection, before, limits.prune_bodies if large else limits.prune_rows)
    if last is not None:
        counted = {"shipped": count if shipped else 0, "unshipped": 0 if shipped else count, "last": last}
        connection.execute(NOTE, counted)
    return count
