"""The tables in ClickHouse, as named migrations: each runs once, in order, and is never edited again.

How they differ from SQLite's (`shadow.store.schema`), whose columns they all have, in the same units:

- `exchange_id` is the same 16 bytes, as FixedString(16): ranges of time are ranges of ids here too. People read it with
  `UUIDNumToString(exchange_id)`.
- `day` is the UTC day at which the exchange began, taken from its id; `pod` the host that recorded it.
- `version` grows with every change of a row in its pod. ReplacingMergeTree keeps the row with the largest of those that
  share a key, so that a row sent twice, or sent again with its delayed cost, is one row. Before the engine has merged
  it is so only for who reads with FINAL.
- A row of `replays` repeats what reports ask of its primary exchange (`tenant` to `key_fingerprint`, `primary_*`), and
  has what was summed up of the pair when it was written: a join would hold one side of it in memory.
- Partitions are months: a pod with little traffic sends days of rows at once, and a block may not touch many.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from shadow.store.schema import Migration

DATABASE: Final = "shadow"

# What is known of one exchange on any arm: the same columns, in the same order, in both tables.
_FACTS: Final = """
    started_at Nullable(Float64), status Nullable(Int64), failure Nullable(String), inference Nullable(UInt8),
    stream Nullable(UInt8), request_model Nullable(String), response_model Nullable(String), provider Nullable(String),
    generation_id Nullable(String), input_tokens Nullable(Int64), output_tokens Nullable(Int64),
    cache_read_input_tokens Nullable(Int64), cache_write_input_tokens Nullable(Int64),
    reasoning_output_tokens Nullable(Int64), cost_nano_usd Nullable(Int64), cost_usd_exact Nullable(String),
    cost_source Nullable(String), cost_normalised_nano_usd Nullable(Int64),
    cost_normalised_usd_exact Nullable(String), price_version Nullable(String), stated_cost_usd Nullable(String),
    first_byte_s Nullable(Float64), ttft_s Nullable(Float64), total_s Nullable(Float64), tpot_s Nullable(Float64),
    largest_gap_s Nullable(Float64), ttft_bucket Nullable(Int16), total_bucket Nullable(Int16),
    tpot_bucket Nullable(Int16), finish_reason Nullable(String), error_kind Nullable(String),
    features Nullable(String), anomalies Nullable(String), request_bytes Nullable(Int64),
    response_bytes Nullable(Int64)"""
_ROW: Final = "exchange_id FixedString(16), day Date, pod String, version UInt64,"
_WHO: Final = """
    tenant Nullable(String), feature Nullable(String), plan Nullable(String), key_fingerprint Nullable(String),"""
# What SQLite's `pairs` has of a replay that was tried (`shadow.store.summed`); of others nothing.
_PAIR: Final = """
    draw Nullable(Int16), code Nullable(Int64), w Nullable(Float64), p_cost Nullable(Int64), c_cost Nullable(Int64),
    p_normalised Nullable(Int64), c_normalised Nullable(Int64), p_ttft Nullable(Int16), c_ttft Nullable(Int16),
    p_total Nullable(Int16), c_total Nullable(Int16), p_tpot Nullable(Int16), c_tpot Nullable(Int16),
    p_ttft_us Nullable(Int64), c_ttft_us Nullable(Int64), p_total_us Nullable(Int64), c_total_us Nullable(Int64),
    p_tpot_us Nullable(Int64), c_tpot_us Nullable(Int64), similarity Nullable(Float64)"""

MIGRATIONS: Final = (
    Migration(
        "0001-exchanges-and-replays",
        (
            f"""CREATE TABLE IF NOT EXISTS {{database}}.exchanges (
    {_ROW}
    outcome String,{_WHO}
    method String, path String,{_FACTS},
    byok Nullable(UInt8), client_timeout_s Nullable(Float64)
) ENGINE = {{engine:exchanges:version}}
PARTITION BY toYYYYMM(day) ORDER BY exchange_id""",
            f"""CREATE TABLE IF NOT EXISTS {{database}}.replays (
    {_ROW}
    arm String, outcome Nullable(String), reason Nullable(String), probability Nullable(Float64),
    conversation Nullable(Int64), sent_at Nullable(Float64), rewrite Nullable(String),{_FACTS},
    finish_reason_same Nullable(UInt8), tool_names_same Nullable(UInt8), tool_calls_same Nullable(UInt8),
    json_valid Nullable(UInt8), primary_json_valid Nullable(UInt8), schema_valid Nullable(UInt8),
    primary_schema_valid Nullable(UInt8), refused Nullable(UInt8), primary_refused Nullable(UInt8),
    text_similarity Nullable(Float64), agreement_notes Nullable(String), rejected_parameter Nullable(String),{_WHO}
    primary_outcome String, primary_error_kind Nullable(String), primary_request_model Nullable(String),
    primary_features Nullable(String),
    primary_cost_nano_usd Nullable(Int64),{_PAIR}
) ENGINE = {{engine:replays:version}}
PARTITION BY toYYYYMM(day) ORDER BY (exchange_id, arm)""",
        ),
    ),
)
HISTORY: Final = """CREATE TABLE IF NOT EXISTS {database}.migrations (name String, applied_at DateTime)
ENGINE = {engine:migrations:applied_at} ORDER BY name"""
APPLIED: Final = "INSERT INTO {database}.migrations VALUES ('{name}', now())"
CREATE_DATABASE: Final = "CREATE DATABASE IF NOT EXISTS {database}"

_ENGINE: Final = re.compile(r"\{engine:(\w+):(\w+)\}")
_SINGLE: Final = r"ReplacingMergeTree(\2)"
_REPLICATED: Final = r"ReplicatedReplacingMergeTree('/clickhouse/tables/{{shard}}/{database}/\1', '{{replica}}', \2)"
_COLUMN: Final = re.compile(r"(\w+) (FixedString\(16\)|Date|UInt64|String|Nullable\(\w+\))(?=[,\n])")


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str


PAIR_COLUMNS: Final = tuple(re.findall(r"(\w+) Nullable", _PAIR))


def columns(table: str) -> tuple[Column, ...]:
    """The columns of a table, in order."""
    made = (one for migration in MIGRATIONS for one in migration.statements if f"{{database}}.{table} (" in one)
    return tuple(Column(name, kind) for one in made for name, kind in _COLUMN.findall(one))


def statements(migration: Migration, database: str, *, replicated: bool = False) -> Iterator[str]:
    """The SQL of one migration; the last statement remembers that it ran.

    Each may run twice: pods that start together all create the tables.
    """
    for statement in (HISTORY, *migration.statements):
        engine = _REPLICATED.format(database=database) if replicated else _SINGLE
        yield _ENGINE.sub(engine, statement).replace("{database}", database)
    yield APPLIED.format(database=database, name=migration.name)


def script(database: str = DATABASE, *, replicated: bool = False) -> str:
    """Everything, as text for `clickhouse-client --multiquery`."""
    every = [CREATE_DATABASE.format(database=database)]
    for migration in MIGRATIONS:
        every += statements(migration, database, replicated=replicated)
    return "".join(f"{statement};\n\n" for statement in every).removesuffix("\n")
