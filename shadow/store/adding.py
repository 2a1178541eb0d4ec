"""Adds rows of exchanges and replays, and counts them: what `shadow.store.summed` keeps is true because of it.

What is counted, and what of it is told apart, is said there in SQL; a test holds this to it. Exchanges, and the many
replays that were never tried, are counted here, those of one kind together. Replays that were tried, and those that
come later, are counted one by one, by the statements from there.
"""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Final

from shadow.store.rows import EXCHANGE_COLUMNS, REPLAY_COLUMNS, UNSENT_COLUMNS, Row
from shadow.store.summed import (
    CALL,
    COST,
    COST_MOST,
    COUNT_REPLAY,
    FEATURE,
    GONE,
    NO_ERROR,
    SPAN_BYTES,
    TENANT,
    TO_OUTCOMES,
    TO_TRAFFIC,
    TRIED,
    WHOLE,
)


def _insert(table: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 (our own names)


ADD_EXCHANGES: Final = _insert("exchanges", EXCHANGE_COLUMNS)
ADD_REPLAYS: Final = _insert("replays", REPLAY_COLUMNS)
ADD_UNSENT: Final = _insert("replays", UNSENT_COLUMNS)
# Not `OR IGNORE`, which would hold for what the triggers of `shadow.store.outbox` do, too.
ADD_LATER: Final = f"""INSERT INTO replays ({", ".join(UNSENT_COLUMNS)}) SELECT {", ".join("?" * len(UNSENT_COLUMNS))}
    WHERE EXISTS (SELECT 1 FROM exchanges WHERE exchange_id = ?1)
    AND NOT EXISTS (SELECT 1 FROM replays WHERE exchange_id = ?1 AND arm = ?2)"""  # noqa: S608 (our own names)

_SEGMENT: Final = "(s.tenant, s.feature, s.plan, s.model) = (?1, ?2, ?3, ?4)"
ADD_SEGMENTS: Final = "INSERT OR IGNORE INTO segments (tenant, feature, plan, model) VALUES (?, ?, ?, ?)"
ADD_ARMS: Final = "INSERT OR IGNORE INTO arms (arm) VALUES (?)"
COUNT_TRAFFIC: Final = f"""INSERT INTO traffic SELECT s.id, ?5, ?6, ?7, ?8, ?9 FROM segments s WHERE {_SEGMENT}
    {TO_TRAFFIC}"""  # noqa: S608
COUNT_OUTCOMES: Final = f"""INSERT INTO outcomes SELECT s.id, ?5, a.id, ?7, ?8, ?9, ?10, ?11, ?12
    FROM segments s, arms a WHERE {_SEGMENT} AND a.arm = ?6 {TO_OUTCOMES}"""  # noqa: S608

# Of an exchange, what its replays are counted by: its segment and span, and its cost where that may be summed.
Primary = tuple[Row, int | None]

_of_exchange: Final = itemgetter(
    *map(
        EXCHANGE_COLUMNS.index,
        (
            *("exchange_id", "tenant", "feature", "plan", "request_model"),
            *("outcome", "inference", "error_kind", "cost_nano_usd"),
        ),
    )
)
_of_replay: Final = itemgetter(*map(UNSENT_COLUMNS.index, ("exchange_id", "arm", "outcome", "reason", "probability")))
_outcome: Final = itemgetter(UNSENT_COLUMNS.index("outcome"))


def add(
    connection: sqlite3.Connection, exchanges: Collection[Row], replays: Collection[Row], unsent: Collection[Row]
) -> None:
    """Add exchanges with their replays, inside the transaction that the caller holds.

    They are rows as `shadow.store.rows` makes them; `replays` and `unsent` are of these exchanges and of no others.
    """
    untried = [row for row in unsent if _outcome(row) not in TRIED]
    tried = [row[:2] for row in (*replays, *(row for row in unsent if _outcome(row) in TRIED))]
    traffic, primaries = _traffic(exchanges)
    outcomes = _outcomes(untried, primaries)
    changes = (
        (ADD_EXCHANGES, exchanges),
        (ADD_REPLAYS, replays),
        (ADD_UNSENT, unsent),
        (ADD_SEGMENTS, {row[:4] for row in traffic}),
        (ADD_ARMS, {row[5:6] for row in outcomes}),
        (COUNT_TRAFFIC, traffic),
        (COUNT_OUTCOMES, outcomes),
        *((statement, tried) for statement in COUNT_REPLAY),
    )
    execute(connection, changes)


def execute(connection: sqlite3.Connection, changes: Iterable[tuple[str, Collection[Row]]]) -> None:
    """Execute each statement with its parameters, one row after another, where there are any."""
    for statement, parameters in changes:
        if parameters:
            connection.executemany(statement, parameters)


def add_later(connection: sqlite3.Connection, row: Row) -> bool:
    """Add a replay in the order of UNSENT_COLUMNS of an exchange that was added before.

    False, and nothing changes, where that arm has one, or the exchange is gone.
    """
    if connection.execute(ADD_LATER, row).rowcount != 1:
        return False
    for statement in COUNT_REPLAY:
        connection.execute(statement, row[:2])
    return True


def _traffic(exchanges: Iterable[Row]) -> tuple[list[Row], dict[bytes, Primary]]:
    """What is added to the table, in the order of COUNT_TRAFFIC, and what replays of the exchanges are counted by."""
    times: Counter[Row] = Counter()
    spent: Counter[Row] = Counter()
    primaries: dict[bytes, Primary] = {}
    for row in exchanges:
        exchange_id, tenant, feature, plan, model, outcome, inference, error_kind, nano = _of_exchange(row)
        cost = nano if nano is not None and abs(nano) <= COST_MOST else None
        place: Row = (tenant or "", feature or "", plan or "", model or "", exchange_id[:SPAN_BYTES])
        primaries[exchange_id] = place, cost
        known = (
            CALL * bool(inference)
            + WHOLE * (outcome == "complete")
            + GONE * (outcome == "client_cancelled")
            + NO_ERROR * (error_kind is None)
            + COST * (cost is not None)
            + TENANT * (tenant is not None)
            + FEATURE * (feature is not None)
        )
        kind = (*place, known, error_kind or "")
        times[kind] += 1
        spent[kind] += cost or 0
    return [(*kind, count, spent[kind]) for kind, count in times.items()], primaries


def _outcomes(replays: Iterable[Row], primaries: Mapping[bytes, Primary]) -> list[Row]:
    """What is added to the table for replays that were not tried, in the order of COUNT_OUTCOMES."""
    times: Counter[Row] = Counter()
    known: Counter[Row] = Counter()
    spent: Counter[Row] = Counter()
    for row in replays:
        exchange_id, arm, outcome, reason, probability = _of_replay(row)
        place, cost = primaries[exchange_id]
        possible = probability is not None and probability > 0 and reason != "consent"
        kind = (*place, arm, outcome or "", reason or "", possible)
        times[kind] += 1
        known[kind] += cost is not None
        spent[kind] += cost or 0
    return [(*kind, count, known[kind], spent[kind]) for kind, count in times.items()]
