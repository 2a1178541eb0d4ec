"""Deletes old rows in small steps between commits, on a full disk too."""

import asyncio
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


@dataclass(slots=True)
class Retention:
    """One run over a database. `deleted` counts exchanges."""

    writer: Writer
    reserve: Reserve
    limits: Limits
    deleted: int = 0

    async def prune(self, before: float) -> None:
        """Delete what began before a Unix time, and give its space back.

        On a full disk it works with the reserved room. Raises StoreError; steps that were done stay done.
        """
        try:
            await self._delete(before, full=False)
        except StoreError as error:
            if error.trouble is not Trouble.DISK_FULL:
                raise
            self.reserve.release()
            try:
                await self._delete(before, full=True)
            finally:
                await asyncio.to_thread(self.reserve.keep)
        if self.deleted:
            await self.writer.empty_log()  # the deleted rows are still in it

    async def _delete(self, before: float, *, full: bool) -> None:
        oldest = partial(_delete_oldest, before=floor(before), most=self.limits.prune_rows)
        while count := await self._step(oldest, full):
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


async def _give_back(connection: aiosqlite.Connection, most: int) -> bool:
    """Return free pages to the file system, a few; whether there are more."""
    await connection.execute_fetchall(f"PRAGMA incremental_vacuum({most})")
    ((free,),) = await connection.execute_fetchall("PRAGMA freelist_count")
    return bool(free)
