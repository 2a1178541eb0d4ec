"""What waits to be committed, and the statements that write it."""

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from shadow.store.adding import add, execute
from shadow.store.bodies import ADD_ANSWER, ADD_BODIES
from shadow.store.rows import ENDING_COLUMNS, Row
from shadow.store.spend import CHARGE, RELEASE, RESERVE, SPEND

BODY_BYTES: Final = 16 << 10  # of bodies weigh as much as one row: a group of ordinary ones holds a few megabytes
VARIABLES: Final = 500  # placeholders in one statement: SQLite's bound is 32,766, but long statements cost memory

MARK_SENT: Final = "UPDATE replays SET sent_at = ? WHERE exchange_id = ? AND arm = ? AND outcome IS NULL"
_ENDING: Final = ", ".join(f"{column} = ?" for column in ENDING_COLUMNS)
SETTLE: Final = f"UPDATE replays SET {_ENDING} WHERE exchange_id = ? AND arm = ? AND outcome IS NULL"  # noqa: S608


def _future() -> asyncio.Future[set[bytes]]:
    return asyncio.get_running_loop().create_future()


@dataclass(slots=True, eq=False)
class Write:
    """What one caller wants committed, and where its answer goes: the ids of `exchanges` that were not there."""

    exchanges: Sequence[Row] = ()
    replays: Sequence[Row] = ()
    unsent: Sequence[Row] = ()
    sent: Sequence[Row] = ()
    settled: Sequence[Row] = ()
    bodies: Sequence[Row] = ()  # of `exchanges`
    answers: Sequence[Row] = ()  # of `settled`
    reserved: Sequence[Row] = ()  # what those of `sent` hold of budgets, and what days come to with it
    spent: Sequence[Row] = ()
    charged: Sequence[Row] = ()  # what those of `settled` take of it
    done: asyncio.Future[set[bytes]] = field(default_factory=_future)

    @property
    def weight(self) -> int:
        """How many rows it is, for the bound of a group."""
        kept = sum(len(part) for row in (*self.bodies, *self.answers) for part in row if isinstance(part, bytes))
        return len(self.exchanges) + len(self.sent) + len(self.settled) + kept // BODY_BYTES


def write(connection: sqlite3.Connection, group: Sequence[Write]) -> list[set[bytes]]:
    """Write a group inside the transaction that the caller holds; for each of it, which exchanges were new.

    An exchange that two of them bring is new to the first only.
    """
    claims = _claims(connection, group)
    claimed = list(zip(group, claims, strict=True))
    exchanges = {row[0]: row for one, new in claimed for row in one.exchanges if row[0] in new}
    replays = {row[:2]: row for one, new in claimed for row in one.replays if row[0] in new}
    unsent = {row[:2]: row for one, new in claimed for row in one.unsent if row[0] in new}
    add(connection, exchanges.values(), replays.values(), unsent.values())
    changes = (
        (MARK_SENT, [row for one in group for row in one.sent]),
        (SETTLE, [row for one in group for row in one.settled]),
        (ADD_BODIES, [row for one, new in claimed for row in one.bodies if row[0] in new]),
        (ADD_ANSWER, [row for one in group for row in one.answers]),
        (RESERVE, [row for one in group for row in one.reserved]),
        (SPEND, [row for one in group for row in one.spent]),
        (CHARGE, [row for one in group for row in one.charged]),
        (RELEASE, [row[1:] for one in group for row in one.charged]),
    )
    execute(connection, changes)
    return claims


def _claims(connection: sqlite3.Connection, group: Sequence[Write]) -> list[set[bytes]]:
    taken = _known(connection, [row[0] for one in group for row in one.exchanges])
    claims = []
    for one in group:
        new = {row[0] for row in one.exchanges} - taken
        taken |= new
        claims.append(new)
    return claims


def _known(connection: sqlite3.Connection, ids: Sequence[bytes]) -> set[bytes]:
    known: set[bytes] = set()
    for start in range(0, len(ids), VARIABLES):
        some = ids[start : start + VARIABLES]
        places = ", ".join("?" * len(some))
        query = f"SELECT exchange_id FROM exchanges WHERE exchange_id IN ({places})"  # noqa: S608 (nothing but `?`)
        known.update(one for (one,) in connection.execute(query, some))
    return known
