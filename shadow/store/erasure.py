"""Removes a tenant: every row and body, in small steps between commits, and what is left of them on the disk."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from shadow.store.errors import StoreError, Trouble, trouble
from shadow.store.files import BUSY_MS
from shadow.store.limits import Limits
from shadow.store.overwriting import overwrite
from shadow.store.reading import connections, unreadable
from shadow.store.retention import DELETE_BODIES_OF, Retention, delete_bodies
from shadow.store.writer import Writer

PASSES: Final = 10  # a tenant that goes on sending adds rows behind a pass; the last one finds none, or says so

SPAN: Final = """SELECT max(exchange_id) FROM
    (SELECT exchange_id FROM exchanges WHERE exchange_id > ? ORDER BY exchange_id LIMIT ?)"""
SPAN_OF: Final = "exchange_id > :after AND exchange_id <= :last AND tenant = :tenant"
SOME: Final = f"""SELECT max(exchange_id), count(*) FROM
    (SELECT exchange_id FROM exchanges WHERE {SPAN_OF} ORDER BY exchange_id LIMIT :most)"""  # noqa: S608 (our own names)
DELETE_REPLAYS: Final = f"DELETE FROM replays WHERE exchange_id IN (SELECT exchange_id FROM exchanges WHERE {SPAN_OF})"  # noqa: S608 (our own names)
DELETE_EXCHANGES: Final = f"DELETE FROM exchanges WHERE {SPAN_OF}"  # noqa: S608
COUNTS: Final = """SELECT
    (SELECT count(*) FROM exchanges WHERE tenant = :tenant),
    (SELECT count(*) FROM replays WHERE exchange_id IN (SELECT exchange_id FROM exchanges WHERE tenant = :tenant)),
    (SELECT count(*) FROM bodies WHERE tenant = :tenant)"""


@dataclass(frozen=True, slots=True)
class Counts:
    """How much of a tenant there is."""

    exchanges: int
    replays: int
    bodies: int

    def __bool__(self) -> bool:
        return bool(self.exchanges or self.replays or self.bodies)

    def __str__(self) -> str:
        return f"{self.exchanges:,} exchanges, {self.replays:,} replays, {self.bodies:,} bodies"


def count(path: Path, tenant: str) -> Counts:
    """What a database holds of a tenant, read by a connection of its own. Raises StoreError."""
    try:
        with connections(path) as opened:
            return Counts(*opened[0].execute(COUNTS, {"tenant": tenant}).fetchone())
    except sqlite3.Error as error:
        raise unreadable(path, error) from error


def refuse_in_use(path: Path, wait_s: float = BUSY_MS / 1000) -> None:
    """Raise StoreError where another process has a database open: it must have one writer."""
    with closing(sqlite3.connect(path, timeout=wait_s, isolation_level=None)) as connection:
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # before anything is read: only then it holds
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise StoreError(trouble(error), f"{path} is in use by another process") from error


@dataclass(slots=True)
class Erasure:
    """One tenant's, over a database. `deleted` counts exchanges and rows of bodies, and is told to whoever watches."""

    path: Path
    writer: Writer
    retention: Retention
    limits: Limits
    watch: Callable[[int], None]
    deleted: int = field(default=0, init=False)

    async def erase(self, tenant: str) -> None:
        """Delete every row of a tenant, and overwrite what is left of them in the file and its log.

        Raises StoreError: where rows come in as fast as they are deleted, where a reader keeps the log from being
        emptied, and as commits do. Steps that were done stay done; to begin again is harmless.
        """
        for _ in range(PASSES):
            if not await self._pass(tenant):
                break
        else:
            raise StoreError(Trouble.FAILED, "the tenant is still sending: its rows come in while they are deleted")
        await self.retention.give_back()
        await overwrite(self.path, self.writer, self.limits)

    async def _pass(self, tenant: str) -> int:
        """Look through all rows once; how many were deleted."""
        before = self.deleted
        bodies = partial(delete_bodies, statement=DELETE_BODIES_OF, parameters=(tenant, self.limits.prune_bodies))
        while count := await self.writer.chore(bodies):
            self._told(count)
        after: bytes | None = b""
        while after is not None:
            step = partial(_erase_span, tenant=tenant, after=after, limits=self.limits)
            after, count = await self.writer.chore(step)
            self._told(count)
        return self.deleted - before

    def _told(self, count: int) -> None:
        self.deleted += count
        self.watch(self.deleted)


def _erase_span(connection: sqlite3.Connection, tenant: str, after: bytes, limits: Limits) -> tuple[bytes | None, int]:
    """Delete a tenant's among the next exchanges, some; how far that was, None at the end, and how many it were."""
    (last,) = connection.execute(SPAN, (after, limits.erase_rows)).fetchone()
    if last is None:
        return None, 0
    span = {"after": after, "last": last, "tenant": tenant, "most": limits.prune_rows}
    last_of_some, count = connection.execute(SOME, span).fetchone()
    if count == limits.prune_rows:
        span["last"] = last = last_of_some
    if count:
        connection.execute(DELETE_REPLAYS, span)
        connection.execute(DELETE_EXCHANGES, span)
    return last, count
