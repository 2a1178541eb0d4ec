"""Pairs that disagree, out of what is kept of bodies: a few of each kind, the latest first.

Looked for are the latest pairs only: a report shows what is wrong now, and is not to read a year of prompts for it.
"""

import sqlite3
from collections import Counter
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import Final

from shadow.exchange import CONTROL, PRIMARY
from shadow.report.examples import KINDS, Example
from shadow.report.totals import Scope
from shadow.store.bodies import of_exchange
from shadow.store.ids import END, floor, text
from shadow.store.queries import COLUMNS as DIMENSIONS
from shadow.store.reading import connect, unreadable

EACH: Final = 2  # of one kind and candidate: an example, and one that shows that it was no accident
LOOKED_AT: Final = 20_000  # kept replays: a second of reading
UNLIKE: Final = 0.5  # a similarity below which texts are shown as an example of other words

_KIND: Final = f"""CASE
    WHEN r.refused = 1 AND COALESCE(r.primary_refused, 0) = 0 THEN 'refusal'
    WHEN r.json_valid = 0 AND COALESCE(r.primary_json_valid, 1) = 1 THEN 'json'
    WHEN r.schema_valid = 0 AND COALESCE(r.primary_schema_valid, 1) = 1 THEN 'schema'
    WHEN r.tool_names_same = 0 THEN 'tool_names'
    WHEN r.tool_calls_same = 0 THEN 'tool_arguments'
    WHEN r.finish_reason_same = 0 THEN 'finish_reason'
    WHEN r.text_similarity < {UNLIKE} THEN 'text' END"""
_LATEST: Final = f"""SELECT exchange_id, arm, tenant FROM bodies WHERE exchange_id >= ? AND exchange_id < ?
    AND arm NOT IN ('{PRIMARY}', '{CONTROL}') ORDER BY exchange_id DESC LIMIT {LOOKED_AT}"""  # noqa: S608 (our own names)
_FOUND: Final = f"""SELECT b.exchange_id, b.arm, b.tenant, {_KIND} AS kind FROM ({_LATEST}) b
    CROSS JOIN replays r ON r.exchange_id = b.exchange_id AND r.arm = b.arm
    CROSS JOIN exchanges e ON e.exchange_id = b.exchange_id
    WHERE r.outcome = 'completed' AND kind IS NOT NULL"""  # noqa: S608


def read(path: Path, scope: Scope, tenants: Collection[str] | None = None) -> tuple[Example, ...]:
    """Examples in a scope, in the order of KINDS; only of these tenants where they are named. Raises StoreError."""
    try:
        with closing(connect(path)) as connection:
            found = _read(connection, scope, tenants)
    except sqlite3.Error as error:
        raise unreadable(path, error) from error
    return tuple(sorted(found, key=lambda one: (one.arm, KINDS.index(one.kind))))


def _read(connection: sqlite3.Connection, scope: Scope, tenants: Collection[str] | None) -> list[Example]:
    found: list[Example] = []
    number: Counter[tuple[str, str]] = Counter()
    for exchange_id, arm, tenant, kind in connection.execute(*_query(scope)):
        if number[arm, kind] >= EACH or (tenants is not None and tenant not in tenants):
            continue
        kept = of_exchange(connection, text(exchange_id))
        primary, candidate = kept.get(PRIMARY), kept[arm]
        if primary is None or primary.answer is None or candidate.answer is None:
            continue
        number[arm, kind] += 1
        found.append(
            Example(
                kind,
                text(exchange_id),
                arm,
                tenant,
                primary.request,
                primary.answer,
                candidate.answer,
                primary.whole and candidate.whole,
                primary.redactions + candidate.redactions,
            )
        )
    return found


def _query(scope: Scope) -> tuple[str, list[bytes | str]]:
    conditions = [f"COALESCE({DIMENSIONS[dimension]}, '') = ?" for dimension, _ in scope.where]
    values: list[bytes | str] = [
        floor(scope.since.timestamp()) if scope.since else b"",
        floor(scope.until.timestamp()) if scope.until else END,
        *(value for _, value in scope.where),
    ]
    if scope.candidate:
        conditions.append("b.arm = ?")
        values.append(scope.candidate)
    return " AND ".join((_FOUND, *conditions)), values
