"""How fast the store takes exchanges and how much disk each needs: `python -m tests.benchmarks.bench_store [COUNT]`.

Typical exchanges, each with one replay that was not drawn and one that was drawn and completed for every twentieth,
handed over in batches of 200 with four batches waiting at any time. Prints exchanges stored per second, milliseconds
per commit and bytes per exchange on disk.
"""

import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from shadow.exchange import (
    Attribution,
    Body,
    Cost,
    CostSource,
    Exchange,
    Observation,
    Outcome,
    Pending,
    Recorded,
    Replay,
    ReplayOutcome,
    Timings,
    Usage,
)
from shadow.forward.identity import RANDOM_BYTES, uuid7
from shadow.store.sqlite import SQLiteStore

BATCH = 200
BATCHES_WAITING = 4
ARMS = ("ferry", "canal")


def recorded(number: int, chance: random.Random) -> Recorded:
    """The number-th of a day's exchanges, ten milliseconds apart and a little out of order."""
    milliseconds = 1_780_000_000_000 + number * 10 + chance.randrange(3000)
    total_s = chance.lognormvariate(0.7, 0.8)
    exchange = Exchange(
        uuid7(milliseconds, os.urandom(RANDOM_BYTES)),
        "primary",
        milliseconds / 1000,
        "POST",
        "/api/v1/chat/completions",
        Attribution(f"tenant-{chance.randrange(300)}", "summaries", "business", f"{chance.getrandbits(128):032x}"),
        (),
        Body(b"", b"", chance.randrange(20_000)),
        Outcome.COMPLETE,
        200,
        (),
        Body(b"", b"", chance.randrange(200_000)),
        total_s / 9,
        total_s,
    )
    observation = Observation(
        inference=True,
        stream=True,
        request_model="openai/gpt-4o-mini",
        response_model="openai/gpt-4o-mini-2024-07-18",
        provider="OpenAI",
        generation_id=f"gen-{milliseconds // 1000}-{chance.getrandbits(100):020x}",
        usage=Usage(chance.randrange(8000), chance.randrange(900), chance.randrange(2000), 0, 0),
        cost=Cost(Decimal(chance.randrange(10**7)).scaleb(-9), CostSource.REPORTED),
        timings=Timings(total_s / 9, total_s / 8, tpot_s=total_s / 500, largest_gap_s=total_s / 20, total_s=total_s),
        finish_reason="stop",
        features=frozenset({"streaming", "tools", "json_schema"}),
    )
    ended = tuple(
        Replay(exchange.exchange_id, arm, ReplayOutcome.SAMPLED_OUT, "not_drawn", 0.05)
        for arm in ARMS[number % 20 == 0 :]
    )
    return Recorded(exchange, observation, ended, (Pending(ARMS[0], 0.05),) if number % 20 == 0 else ())


def batches(count: int) -> Iterator[list[Recorded]]:
    chance = random.Random(7)  # noqa: S311 (a benchmark's data)
    for start in range(0, count, BATCH):
        yield [recorded(number, chance) for number in range(start, start + BATCH)]


async def fill(store: SQLiteStore, work: Iterator[list[Recorded]]) -> None:
    for batch in work:
        await store.add(batch)


async def main(count: int) -> None:
    ready = list(batches(count))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "shadow.db"
        store = await SQLiteStore.open(path)
        work, began, used = iter(ready), time.perf_counter(), time.process_time()
        await asyncio.gather(*(fill(store, work) for _ in range(BATCHES_WAITING)))
        took, processor = time.perf_counter() - began, time.process_time() - used
        await store.close()
        figures = (
            f"{count / took:,.0f} exchanges stored per second, {processor / count * 1e6:.0f} µs of processor time each",
            f"{took / len(ready) * 1e3:.1f} ms per commit of {BATCH}",
            f"{path.stat().st_size / count:,.0f} bytes per exchange on disk, with {len(ARMS)} arms",
        )
        sys.stdout.write("\n".join(figures) + "\n")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
