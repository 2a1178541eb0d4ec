"""`SQLiteStore`: exchanges and replays in a SQLite file."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final, Self, TypeVar

from shadow.events import Event
from shadow.exchange import Cost, Pending, Recorded, Replay, ReplayOutcome, Reservation, Usage
from shadow.log import tell
from shadow.store.adding import add_later
from shadow.store.bodies import ANY, answer_rows, primary_rows
from shadow.store.cap import Capped, cap
from shadow.store.erasure import Erasure
from shadow.store.errors import Trouble
from shadow.store.ids import blob
from shadow.store.limits import Limits
from shadow.store.outbox import Outbox, prepare
from shadow.store.overwriting import overwrite
from shadow.store.reserve import Reserve
from shadow.store.retention import Retention
from shadow.store.rows import (
    COST_COLUMNS,
    COUNT_COLUMNS,
    Row,
    late_cost,
    pending_row,
    rows,
    settlement,
    unsent_row,
)
from shadow.store.spend import ABANDON, Spend, charge_rows, read, reserve_row, spend_row
from shadow.store.writer import Writer
from shadow.store.writes import Write

T = TypeVar("T")

FEW: Final = 20  # rows of more take above a millisecond to make, too long for the event loop
END_UNSENT: Final = """UPDATE replays SET outcome = 'dropped', reason = 'recorder_restarted'
    WHERE outcome IS NULL AND sent_at IS NULL RETURNING arm, outcome, reason"""
END_SENT: Final = """UPDATE replays SET outcome = 'failed', reason = 'interrupted'
    WHERE outcome IS NULL AND sent_at IS NOT NULL RETURNING arm, outcome, reason"""
_LATE: Final = ", ".join(
    [*(f"{column} = ?" for column in COST_COLUMNS), *(f"{column} = coalesce(?, {column})" for column in COUNT_COLUMNS)]
)
SET_COST: Final = f"UPDATE exchanges SET {_LATE} WHERE exchange_id = ? AND cost_source = 'unknown'"  # noqa: S608 (our own names)


@dataclass(frozen=True, slots=True)
class Ended:
    """A replay of an earlier run that was ended because nobody else would."""

    arm: str
    outcome: ReplayOutcome
    reason: str


class SQLiteStore:
    """The recorder's store. Made by `open`. Where a method raises StoreError, nothing of that call is stored."""

    def __init__(
        self, path: Path, writer: Writer, reserve: Reserve, limits: Limits, clock: Callable[[], float]
    ) -> None:
        self._path = path
        self._writer = writer
        self._reserve = reserve
        self._limits = limits
        self._clock = clock
        self._deleting = asyncio.Lock()  # one run at a time: each moves pages
        self.outbox: Final = Outbox(writer)

    @classmethod
    async def open(
        cls,
        path: Path,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.time,
        ship_to: str | None = None,
    ) -> Self:
        """Open, check and migrate the database in `path`; one that is of no use is set aside. Raises StoreError.

        With `ship_to`, which names a server, what has yet to be shipped there is in the outbox.
        """
        limits = limits or Limits()
        tell(Event.STORE_OPENED, sqlite=sqlite3.sqlite_version, path=path)
        writer = await Writer.open(path, limits, partial(prepare, target=ship_to))
        reserve = Reserve(path, limits.reserve_bytes)
        await asyncio.to_thread(reserve.keep)
        return cls(path, writer, reserve, limits, clock)

    @property
    def trouble(self) -> Trouble | None:
        """Why the last attempt to write failed; None where it succeeded."""
        return self._writer.trouble

    async def add(self, batch: Sequence[Recorded]) -> set[str]:
        """Commit exchanges with their replays, and return the ids that were not there before.

        What is there already stays as it is: to send a batch again is harmless. Raises StoreError, and ValueError
        where an exchange_id is not a UUID.
        """
        new = rows(batch) if len(batch) <= FEW else await asyncio.to_thread(rows, batch)
        one = Write(new.exchanges, new.replays, new.unsent, bodies=tuple(primary_rows(batch)))
        added = await self._writer.submit(one)
        return {
            recorded.exchange.exchange_id for recorded, row in zip(batch, new.exchanges, strict=True) if row[0] in added
        }

    async def add_later(self, exchange_id: str, replay: Replay | Pending) -> bool:
        """Commit a replay of an exchange that was stored before: ended without being sent, or yet to be sent.

        False, and nothing changes, where that arm has one, or the exchange is gone. Raises StoreError.
        """
        row = unsent_row(replay) if isinstance(replay, Replay) else pending_row(exchange_id, replay)
        return await self._writer.chore(partial(add_later, row=row))

    async def mark_sent(self, exchange_id: str, arm: str, reservation: Reservation | None = None) -> None:
        """Commit that a pending replay is about to be sent, and what it holds of its arm's budget.

        After a crash it is not sent again, and what it holds stays spent. Raises StoreError.
        """
        sent = ((self._clock(), blob(exchange_id), arm),)
        if reservation is None:
            await self._writer.submit(Write(sent=sent))
            return
        reserved = (reserve_row(exchange_id, arm, reservation),)
        await self._writer.submit(Write(sent=sent, reserved=reserved, spent=(spend_row(arm, reservation),)))

    async def settle(self, replays: Sequence[Replay]) -> None:
        """Commit the ends of pending replays, with what is kept of their answers and what they are charged with.

        Answers are kept beside what is kept of their primary. One that has ended stays as it is. Raises StoreError.
        """
        one = Write(
            settled=tuple(map(settlement, replays)), answers=tuple(answer_rows(replays)), charged=charge_rows(replays)
        )
        await self._writer.submit(one)

    async def set_cost(self, exchange_id: str, cost: Cost, usage: Usage) -> bool:
        """Commit what an exchange cost, learnt later, and those of its counts that came with it.

        False, and nothing changes, where the cost is known by now or the exchange is gone. Raises StoreError.
        """
        return await self._writer.chore(partial(_set_cost, row=late_cost(exchange_id, cost, usage)))

    async def recover(self) -> tuple[Ended, ...]:
        """End every pending replay: those not sent as dropped, those sent as failed; what they hold stays spent.

        Raises StoreError.
        """
        return await self._writer.chore(_end_pending)

    async def spend(self, since: date) -> Spend:
        """What arms with a budget have spent, on a UTC day and later. Raises StoreError."""
        return await self._writer.chore(partial(read, since=since))

    async def prune(self, before: float) -> int:
        """Delete what began before a Unix time, in small steps between commits, and give the space back.

        Returns how many exchanges were deleted. Raises StoreError; steps that were done stay done.
        """
        return await self._delete(lambda retention: retention.prune(before))

    async def prune_bodies(self, before: float, tenants: Collection[str]) -> int:
        """Delete bodies of exchanges that began before a Unix time, and those of all but these tenants.

        Otherwise as `prune`; returns how many rows of bodies were deleted.
        """
        return await self._delete(lambda retention: retention.prune_bodies(before, tenants))

    async def cap(self, max_bytes: int) -> Capped:
        """Delete what is oldest until the database is below so many bytes; how much it was, which is in `losses` too.

        Raises StoreError; steps that were done stay done.
        """
        return await self._delete(lambda retention: cap(retention, self._limits, max_bytes))

    async def erase(self, tenant: str, watch: Callable[[int], None] = lambda _: None) -> None:
        """Delete all rows and bodies of a tenant, and overwrite what is left of them in the file and its log.

        `watch` is told how many rows have been deleted. Raises StoreError; steps that were done stay done.
        """
        async with self._deleting:
            await Erasure(self._path, self._writer, self._retention(), self._limits, watch).erase(tenant)

    async def _delete(self, work: Callable[[Retention], Awaitable[T]]) -> T:
        """Let something be deleted; where there were bodies, what SQLite leaves of deleted rows is overwritten too."""
        async with self._deleting:
            (prompts,) = await self._writer.chore(lambda connection: connection.execute(ANY).fetchone())
            retention = self._retention()
            done = await work(retention)
            if prompts and retention.deleted:
                await overwrite(self._path, self._writer, self._limits)
            return done

    def _retention(self) -> Retention:
        return Retention(self._writer, self._reserve, self._limits)

    async def close(self) -> None:
        """Commit what is waiting and close."""
        await self._writer.close()


def _set_cost(connection: sqlite3.Connection, row: Row) -> bool:
    return connection.execute(SET_COST, row).rowcount == 1


def _end_pending(connection: sqlite3.Connection) -> tuple[Ended, ...]:
    connection.execute(ABANDON)
    ended = [row for sql in (END_UNSENT, END_SENT) for row in connection.execute(sql)]
    return tuple(Ended(arm, ReplayOutcome(outcome), reason) for arm, outcome, reason in ended)
