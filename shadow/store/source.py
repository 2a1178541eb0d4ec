"""Where a report is read from: one pod's file, or the tables in which the rows of many pods meet."""

from collections.abc import Iterator
from pathlib import Path

from shadow.config import ClickHouse, Storage
from shadow.report.totals import Scope, Totals
from shadow.store import aggregates, export

Source = Path | ClickHouse


def source(store: Storage) -> Source:
    """The fleet's tables where they are configured: they have this pod's rows too."""
    return store.clickhouse or store.path


def read(source: Source, scope: Scope) -> Totals:
    """The sums over a scope. Raises StoreError."""
    if isinstance(source, Path):
        return aggregates.read(source, scope)
    from shadow.store.clickhouse import aggregates as fleet  # noqa: PLC0415 (a file is read without an HTTP client)

    return fleet.read(source, scope)


def arms(source: Source, scope: Scope) -> tuple[str, ...]:
    """Every arm that has a replay in the scope's period. Raises StoreError."""
    if isinstance(source, Path):
        return aggregates.arms(source, scope)
    from shadow.store.clickhouse import aggregates as fleet  # noqa: PLC0415 (see above)

    return fleet.arms(source, scope)


def records(source: Source, kind: export.Kind, scope: Scope) -> Iterator[export.Record]:
    """Every row of a scope in the order of time. Raises StoreError."""
    if isinstance(source, Path):
        return export.records(source, kind, scope)
    from shadow.store.clickhouse import export as fleet  # noqa: PLC0415 (see above)

    return fleet.records(source, kind, scope)
