"""What many rows cost: `python -m tests.benchmarks.bench_many_rows [COUNT] [--delete N]`.

Fills a database with COUNT exchanges of one replay each, made inside SQLite, then prints how long a start takes, with
the operating system's cache warm, and how long callers that add rows all the while wait for their commits while the
oldest N exchanges are deleted.
"""

import argparse
import asyncio
import os
import random
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from itertools import count
from pathlib import Path

from shadow.store.files import open_database
from shadow.store.sqlite import SQLiteStore
from shadow.store.summed import FILL
from tests.benchmarks.bench_store import recorded

FIRST_MS = 1_780_000_000_000
APART_MS = 10
STEP = 100_000  # rows made in one transaction
BATCH = 20
PAUSE_S = 0.02

EXCHANGES = """WITH RECURSIVE numbers(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :last)
INSERT INTO exchanges (
    exchange_id, outcome, tenant, feature, plan, key_fingerprint, method, path, started_at, status, inference, stream,
    request_model, response_model, provider, generation_id, input_tokens, output_tokens, cache_read_input_tokens,
    reasoning_output_tokens, cost_nano_usd, cost_source, cost_normalised_nano_usd, first_byte_s, ttft_s, total_s,
    tpot_s, largest_gap_s, ttft_bucket, total_bucket, tpot_bucket, finish_reason, features, anomalies, request_bytes,
    response_bytes
) SELECT
    made_id(n), 'complete', 'tenant-' || (n % 300), 'summaries', 'business', '0123456789abcdef0123456789abcdef',
    'POST', '/api/v1/chat/completions', 1780000000.0 + n / 100.0, 200, 1, 1, 'openai/gpt-4o-mini',
    'openai/gpt-4o-mini-2024-07-18', 'OpenAI', 'gen-1780000000-abcdefghijklmnopqrst', n % 8000, n % 900, 0, 0,
    abs(random()) % 10000000, 'reported', 123456, 0.21, 0.31, 2.31, 0.0123, 0.12, -60, 42, -223, 'stop',
    '["streaming","tools"]', '[]', 4321, 23456
FROM numbers"""
REPLAYS = """INSERT INTO replays (exchange_id, arm, outcome, reason, probability)
SELECT exchange_id, 'ferry', 'sampled_out', 'not_drawn', 0.05 FROM exchanges WHERE exchange_id >= ?"""


def fill(path: Path, total: int) -> None:
    with closing(open_database(path)) as connection:
        connection.create_function("made_id", 1, lambda n: start_of(n) + b"\x70\x00\x80\x00" + os.urandom(6))
        connection.execute("PRAGMA synchronous = OFF")
        for first in range(0, total, STEP):
            connection.execute("BEGIN")
            connection.execute(EXCHANGES, {"first": first, "last": min(total, first + STEP)})
            connection.execute(REPLAYS, (start_of(first),))
            connection.execute("COMMIT")
        for statement in FILL:  # counts what SQLite itself has added
            connection.execute(statement)


def start_of(number: int) -> bytes:
    return (FIRST_MS + number * APART_MS).to_bytes(6, "big")


async def delete(store: SQLiteStore, total: int) -> list[str]:
    before = (FIRST_MS + total * APART_MS) / 1000
    began = time.perf_counter()
    pruning = asyncio.create_task(store.prune(before))
    chance, waits = random.Random(7), []  # noqa: S311 (a benchmark's data)
    for number in count(10**8, BATCH):
        if pruning.done():
            break
        batch = [recorded(one, chance) for one in range(number, number + BATCH)]
        asked = time.perf_counter()
        await store.add(batch)
        waits.append(time.perf_counter() - asked)
        await asyncio.sleep(PAUSE_S)
    waits.sort()
    usual, longest = waits[len(waits) // 2] * 1e3, waits[-1] * 1e3
    took = time.perf_counter() - began
    return [
        f"{await pruning:,} exchanges deleted in {took:.0f} s",
        f"{len(waits):,} commits meanwhile: half of them within {usual:.1f} ms, all within {longest:.0f} ms",
    ]


async def main(total: int, delete_count: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "shadow.db"
        fill(path, total)
        said = [f"{total:,} exchanges in {path.stat().st_size / 1e9:.2f} GB, SQLite {sqlite3.sqlite_version}"]
        began = time.perf_counter()
        store = await SQLiteStore.open(path)
        await store.recover()
        said.append(f"{time.perf_counter() - began:.2f} s to open, check and recover")
        if delete_count:
            said += await delete(store, delete_count)
        await store.close()
        said.append(f"{path.stat().st_size / 1e9:.2f} GB afterwards")
    sys.stdout.write("\n".join(said) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--delete", type=int, default=0)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.count, arguments.delete))
