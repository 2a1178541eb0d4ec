"""Shipping to ClickHouse and reporting from it: `python -m tests.benchmarks.bench_clickhouse [PAIRS] [EXCHANGES]`.

Starts Debian's clickhouse-server on loopback with a configuration of its own. First EXCHANGES typical exchanges with
two arms (100,000) are shipped to it out of SQLite: rows per second, processor time of this process, bytes a row on the
server's disk once it has merged. Then a hundredth of PAIRS (10,000,000) and PAIRS are made inside the engine, and for
both `shadow report` is run on them, overall and by 300 tenants, beside the plain sums over the same rows in
clickhouse-client, with FINAL as a reader must and without: seconds of the best of three runs (by tenants of one), and
the largest resident size of the command and of the server while it answers.
"""

import asyncio
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from shadow.exchange import Agreement, Recorded, Replay, ReplayOutcome, Rewrite
from shadow.record.metrics import Metrics
from shadow.record.shipping import TIMEOUT_S, Shipping, Tables
from shadow.report.gathering import CANDIDATE_COST, NORMALISED, PAIRED, PRIMARY_COST, TOTAL, TPOT, TTFT
from shadow.store.clickhouse.client import Client
from shadow.store.clickhouse.migrations import prepare
from shadow.store.sqlite import SQLiteStore
from tests.benchmarks.bench_store import recorded
from tests.clickhouse import Database, running

RUNS: Final = 3
BATCH: Final = 200
ARMS: Final = 2
AT_ONCE: Final = 1_000_000  # rows of one insert

# The number-th exchange began so many times 200 ms after the first; ids are UUIDv7.
ID: Final = """toFixedString(unhex(concat(hex(toUInt64(1780000000000 + intDiv(number, {arms}) * 200)), '7000',
    hex(toUInt64(1152921504606846976 + intDiv(number, {arms}))))), 16)"""
DAY: Final = "toDate(toDateTime(1780000000 + intDiv(intDiv(number, {arms}), 5)))"
KNOWN: Final = PAIRED | PRIMARY_COST | CANDIDATE_COST | NORMALISED | TTFT | TOTAL | TPOT


def chance(salt: int, below: int) -> str:
    """An expression for a number below another, at random."""
    return f"(cityHash64(number, {salt}) % {below})"


def made(table: str, start: int, count: int) -> str:
    """The statement that makes so many rows of a table inside the engine, from the number `start` on."""
    arms = ARMS if table == "replays" else 1
    columns = {
        "exchange_id": ID.format(arms=arms),
        "day": DAY.format(arms=arms),
        "pod": "'pod-1'",
        "version": "1",
        "tenant": f"concat('tenant-', toString(intDiv(number, {arms}) % 300))",
        "feature": f"concat('feature-', toString(intDiv(number, {arms}) % 7))",
        "plan": "'pro'",
    }
    if table == "exchanges":
        columns |= {"outcome": "'complete'", "inference": "1", "request_model": "'openai/gpt-4o-mini'"}
        columns |= {"cost_nano_usd": chance(1, 10_000_000)}
    else:
        failed = f"{chance(2, 50)} = 0"
        columns |= {
            "arm": "if(number % 2 = 0, 'ferry', 'canal')",
            "outcome": f"if({failed}, 'failed', 'completed')",
            "reason": f"if({failed}, 'server_error', NULL)",
            "probability": "0.05",
            "primary_outcome": "'complete'",
            "primary_request_model": "'openai/gpt-4o-mini'",
            "primary_cost_nano_usd": chance(1, 10_000_000),
            "draw": chance(3, 128),
            "code": f"if({failed}, 2, {KNOWN})",
            "w": "20",
            "p_cost": f"if({failed}, NULL, {chance(1, 10_000_000)})",
            "c_cost": f"if({failed}, NULL, {chance(4, 9_000_000)})",
            "p_normalised": f"if({failed}, NULL, {chance(1, 10_000_000)})",
            "c_normalised": f"if({failed}, NULL, {chance(4, 9_000_000)})",
        }
        for at, name in enumerate(("ttft", "total", "tpot")):
            for side in "pc":
                value = f"(100000 + {chance(10 + 2 * at + (side == 'c'), 900_000)})"
                columns[f"{side}_{name}_us"] = f"if({failed}, NULL, {value})"
                columns[f"{side}_{name}"] = f"if({failed}, NULL, toInt16(floor(log({value} / 1000000) / log(1.02))))"
    said = ", ".join(columns.values())
    numbers = f"(SELECT number + {start} AS number FROM numbers({count}))"  # noqa: S608 (numbers and names of our own)
    return f"INSERT INTO DB.{table} ({', '.join(columns)}) SELECT {said} FROM {numbers}"  # noqa: S608


PLAIN: Final = """SELECT arm, count(), count(w), sum(w), sum(p_cost), sum(c_cost), sum(w * p_cost), sum(w * c_cost),
    sum(p_normalised), sum(c_normalised), sum(w * p_normalised), sum(w * c_normalised),
    sum(w * p_ttft_us), sum(w * c_ttft_us), sum(w * p_total_us), sum(w * c_total_us), sum(w * p_tpot_us),
    sum(w * c_tpot_us) FROM {table} {final} WHERE code IS NOT NULL GROUP BY arm, draw, code FORMAT Null"""


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def completed(one: Recorded) -> Replay:
    """The end of the pending replay of an exchange: an answer much like the primary's."""
    [pending] = one.pending
    own = replace(one.exchange, arm=pending.arm, total_s=one.exchange.total_s * 1.1)
    return Replay(
        one.exchange.exchange_id,
        pending.arm,
        ReplayOutcome.COMPLETED,
        None,
        pending.probability,
        Rewrite(("model: openai/gpt-4o-mini → gpt-4o-mini",), ("provider",)),
        own,
        one.observation,
        Agreement(finish_reason_same=True),
        int(own.started_at * 1000),
    )


async def ship(directory: Path, database: Database, count: int) -> None:
    """Ship what is in a store, as the recorder does."""
    chances = random.Random(1)  # noqa: S311 (made-up traffic)
    store = await SQLiteStore.open(directory / "shadow.db", ship_to="bench")
    for start in range(0, count, BATCH):
        batch = [recorded(number, chances) for number in range(start, min(start + BATCH, count))]
        await store.add(batch)
        await store.settle([completed(one) for one in batch if one.pending])
    client = Client(database.settings, TIMEOUT_S)
    shipping = Shipping(store.outbox, Tables(client, create=True), Metrics(), "pod-1", 5.0)
    began, used = time.perf_counter(), time.process_time()
    while await shipping.ship():
        pass
    took, used = time.perf_counter() - began, time.process_time() - used
    await client.close()
    await store.close()
    rows = database.count("exchanges", "") + database.count("replays", "")
    say(f"shipped {rows} rows of {count} exchanges: {rows / took:,.0f} rows/s, {used / rows * 1e6:.1f} us a row")
    for table in ("exchanges", "replays"):
        database.ask(f"OPTIMIZE TABLE DB.{table} FINAL")
    parts = f"system.parts WHERE active AND database = '{database.name}' AND table <> 'migrations'"
    sizes = database.ask(f"SELECT table, sum(bytes_on_disk) / sum(rows) FROM {parts} GROUP BY table FORMAT JSONCompact")  # noqa: S608
    every = sum(database.ask(f"SELECT sum(bytes_on_disk) FROM {parts} FORMAT JSONCompact")[0])  # noqa: S608
    said = ", ".join(f"{size:.0f} bytes a row of {table}" for table, size in sizes)
    say(f"on disk, merged: {said}; {int(every) / count:.0f} bytes an exchange with {ARMS} arms")


def fill(database: Database, pairs: int) -> None:
    for table, count in (("exchanges", pairs // ARMS), ("replays", pairs)):
        for start in range(0, count, AT_ONCE):
            database.ask(made(table, start, min(AT_ONCE, count - start)))


def run(command: list[str]) -> tuple[float, int]:
    """Seconds of one run, and its resident size in kB."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return time.perf_counter() - began, used.ru_maxrss


def report(directory: Path, database: Database, pairs: int) -> None:
    database.server.stop()  # what it keeps from making rows is no part of a report
    database.server.start()
    assert database.server.process is not None
    of_server = Path(f"/proc/{database.server.process.pid}")
    config = directory / "shadow.yaml"
    config.write_text(
        "upstream: {url: 'https://openrouter.ai'}\n"
        f"store: {{clickhouse: {{url: '{database.server.url}', database: {database.name}}}}}\n"
    )
    client = ["clickhouse-client", "--host=127.0.0.1", f"--port={database.server.tcp}", "--query"]
    table = f"{database.name}.replays"
    of_report = [sys.executable, "-m", "shadow", "report", "-c", str(config)]
    commands = (
        of_report,
        [*client, PLAIN.format(table=table, final="FINAL")],
        [*client, PLAIN.format(table=table, final="")],
    )
    runs = [[run(command) for command in commands] for _ in range(RUNS)]  # in turn: a busy machine slows all of them
    took, plain, unmerged = (min(seconds for seconds, _ in of_one) for of_one in zip(*runs, strict=True))
    size = max(of_one[0][1] for of_one in runs)
    segments, larger = run([*of_report, "--by", "tenant"])
    peak = next(line.split()[1] for line in (of_server / "status").read_text().splitlines() if line.startswith("VmHWM"))
    say(
        f"{pairs} pairs: report {took:.2f} s; plain sums in clickhouse-client {plain:.2f} s with FINAL, "
        f"{unmerged:.2f} s without; the command {size / 1024:.0f} MB\n"
        f"    by 300 tenants: {segments:.2f} s, {larger / 1024:.0f} MB; the server at most {int(peak) / 1024:.0f} MB"
    )


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    exchanges = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with running(directory) as server:
            asyncio.run(ship(directory, server.database(), exchanges))
            for count in (pairs // 100, pairs):
                database = server.database()
                asyncio.run(_prepare(database))
                fill(database, count)
                report(directory, database, count)


async def _prepare(database: Database) -> None:
    client = Client(database.settings, TIMEOUT_S)
    await prepare(client, create=True)
    await client.close()


if __name__ == "__main__":
    main()
