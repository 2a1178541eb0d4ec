"""What a database has summed up, and what its rows add up to: to be compared."""

import sqlite3

from shadow.store import summed

KEPT = ("traffic", "outcomes", "pairs")
# Arms and segments are numbered as they come: what is compared are their names.
NAMED = {
    "traffic": "s.tenant, s.feature, s.plan, s.model, t.* FROM traffic t JOIN segments s ON s.id = t.segment",
    "outcomes": "a.arm, s.tenant, s.feature, s.plan, s.model, t.* FROM outcomes t "
    "JOIN segments s ON s.id = t.segment JOIN arms a ON a.id = t.arm",
    "pairs": "a.arm, s.tenant, s.feature, s.plan, s.model, t.* FROM pairs t "
    "JOIN segments s ON s.id = t.segment JOIN arms a ON a.id = t.arm",
}


def kept(database: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    """The rows of the kept tables, with names in the place of numbers."""
    found = {}
    for table, query in NAMED.items():
        names = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        left = len(database.execute(f"SELECT {query} LIMIT 1").description) - len(names)
        numbers = {left + names.index(name) for name in ("segment", "arm") if name in names}
        every = database.execute(f"SELECT {query}").fetchall()
        found[table] = sorted((tuple(v for at, v in enumerate(row) if at not in numbers) for row in every), key=repr)
    return found


def made_anew(database: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    """The same, once all of it was forgotten and every row counted."""
    for table in (*KEPT, "segments", "arms"):
        database.execute(f"DELETE FROM {table}")  # noqa: S608 (our own names)
    for statement in summed.FILL:
        database.execute(statement)
    return kept(database)
