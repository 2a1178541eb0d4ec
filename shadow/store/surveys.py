"""What the inventory counts, counted inside either engine by the same statements: `shadow.inventory.facts`.

An engine differs in how a table is named, in where a replay's row has its exchange's facts, and in how it is asked.
What comes out is groups: their number grows with the names in the traffic, not with its length.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from shadow.inventory.facts import (
    Calls,
    Facts,
    FeatureUse,
    KeyUse,
    ModelUse,
    PromptUse,
    ReplayUse,
    TenantUse,
)
from shadow.report.totals import Scope
from shadow.store.ids import floor
from shadow.store.reading import connections, unreadable
from shadow.store.source import Source

PROVIDER_KEYS: Final = "provider_keys"  # the feature that `shadow.wire` finds in a header
Run = Callable[[str, Sequence[Any]], Iterable[Sequence[Any]]]  # a statement with `?` for each value → its rows


@dataclass(frozen=True, slots=True)
class Engine:
    """How one engine is spoken to: its tables, as `e` and `r`, and where a replay's row has its exchange's facts."""

    run: Run
    exchanges: str
    replays: str
    of_exchange: str  # what a column of the exchange is called in `replays`, `{}` its name; apart from these two
    features: str
    request_model: str


def _sum(condition: str) -> str:
    return f"SUM(CASE WHEN {condition} THEN 1 ELSE 0 END)"


# In the order of the fields of `Calls`, then the first and the last id.
_CALLS: Final = ", ".join(
    (
        "COUNT(*)",
        _sum("e.outcome = 'complete' AND e.error_kind IS NULL"),
        _sum("e.outcome = 'client_cancelled'"),
        _sum("e.stream = 1"),
        _sum("e.byok = 1"),
        "COUNT(e.cost_nano_usd)",
        *(
            f"COALESCE(SUM(e.{column}), 0)"
            for column in (
                *("cost_nano_usd", "input_tokens", "output_tokens", "cache_read_input_tokens"),
                *("cache_write_input_tokens", "reasoning_output_tokens"),
            )
        ),
        "hex(MIN(e.exchange_id))",
        "hex(MAX(e.exchange_id))",
    )
)


def _counted(*names: str) -> str:
    """The statement that counts calls by these expressions."""
    groups = ", ".join(f"{name} AS g{at}" for at, name in enumerate(names))
    numbers = ", ".join(f"g{at}" for at in range(len(names)))
    return f"SELECT {groups}, {_CALLS} FROM {{exchanges}} WHERE e.inference = 1 AND {{condition}} GROUP BY {numbers}"


def _known(column: str, otherwise: str = "''") -> str:
    return f"COALESCE(e.{column}, {otherwise})"


def _two_digits(column: str) -> str:
    """A count rounded down to two digits, so that there are few of them and a quantile is within a tenth."""
    steps = " ".join(f"WHEN {column} < {10 ** (2 + at)} THEN {column} - {column} % {10**at}" for at in range(7))
    return f"CASE {steps} ELSE {column} - {column} % {10**7} END"


MODELS: Final = _counted(*map(_known, ("request_model", "response_model", "provider", "cost_source")))
TENANTS: Final = _counted(_known("tenant"), _known("plan"), _known("features", "'[]'"))
FEATURES: Final = _counted(_known("feature"), "e.path", _known("features", "'[]'"))
KEYS: Final = _counted(
    _known("key_fingerprint"),
    _known("tenant"),
    f"CASE WHEN e.features LIKE '%\"{PROVIDER_KEYS}\"%' THEN 1 ELSE 0 END",
)
PROMPTS: Final = f"""SELECT {_known("request_model")} AS g0, {_two_digits(_known("input_tokens", "-1"))} AS g1,
    {_known("client_timeout_s", "-1")} AS g2, COUNT(*),
    MAX({_known("input_tokens", "0")} + {_known("output_tokens", "0")})
    FROM {{exchanges}} WHERE e.inference = 1 AND {{condition}} GROUP BY g0, g1, g2"""
REPLAYS: Final = """SELECT r.arm AS g0, COALESCE({features}, '[]') AS g1, r.outcome AS g2, COALESCE(r.reason, '') AS g3,
    COALESCE(r.rewrite, '') AS g4, COALESCE(r.rejected_parameter, '') AS g5, COUNT(*)
    FROM {replays} WHERE r.outcome IS NOT NULL AND {condition} GROUP BY g0, g1, g2, g3, g4, g5"""


def read(source: Source, scope: Scope) -> Facts:
    """What is counted over a scope, in a SQLite file or in the fleet's tables. Raises StoreError."""
    if not isinstance(source, Path):
        from shadow.store.clickhouse.surveys import engine  # noqa: PLC0415 (a file is read without an HTTP client)

        with engine(source) as fleet:
            return survey(fleet, scope)
    try:
        with connections(source) as [connection, *_]:
            return survey(sqlite(connection), scope)
    except sqlite3.Error as error:
        raise unreadable(source, error) from error


def sqlite(connection: sqlite3.Connection) -> Engine:
    """A SQLite file as an engine: a replay's exchange is joined to it."""
    return Engine(
        run=connection.execute,
        exchanges="exchanges e",
        replays="replays r JOIN exchanges e ON e.exchange_id = r.exchange_id",
        of_exchange="e.{}",
        features="e.features",
        request_model="e.request_model",
    )


def survey(engine: Engine, scope: Scope) -> Facts:
    """All facts over a scope, whatever engine has the rows."""
    counting = _Counting(engine, scope)
    facts = Facts(
        models=[ModelUse._make((*names, calls)) for names, calls in counting.calls(MODELS, 4)],
        prompts=[PromptUse(*_prompt(row)) for row in counting.exchanges(PROMPTS)],
        tenants=[
            TenantUse(name, plan, _words(uses), calls) for (name, plan, uses), calls in counting.calls(TENANTS, 3)
        ],
        features=[
            FeatureUse(name, path, _words(uses), calls) for (name, path, uses), calls in counting.calls(FEATURES, 3)
        ],
        keys=[KeyUse(key, tenant, bool(sent), calls) for (key, tenant, sent), calls in counting.calls(KEYS, 3)],
        replays=[ReplayUse(*_replayed(row)) for row in counting.replays()],
    )
    every = [one.calls for one in facts.models]
    facts.first_at = min((calls.first_at for calls in every), default=None)
    facts.last_at = max((calls.last_at for calls in every), default=None)
    return facts


class _Counting:
    """The statements over one scope."""

    def __init__(self, engine: Engine, scope: Scope) -> None:
        self._engine = engine
        since = floor(scope.since.timestamp()) if scope.since else b""
        until = floor(scope.until.timestamp()) if scope.until else b"\xff" * 16
        self._period: list[Any] = [since, until]
        self._candidate = scope.candidate
        self._where = scope.where

    def exchanges(self, query: str) -> Iterable[Sequence[Any]]:
        wanted = [f"COALESCE(e.{_column(dimension)}, '') = ?" for dimension, _ in self._where]
        condition = " AND ".join(["e.exchange_id >= ?", "e.exchange_id < ?", *wanted])
        values = [*self._period, *(value for _, value in self._where)]
        return self._engine.run(query.format(exchanges=self._engine.exchanges, condition=condition), values)

    def calls(self, query: str, names: int) -> Iterable[tuple[tuple[Any, ...], Calls]]:
        """Each group's names, and its calls."""
        for row in self.exchanges(query):
            *counts, first, last = row[names:]
            yield tuple(row[:names]), Calls.of(tuple(map(int, counts)), _began(first), _began(last))

    def replays(self) -> Iterable[Sequence[Any]]:
        wanted = [f"COALESCE({self._of_exchange(dimension)}, '') = ?" for dimension, _ in self._where]
        values = [*self._period, *(value for _, value in self._where)]
        if self._candidate:
            wanted.append("r.arm = ?")
            values.append(self._candidate)
        condition = " AND ".join(["r.exchange_id >= ?", "r.exchange_id < ?", *wanted])
        query = REPLAYS.format(replays=self._engine.replays, features=self._engine.features, condition=condition)
        return self._engine.run(query, values)

    def _of_exchange(self, dimension: str) -> str:
        if dimension == "model":
            return self._engine.request_model
        return self._engine.of_exchange.format(dimension)


def _column(dimension: str) -> str:
    return "request_model" if dimension == "model" else dimension


def _prompt(row: Sequence[Any]) -> tuple[str, int | None, float | None, int, int]:
    requested, tokens, timeout_s, calls, most = row
    return requested, None if tokens < 0 else tokens, None if timeout_s < 0 else timeout_s, int(calls), int(most)


def _replayed(row: Sequence[Any]) -> tuple[str, frozenset[str], str, str, tuple[str, ...], str, int]:
    arm, features, outcome, reason, rewrite, parameter, count = row
    dropped = tuple(orjson.loads(rewrite)["dropped"]) if rewrite else ()
    return arm, _words(features), outcome, reason, dropped, parameter, int(count)


def _words(features: str) -> frozenset[str]:
    return frozenset(orjson.loads(features))


def _began(exchange_id: str) -> float:
    """When an exchange began, from its id in hexadecimal."""
    return int(exchange_id[:12], 16) / 1000
