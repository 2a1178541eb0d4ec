"""Deletes old rows in small steps between commits, on a full disk too."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

import aiosqlite

from shadow.store.errors import StoreError, Trouble
from shadow.store.ids import floor
from shadow.store.limits import Limits
from shadow.store.reserve import Reserve
from shadow.store.writer import Work, Writer

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
        self.deleted = 0
        await self._delete(partial(_delete_oldest, before=floor(before), most=self.limits.prune_rows))
        return self.deleted

    async def prune_bodies(self, before: float, tenants: Collection[str] | None = None) -> int:
        """Delete bodies of exchanges that began before a Unix time, and where given those of all but these tenants.

        As `prune`; returns how many rows were deleted.
        """
        most = self.limits.prune_bodies
        works = [partial(delete_bodies, statement=DELETE_OLD_BODIES, parameters=(floor(before), most))]
        if tenants is not None:
            for (tenant,) in await self.writer.chore(lambda connection: connection.execute_fetchall(TENANTS)):
                if tenant not in tenants:
                    works.append(partial(delete_bodies, statement=DELETE_BODIES_OF, parameters=(tenant, most)))
        for work in works:
            await self._delete(work)
        return self.deleted

    async def give_back(self) -> None:
        """Return free pages to the file system, and empty the log of what was deleted."""
        while await self.writer.chore(partial(_give_back, most=self.limits.prune_pages)):
            pass
        await self.writer.empty_log()

    async def _delete(self, work: Work[int]) -> None:
        """Do the work until it finds nothing more to delete, then give the space back and empty the log of it."""
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


async def _delete_oldest(connection: aiosqlite.Connection, before: bytes, most: int) -> int:
    ((last, count),) = await connection.execute_fetchall(OLDEST, (before, most))
    if count:
        await connection.execute("DELETE FROM replays WHERE exchange_id <= ?", (last,))
        await connection.execute("DELETE FROM exchanges WHERE exchange_id <= ?", (last,))
    return int(count)


async def delete_bodies(connection: aiosqlite.Connection, statement: str, parameters: Sequence[object]) -> int:
    """One step; how many rows it were."""
    async with connection.execute(statement, tuple(parameters)) as cursor:
        return cursor.rowcount


async def _give_back(connection: aiosqlite.Connection, most: int) -> bool:
    """Return free pages to the file system, a few; whether there are more."""
    await connection.execute_fetchall(f"PRAGMA incremental_vacuum({most})")
    ((free,),) = await connection.execute_fetchall("PRAGMA freelist_count")
    return bool(free)
