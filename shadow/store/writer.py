"""`Writer`: one task and one thread through which everything is written, what waits together.

Callers hand over what they want written and wait for the commit that holds it. The task takes what is waiting, up to
a bound, and has it written in one transaction, so that a flush of the disk serves many.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

from shadow.log import where
from shadow.store.database import Database, Prepare, Work
from shadow.store.errors import StoreError, Trouble
from shadow.store.limits import Limits
from shadow.store.writes import Write, write
from shadow.tasks import spawn

T = TypeVar("T")


class Writer:
    """The only thing that writes to a database. Made by `open`."""

    def __init__(self, thread: ThreadPoolExecutor, database: Database, limits: Limits) -> None:
        self._thread = thread
        self._database = database  # the thread's
        self._limits = limits
        self._writes: deque[Write] = deque()
        self._chores: deque[tuple[Callable[[], Awaitable[Any]], asyncio.Future[Any]]] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._task = spawn(self._run(), "store-writer")

    @classmethod
    async def open(cls, path: Path, limits: Limits, prepare: Prepare | None = None) -> Self:
        """`prepare` is called with every connection that is opened, before anything is written. Raises StoreError."""
        thread = ThreadPoolExecutor(1, "store-writer")
        try:
            database = await _in(thread, partial(Database, path, limits, prepare))
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(thread, database, limits)

    @property
    def trouble(self) -> Trouble | None:
        """Why the last attempt to write failed; None where it succeeded."""
        return self._database.trouble

    async def submit(self, one: Write) -> set[bytes]:
        """Wait until it is committed; the ids that are new. Raises StoreError, and then it is not."""
        self._refuse_when_closed()
        self._writes.append(one)
        self._wake.set()
        return await one.done

    async def chore(self, work: Work[T]) -> T:
        """Have something done in a transaction of its own, between two groups. Raises StoreError."""
        return await self._in_turn(partial(self._transact, work))

    async def empty_log(self) -> bool:
        """Move the log into the database and empty it: now, or later where a reader is in the way."""
        return await self._in_turn(partial(_in, self._thread, self._database.empty_log))

    async def apart(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """Have something done to the file while it is closed, with an empty log, between two groups.

        None, and nothing is done, where a reader of an old snapshot keeps the log from being emptied. The next
        transaction opens the file again. Raises StoreError, also for an OSError of the work's.
        """
        return await self._in_turn(partial(self._apart, work))

    async def _apart(self, work: Callable[[], Awaitable[T]]) -> T | None:
        if not await _in(self._thread, self._database.checkpoint):
            return None
        await _in(self._thread, self._database.close)
        try:
            return await work()
        except OSError as error:
            raise StoreError(Trouble.FAILED, where(error)) from error

    async def _in_turn(self, perform: Callable[[], Awaitable[T]]) -> T:
        self._refuse_when_closed()
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._chores.append((perform, done))
        self._wake.set()
        return await done

    async def close(self) -> None:
        """Commit what is waiting, then close."""
        self._closing = True
        self._wake.set()
        await asyncio.shield(self._task)

    def _refuse_when_closed(self) -> None:
        if self._closing or self._task.done():
            raise StoreError(Trouble.CLOSED, "the store is closed")

    async def _run(self) -> None:
        try:
            while self._writes or self._chores or not self._closing:
                await self._turn()
                if not (self._writes or self._chores or self._closing):
                    self._wake.clear()
                    await self._wake.wait()
        finally:
            self._closing = True
            closed = StoreError(Trouble.CLOSED, "the store is closed")
            for done in [one.done for one in self._writes] + [done for _, done in self._chores]:
                _fail(done, closed)
            await _in(self._thread, self._database.close)
            self._thread.shutdown(wait=False)

    async def _turn(self) -> None:
        if group := self._next_group():
            await self._answer(group)
        if self._chores:
            perform, done = self._chores.popleft()
            try:
                _settle(done, await perform())
            except StoreError as error:
                _fail(done, error)
        if self._database.log_is_long:
            await _in(self._thread, self._database.bound_log)

    def _next_group(self) -> list[Write]:
        """What waits, up to the bound; what one caller brings stays together."""
        group: list[Write] = []
        room = self._limits.group_rows
        while self._writes and (not group or self._writes[0].weight <= room):
            group.append(self._writes.popleft())
            room -= group[-1].weight
        return group

    async def _answer(self, group: Sequence[Write]) -> None:
        try:
            claims = await self._transact(partial(write, group=group))
        except StoreError as error:
            for one in group:
                _fail(one.done, error)
            return
        for one, new in zip(group, claims, strict=True):
            _settle(one.done, new)

    async def _transact(self, work: Work[T]) -> T:
        return await _in(self._thread, partial(self._database.transact, work))


async def _in(thread: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(thread, work)


def _settle(done: asyncio.Future[Any], result: object) -> None:
    if not done.done():  # else its caller went away
        done.set_result(result)


def _fail(done: asyncio.Future[Any], error: StoreError) -> None:
    if not done.done():
        done.set_exception(error)
