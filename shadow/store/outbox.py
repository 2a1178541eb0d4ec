"""What has yet to be shipped to ClickHouse, in SQLite: written by the very commits that change a row.

An entry of `outbox` names an exchange that was stored or changed, itself or a replay of it; its `sequence` grows with
every entry there ever was, and is the version of the rows that are sent for it. Triggers make the entries, in the
connection that writes and only where ClickHouse is configured. A batch is claimed before it is sent, so that what a
crash leaves unacknowledged is sent again under the same name, and acknowledged by deleting its entries. An exchange
that changes while it is in a batch gets a new entry.

What was stored before ClickHouse was configured, or for another server, is entered step by step (`walked`).
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from shadow.store.rows import Row
from shadow.store.writer import Writer

READ_AT_ONCE: Final = 200  # exchanges; a few milliseconds between two commits
NOW: Final = "CAST(strftime('%s', 'now') AS INTEGER)"

# An entry that is in no batch yet stands for this change too.
_ENTERED: Final = """EXISTS (SELECT 1 FROM outbox WHERE exchange_id = NEW.exchange_id
    AND sequence > (SELECT coalesce(sending, 0) FROM shipping))"""
# No `OR REPLACE`: in a trigger it gives way to what the statement that fires it says of conflicts.
_ENTER: Final = f"""DELETE FROM outbox WHERE exchange_id = NEW.exchange_id;
    INSERT INTO outbox (exchange_id, entered_at) VALUES (NEW.exchange_id, {NOW});"""  # noqa: S608 (our own names)
_WAITED: Final = """EXISTS (SELECT 1 FROM outbox WHERE exchange_id = OLD.exchange_id)
    OR EXISTS (SELECT 1 FROM shipping WHERE OLD.exchange_id > walked AND OLD.exchange_id <= walk_until)"""
TRIGGERS: Final = (
    f"CREATE TEMP TRIGGER ship_exchange AFTER INSERT ON main.exchanges BEGIN {_ENTER} END",
    f"""CREATE TEMP TRIGGER ship_changed_exchange AFTER UPDATE ON main.exchanges
    WHEN NOT {_ENTERED} BEGIN {_ENTER} END""",
    f"CREATE TEMP TRIGGER ship_replay AFTER INSERT ON main.replays WHEN NOT {_ENTERED} BEGIN {_ENTER} END",
    # That a replay is about to be sent is nothing to ship yet.
    f"""CREATE TEMP TRIGGER ship_changed_replay AFTER UPDATE ON main.replays
    WHEN NEW.sent_at IS OLD.sent_at AND NOT {_ENTERED} BEGIN {_ENTER} END""",
    f"""CREATE TEMP TRIGGER ship_no_more AFTER DELETE ON main.exchanges WHEN {_WAITED} BEGIN
    UPDATE shipping SET lost = lost + 1;
    DELETE FROM outbox WHERE exchange_id = OLD.exchange_id;
END""",  # noqa: S608 (our own names)
)
START: Final = """INSERT INTO shipping (target, sender, walked, walk_until)
    SELECT ?, lower(hex(randomblob(16))), x'', max(exchange_id) FROM exchanges"""
WALK: Final = f"""INSERT OR IGNORE INTO outbox (exchange_id, entered_at)
    SELECT exchange_id, {NOW} FROM exchanges WHERE exchange_id > ? AND exchange_id <= ?"""  # noqa: S608
LAST_OF_STEP: Final = """SELECT max(exchange_id) FROM
    (SELECT exchange_id FROM exchanges WHERE exchange_id > ? AND exchange_id <= ? ORDER BY exchange_id LIMIT ?)"""
NEXT: Final = """SELECT max(sequence), count(*) FROM
    (SELECT sequence FROM outbox WHERE sequence > ? AND sequence <= ? ORDER BY sequence LIMIT ?)"""
# By the numbers at both ends: to count the entries of a week would hold the writer up.
BACKLOG: Final = """SELECT coalesce(max(sequence) - min(sequence) + 1, 0),
    (SELECT entered_at FROM outbox ORDER BY sequence LIMIT 1), (SELECT lost FROM shipping) FROM outbox"""
SENDING: Final = "UPDATE shipping SET sending = ?1 WHERE sending IS NOT ?1"  # an idle sidecar writes nothing
WAITING: Final = """SELECT max(target), max(CASE WHEN walk_until IS NOT NULL THEN walked END),
    (SELECT min(exchange_id) FROM outbox) FROM shipping"""
BEYOND: Final = b"\xff" * 17
REPLAYS: Final = """JOIN replays r ON r.exchange_id = e.exchange_id LEFT JOIN arms a ON a.arm = r.arm
    LEFT JOIN pairs p ON p.exchange_id = r.exchange_id AND p.arm = a.id"""
LARGEST: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits: about how many exchanges, and since when the oldest does. `lost` were deleted unshipped."""

    exchanges: int
    oldest_at: float | None
    lost: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries up to a sequence, claimed. `exchanges` counts them; the rows of a deleted exchange are not there.

    `token` names it, in all the world: the same rows, however often they are sent.
    """

    token: str
    sequence: int
    exchanges: int


def prepare(connection: sqlite3.Connection, target: str | None) -> None:
    """Have every change to a row noted from now on; for another `target` all there is is shipped again.

    Without a target nothing is noted, and what was is forgotten.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        known = connection.execute("SELECT target FROM shipping").fetchone()
        if known != (None if target is None else (target,)):
            connection.execute("DELETE FROM shipping")
            connection.execute("DELETE FROM outbox")
            if target is not None:
                connection.execute(START, (target,))
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    if target is not None:
        for trigger in TRIGGERS:
            connection.execute(trigger)


class Outbox:
    """The entries of a store that was opened with a target. Every method raises StoreError."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def backlog(self) -> Backlog:
        return await self._writer.chore(_backlog)

    async def claim(self, most: int) -> Batch | None:
        """The batch that was claimed and not acknowledged, else one of the oldest entries. None where none wait."""
        return await self._writer.chore(partial(_claim, most=most))

    async def read(self, selects: Sequence[str], after: int, upto: int) -> tuple[int, list[list[Row]]] | None:
        """Some exchanges of a batch after a sequence: the last one's, and for each select its rows. None at the end."""
        return await self._writer.chore(partial(_read, selects=selects, after=after, upto=upto))

    async def acknowledge(self, batch: Batch) -> None:
        """Forget what was shipped; what has changed since has a later entry, and stays."""
        await self._writer.chore(partial(_acknowledge, batch=batch))


def shipped_before(connection: sqlite3.Connection) -> bytes | None:
    """The exchange id before which every row is shipped, so that none is lost with this database.

    Beyond all ids where nothing waits; None where nothing is to be shipped.
    """
    target, walked, waiting = connection.execute(WAITING).fetchone()
    if target is None:
        return None
    return min(one for one in (waiting, walked and walked + b"\0", BEYOND) if one is not None)


def select(columns: str, *, replays: bool) -> str:
    """The query of a range of entries: for each exchange or each of its replays, id, version, then `columns`."""
    joined = REPLAYS if replays else ""
    return f"""SELECT e.exchange_id, o.sequence, {columns}
        FROM outbox o JOIN exchanges e ON e.exchange_id = o.exchange_id {joined}
        WHERE o.sequence > ? AND o.sequence <= ? ORDER BY o.sequence"""  # noqa: S608 (our own names)


def _backlog(connection: sqlite3.Connection) -> Backlog:
    return Backlog(*connection.execute(BACKLOG).fetchone())


def _claim(connection: sqlite3.Connection, most: int) -> Batch | None:
    sender, sending = connection.execute("SELECT sender, sending FROM shipping").fetchone()
    if sending is not None:
        _, count = connection.execute(NEXT, (0, sending, most)).fetchone()
        if count:  # what is left of it has not changed
            return Batch(f"{sender}-{sending}", sending, count)
    _walk(connection, most)
    last, count = connection.execute(NEXT, (0, LARGEST, most)).fetchone()
    connection.execute(SENDING, (last,))
    return Batch(f"{sender}-{last}", last, count) if count else None


def _walk(connection: sqlite3.Connection, most: int) -> None:
    """Enter older exchanges, as long as fewer than a batch are waiting."""
    walked, until = connection.execute("SELECT walked, walk_until FROM shipping").fetchone()
    _, waiting = connection.execute(NEXT, (0, LARGEST, most)).fetchone()
    if until is None or waiting >= most:
        return
    (last,) = connection.execute(LAST_OF_STEP, (walked, until, most)).fetchone()
    if last is not None:
        connection.execute(WALK, (walked, last))
    done = last is None or last == until
    connection.execute("UPDATE shipping SET walked = ?, walk_until = ?", (last or until, None if done else until))


def _read(
    connection: sqlite3.Connection, selects: Sequence[str], after: int, upto: int
) -> tuple[int, list[list[Row]]] | None:
    last, _ = connection.execute(NEXT, (after, upto, READ_AT_ONCE)).fetchone()
    if last is None:
        return None
    return last, [connection.execute(one, (after, last)).fetchall() for one in selects]


def _acknowledge(connection: sqlite3.Connection, batch: Batch) -> None:
    connection.execute("DELETE FROM outbox WHERE sequence <= ?", (batch.sequence,))
    connection.execute(SENDING, (None,))
