"""The sums that a report is computed from, out of a database that someone else may be writing.

Read-only, synchronous, and everything is grouped and added up inside SQLite (`shadow.store.sums`). A large database is
read by two connections side by side, each with half of the draws: sums add up.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shadow.report.totals import Loss, Scope, Totals
from shadow.store.engines import add_up, began
from shadow.store.ids import floor
from shadow.store.queries import ENDS
from shadow.store.reading import connections, unreadable
from shadow.store.sums import Period, shares


def read(path: Path, scope: Scope) -> Totals:
    """The sums of a database over a scope. Raises StoreError where there is no database of this release to read."""
    try:
        with connections(path) as opened:
            return _read(opened, scope)
    except sqlite3.Error as error:
        raise unreadable(path, error) from error


def arms(path: Path, scope: Scope) -> tuple[str, ...]:
    """Every arm that has a replay in the scope's period, whatever its other conditions. Raises as `read` does."""
    whole = replace(scope, candidate=None, where=())
    try:
        with connections(path) as opened:
            period = _period(opened[0], whole)
            return () if period is None else tuple(sorted(shares(opened[:1], period[0], whole)[0].arms()))
    except sqlite3.Error as error:
        raise unreadable(path, error) from error


def _read(opened: Sequence[sqlite3.Connection], scope: Scope) -> Totals:
    found, loss = _period(opened[0], scope), _loss(opened[0], scope)
    if found is None:
        return add_up((), None, scope, loss)
    period, first, last = found
    return add_up(shares(opened, period, scope), (first, last), scope, loss)


def _period(connection: sqlite3.Connection, scope: Scope) -> tuple[Period, bytes, bytes] | None:
    """The period, and the first and the last id in it."""
    since = floor(scope.since.timestamp()) if scope.since else b""
    until = floor(scope.until.timestamp()) if scope.until else b"\xff" * 17
    first, last = connection.execute(ENDS, (since, until)).fetchone()
    return None if first is None else (Period((since, until)), first, last)


def _loss(connection: sqlite3.Connection, scope: Scope) -> Loss | None:
    """What is missing because the database was kept small; None where the period begins after all of it."""
    row = connection.execute("SELECT shipped, unshipped, last_id FROM losses").fetchone()
    if row is None or (scope.since and row[2] < floor(scope.since.timestamp())):
        return None
    return Loss(row[0], row[1], began(row[2]))
