"""`Writer`: one task and one connection through which everything is written, what waits together.

Callers hand over what they want written and wait for the commit that holds it. The task takes what is waiting, up to
a bound, and writes it in one transaction, so that a flush of the disk serves many. The same connection checkpoints,
because SQLite before 3.51.3 may lose commits where a second one does (https://sqlite.org/wal.html, "WAL-reset bug").
"""

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import aiosqlite

from shadow.events import Event
from shadow.log import tell, where
from shadow.store.errors import StoreError, Trouble, trouble
from shadow.store.files import BUSY_MS, log_of, open_database, set_aside
from shadow.store.limits import Limits
from shadow.store.writes import Write, write
from shadow.tasks import spawn

T = TypeVar("T")
Work = Callable[[aiosqlite.Connection], Awaitable[T]]
Prepare = Callable[[sqlite3.Connection], None]

ROWS_OF_A_CURSOR: Final = 64  # aiosqlite fetches this many at a time; nothing here reads many


class Writer:
    """The only thing that writes to the database in `path`. Made by `open`."""

    def __init__(self, path: Path, connection: aiosqlite.Connection, limits: Limits, prepare: Prepare | None) -> None:
        self._path = path
        self._prepare = prepare
        self._connection: aiosqlite.Connection | None = connection  # None after damage, until it can be opened again
        self._identity = _identity(path)
        self._limits = limits
        self._writes: deque[Write] = deque()
        self._chores: deque[tuple[Callable[[], Awaitable[Any]], asyncio.Future[Any]]] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._trouble: Trouble | None = None
        self._checkpoint_after = 0.0
        self._log_to_empty = False
        self._task = spawn(self._run(), "store-writer")

    @classmethod
    async def open(cls, path: Path, limits: Limits, prepare: Prepare | None = None) -> Self:
        """`prepare` is called with every connection that is opened, before anything is written. Raises StoreError."""
        return cls(path, await _connect(path, prepare), limits, prepare)

    @property
    def trouble(self) -> Trouble | None:
        """Why the last attempt to write failed; None where it succeeded."""
        return self._trouble

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
        self._log_to_empty = not await self._in_turn(self._checkpoint)
        return not self._log_to_empty

    async def apart(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """Have something done to the file while it is closed, with an empty log, between two groups.

        None, and nothing is done, where a reader of an old snapshot keeps the log from being emptied. The next
        transaction opens the file again. Raises StoreError, also for an OSError of the work's.
        """
        return await self._in_turn(partial(self._apart, work))

    async def _apart(self, work: Callable[[], Awaitable[T]]) -> T | None:
        if not await self._checkpoint():
            return None
        await self._disconnect()
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
            await self._disconnect()

    async def _turn(self) -> None:
        if group := self._next_group():
            await self._answer(group)
        if self._chores:
            perform, done = self._chores.popleft()
            try:
                _settle(done, await perform())
            except StoreError as error:
                _fail(done, error)
        await self._bound_log()

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
        """Do the work in one transaction. Raises StoreError, and then nothing of it is stored."""
        try:
            if self._log_bytes() > self._limits.log_max_bytes and not await self._checkpoint():
                raise StoreError(Trouble.READER_HOLDS_LOG, "a reader of an old snapshot keeps the log from shrinking")
            result = await self._attempt(work)
        except StoreError as error:
            self._note(error.trouble, str(error))
            raise
        except sqlite3.Error as error:
            kind = trouble(error)
            self._note(kind, str(error))
            if kind is Trouble.DAMAGED:
                await self._replace(str(error))
            raise StoreError(kind, str(error)) from error
        except Exception as error:  # a mistake of ours; its text may quote a row
            self._note(Trouble.FAILED, where(error))
            raise StoreError(Trouble.FAILED, where(error)) from error
        self._note(None, "")
        return result

    async def _attempt(self, work: Work[T]) -> T:
        connection = await self._connected()
        await connection.execute("BEGIN IMMEDIATE")
        try:
            result = await work(connection)
            await connection.execute("COMMIT")
        finally:
            if connection.in_transaction:  # a full disk may have rolled it back already
                with suppress(sqlite3.Error):
                    await connection.execute("ROLLBACK")
        return result

    async def _connected(self) -> aiosqlite.Connection:
        """The connection to the file that is in its place now: rows must not vanish into one that was removed."""
        if self._connection is not None and _identity(self._path) != self._identity:
            tell(Event.STORE_GONE, path=self._path)
            await self._disconnect()
        if self._connection is None:
            self._connection = await _connect(self._path, self._prepare)
            self._identity = _identity(self._path)
        return self._connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                await connection.close()

    async def _replace(self, why: str) -> None:
        """Set a damaged database aside; the next transaction opens a fresh one."""
        await self._disconnect()
        try:
            set_aside(self._path, why)
        except OSError as error:
            tell(Event.STORE_UNMOVED, path=self._path, reason=error)

    async def _bound_log(self) -> None:
        """Cut back a log that ordinary checkpoints could not, now and then: readers may be in the way."""
        wanted = self._log_to_empty or self._log_bytes() > self._limits.log_restart_bytes
        if wanted and time.monotonic() >= self._checkpoint_after:
            self._log_to_empty = not await self._checkpoint() and self._log_to_empty
            self._checkpoint_after = time.monotonic() + self._limits.checkpoint_pause_s

    def _log_bytes(self) -> int:
        try:
            return log_of(self._path).stat().st_size
        except OSError:
            return 0

    async def _checkpoint(self) -> bool:
        """Move the log into the database and empty it. False where a reader of an old snapshot is in the way."""
        try:
            connection = await self._connected()
            await connection.execute(f"PRAGMA busy_timeout = {self._limits.checkpoint_wait_ms}")
            try:
                ((busy, _, _),) = await connection.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                await connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        except (sqlite3.Error, StoreError) as error:
            tell(Event.STORE_LOG_FULL, path=self._path, reason=error)
            return False
        return not busy

    def _note(self, kind: Trouble | None, text: str) -> None:
        """Log a trouble when it begins and when it ends, not for every commit between."""
        if kind is self._trouble:
            return
        if kind is None:
            tell(Event.STORE_WELL, path=self._path)
        else:
            tell(Event.STORE_TROUBLED, path=self._path, trouble=kind, reason=text)
        self._trouble = kind


async def _connect(path: Path, prepare: Prepare | None) -> aiosqlite.Connection:
    connection = aiosqlite.Connection(partial(_open, path, prepare), ROWS_OF_A_CURSOR)
    try:
        return await connection
    except BaseException:
        # It does not wait for its thread, which has a last word to say to this event loop.
        await asyncio.to_thread(connection._thread.join)  # noqa: SLF001
        raise


def _open(path: Path, prepare: Prepare | None) -> sqlite3.Connection:
    connection = open_database(path)
    try:
        if prepare is not None:
            prepare(connection)
    except sqlite3.Error as error:
        connection.close()
        raise StoreError(trouble(error), f"{path} cannot be prepared: {error}") from error
    return connection


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _settle(done: asyncio.Future[Any], result: object) -> None:
    if not done.done():  # else its caller went away
        done.set_result(result)


def _fail(done: asyncio.Future[Any], error: StoreError) -> None:
    if not done.done():
        done.set_exception(error)
