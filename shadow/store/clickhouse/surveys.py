"""The fleet's tables as an engine of `shadow.store.surveys`: a replay's row repeats what is asked of its exchange."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from shadow.config import ClickHouse
from shadow.store.clickhouse.aggregates import asking
from shadow.store.clickhouse.sql import literal
from shadow.store.surveys import Engine, Run


@contextmanager
def engine(settings: ClickHouse) -> Iterator[Engine]:
    """The tables that the settings name, for as long as the context lasts. Raises StoreError."""
    with asking(settings) as ask:

        def run(query: str, values: Sequence[Any]) -> Iterable[Sequence[Any]]:
            [rows] = ask([filled(query, values)])
            return rows

        yield over(run, settings.database)


def over(run: Run, database: str) -> Engine:
    """These tables, asked by `run`."""
    return Engine(
        run=run,
        exchanges=f"{database}.exchanges AS e FINAL",
        replays=f"{database}.replays AS r FINAL",
        of_exchange="r.{}",
        features="r.primary_features",
        request_model="r.primary_request_model",
    )


def filled(query: str, values: Sequence[Any]) -> str:
    """The statement with its values in it: an old server takes no parameters beside it."""
    parts = query.split("?")
    return "".join(part + value for part, value in zip(parts, [*map(literal, values), ""], strict=True))
