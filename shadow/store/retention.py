"""Deletes old rows in small steps between commits, on a full disk too."""

import asyncio
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from shadow.store.database import Work
from shadow.store.errors import StoreError, Trouble
from shadow.store.ids import floor
from shadow.store.limits import Limits
from shadow.store.reserve import Reserve
from shadow.store.writer import Writer

T = TypeVar("T")

OLDEST: Final = """SELECT max(exchange_id), count(*) FROM
    (SELECT exchange_id FROM exchanges WHERE exchange_id < ? ORDER BY exchange_id LIMIT ?)"""
DELETE_BODIES: Final = """DELETE FROM bodies WHERE body_id IN
    (SELECT body_id FROM bodies WHERE {condition} LIMIT ?)"""
DELETE_OLD_BODIES: Final = DELETE_BODIES.format(condition="exchange_id < ?")
DELETE_BODIES_OF: Final = DELETE_BODIES.format(condition="tenant = ?")
TENANTS: Final = "SELECT DISTINCT tenant FROM bodies"  # out of an index alone


@dataclass(slots=True)
class Retention:
    """One run over a database. `deleted` counts rows of what it deletes."""

    writer: Writer
    reserve: Reserve
    limits: Limits
    deleted: int = 0

    async def prune(self, before: float) -> int:
        """Delete exchanges that began before a Unix time with all that belongs to them, and give the space back.

        On a full disk it works with the reserved room. Returns how many exchanges were deleted. Raises StoreError;
        steps that were done stay done.
        """
        await self.prune_bodies(before)  # first and in steps of their own: they are large
        return await self.delete(partial(_delete_expired, before=floor(before), most=self.limits.prune_rows))

    async def prune_bodies(self, before: float, tenants: Collection[str] | None = None) -> int:
        """Delete bodies of exchanges that began before a Unix time, and where given those of all but these tenants.

        As `prune`; returns how many rows were deleted.
        """
        most = self.limits.prune_bodies
        works = [partial(delete_bodies, statement=DELETE_OLD_BODIES, parameters=(floor(before), most))]
        if tenants is not None:
            for (tenant,) in await self.writer.chore(lambda connection: connection.execute(TENANTS).fetchall()):
                if tenant not in tenants:
                    works.append(partial(delete_bodies, statement=DELETE_BODIES_OF, parameters=(tenant, most)))
        return sum([await self.delete(work) for work in works])

    async def give_back(self) -> None:
        """Return free pages to the file system, and empty the log of what was deleted."""
        while await self.writer.chore(partial(_give_back, most=self.limits.prune_pages)):
            pass
        await self.writer.empty_log()

    async def delete(self, work: Work[int]) -> int:
        """Do the work until it finds nothing more to delete, then give the space back and empty the log of it.

        On a full disk it works with the reserved room. Returns how much was deleted. Raises StoreError; steps that
        were done stay done.
        """
        before = self.deleted
        try:
            await self._repeat(work, full=False)
        except StoreError as error:
            if error.trouble is not Trouble.DISK_FULL:
                raise
            self.reserve.release()
            try:
                await self._repeat(work, full=True)
            finally:
                await asyncio.to_thread(self.reserve.keep)
        if self.deleted > before:
            await self.writer.empty_log()  # the deleted rows are still in it
        return self.deleted - before

    async def _repeat(self, work: Work[int], *, full: bool) -> None:
        while count := await self._step(work, full):
            self.deleted += count
        while await self._step(partial(_give_back, most=self.limits.prune_pages), full):
            pass

    async def _step(self, work: Work[T], full: bool) -> T:
        """On a full disk the log is emptied before each step, so that none needs more room than its own rows."""
        if full:
            await self.writer.empty_log()
        return await self.writer.chore(work)


def delete_exchanges(connection: sqlite3.Connection, before: bytes, most: int) -> tuple[bytes | None, int]:
    """Delete some of the oldest before an id, with all that belongs to them; the last one's id, and how many."""
    last, count = connection.execute(OLDEST, (before, most)).fetchone()
    if last is not None:
        for table in ("bodies", "replays", "exchanges"):
            connection.execute(f"DELETE FROM {table} WHERE exchange_id <= ?", (last,))  # noqa: S608 (our own names)
    return last, count


def _delete_expired(connection: sqlite3.Connection, before: bytes, most: int) -> int:
    last, count = delete_exchanges(connection, before, most)
    if last is None:  # what is missing of the time before it is expired as well
        connection.execute("DELETE FROM losses WHERE last_id < ?", (before,))
    return count


def delete_bodies(connection: sqlite3.Connection, statement: str, parameters: Sequence[object]) -> int:
    """One step; how many rows it were."""
    return connection.execute(statement, parameters).rowcount


def _give_back(connection: sqlite3.Connection, most: int) -> bool:
    """Return free pages to the file system, a few; whether there are more."""
    # A row a page: as many are given back as rows are fetched.
    connection.execute(f"PRAGMA incremental_vacuum({most})").fetchall()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    return bool(free)
