"""How long a text report takes, beside the plain SQL aggregate: `python -m tests.benchmarks.bench_report [PAIRS]`.

A database of PAIRS pairs (one million unless said) of twenty tenants is made first, which takes a while. Each
measurement runs in a process of its own and prints seconds and that process's peak memory.
"""

import multiprocessing
import random
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from shadow.exchange import Recorded
from shadow.report import text
from shadow.report.comparison import compare
from shadow.report.totals import Dimension, Scope
from shadow.store.adding import add
from shadow.store.aggregates import read
from shadow.store.files import open_database
from shadow.store.ids import floor
from shadow.store.rows import Row, rows
from tests.report.population import BEGUN, exchange, observation, replay, usd

TEMPLATES = 5000  # different pairs; the others repeat them under ids of their own
BATCH = 20_000
TURNS = 4
APART_S = 0.6  # a million pairs in a week

PLAIN = """SELECT r.arm, e.tenant, COUNT(*), SUM(e.cost_nano_usd), SUM(r.cost_nano_usd), AVG(r.ttft_s - e.ttft_s)
    FROM replays r JOIN exchanges e USING (exchange_id) WHERE r.outcome = 'completed' GROUP BY 1, 2"""


def template(chance: random.Random) -> Recorded:
    """A pair; the candidate is cheaper and slower."""
    one = exchange(
        tenant=f"tenant-{chance.randrange(20):02}",
        feature=chance.choice(("chat", "summaries", "agents")),
        total_s=chance.lognormvariate(0.7, 0.5),
    )
    nano, ttft_s = int(chance.lognormvariate(14, 0.8)), chance.lognormvariate(-0.7, 0.5)
    answered = observation(usd(nano * 3 // 4), ttft_s * chance.lognormvariate(0.3, 0.2))
    probability = chance.choice((0.05, 0.5))
    ended = replay(one, probability=probability, seen=answered, total_s=one.total_s * chance.lognormvariate(0.3, 0.2))
    return Recorded(one, observation(usd(nano), ttft_s), (ended,))


def batches(pairs: int) -> Iterator[tuple[list[Row], list[Row]]]:
    """Rows of exchanges and of replays, in the order of time."""
    chance = random.Random(7)  # noqa: S311 (made-up traffic)
    made = rows([template(chance) for _ in range(TEMPLATES)])
    for start in range(0, pairs, BATCH):
        numbers = range(start, min(start + BATCH, pairs))
        ids = [floor(BEGUN + n * APART_S)[:6] + chance.randbytes(10) for n in numbers]
        talks = [conversation(n) for n in numbers]
        yield (
            [(one, *made.exchanges[talk % TEMPLATES][1:]) for one, talk in zip(ids, talks, strict=True)],
            [
                (one, arm, probability, talk, *rest)
                for one, talk in zip(ids, talks, strict=True)
                for _, arm, probability, _, *rest in (made.replays[talk % TEMPLATES],)
            ],
        )


def conversation(number: int) -> int:
    """Of TURNS turns with a hundred other exchanges between; scattered as hashes are."""
    return (number // (100 * TURNS) * 100 + number % 100) * 0x9E3779B97F4A7C15 % (1 << 63)


def make(path: Path, pairs: int) -> None:
    with closing(open_database(path)) as database:
        database.execute("PRAGMA synchronous = OFF")
        for exchanges, replays in batches(pairs):
            database.execute("BEGIN")
            add(database, exchanges, replays, ())
            database.execute("COMMIT")
    print(f"{pairs:,} pairs, {path.stat().st_size / 1e6:,.0f} MB", flush=True)  # noqa: T201 (a script)


def plain(path: Path) -> None:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        measured("plain SQL aggregate by tenant", lambda: database.execute(PLAIN).fetchall())


def report(path: Path, *breakdowns: tuple[Dimension, ...]) -> None:
    scope = Scope(breakdowns=breakdowns)
    by = ", by ".join(" and ".join(one) for one in breakdowns)
    measured(f"text report by {by or 'nothing'}", lambda: text.render(compare(read(path, scope), scope)))


def measured(name: str, perform: Callable[[], object]) -> None:
    begun, worked = time.perf_counter(), time.process_time()
    perform()
    taken, worked = time.perf_counter() - begun, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name:48} {taken:6.2f} s  ({worked:.2f} s of processor)  {peak:6.0f} MB peak", flush=True)  # noqa: T201 (a script)


def alone(perform: Callable[..., None], *arguments: object) -> None:
    """In a process of its own, so that its memory is its own."""
    process = multiprocessing.get_context("spawn").Process(target=perform, args=arguments)
    process.start()
    process.join()


def main() -> None:
    pairs = int(sys.argv[1].replace("_", "")) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "shadow.db"
        alone(make, path, pairs)
        alone(plain, path)  # once to warm the disk's cache
        alone(plain, path)
        alone(report, path)
        alone(report, path, ("tenant",))
        alone(report, path, ("tenant",), ("feature",), ("model",))
        alone(report, path, ("tenant", "feature"))


if __name__ == "__main__":
    main()
