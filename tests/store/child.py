"""A process with a store of its own, for tests that kill it or take its disk away.

`python -m tests.store.child PATH` adds batch after batch until it is killed, and prints each acknowledged exchange's
number. With `--file-bytes N` no file may grow beyond N bytes: it prints the trouble that this makes, lifts the limit,
adds again and prints how many rows there are.
"""

import argparse
import asyncio
import resource
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

from shadow.exchange import Recorded
from shadow.store.errors import StoreError
from shadow.store.sqlite import SQLiteStore
from tests.store.samples import recorded

BATCH = 20


def batches() -> Iterator[list[Recorded]]:
    for start in count(0, BATCH):
        yield [recorded(number, "ferry") for number in range(start, start + BATCH)]


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def until_killed(path: Path) -> None:
    """Several callers at once, as in service, so that the kill meets commits, not waits."""
    store = await SQLiteStore.open(path)
    work = batches()

    async def add() -> None:
        for batch in work:
            await store.add(batch)
            say(*(one.exchange.exchange_id for one in batch))
            await store.mark_sent(batch[0].exchange.exchange_id, "ferry")

    await asyncio.gather(add(), add(), add())


async def until_full(path: Path) -> None:
    """Add until the disk refuses; then, with room again, add what was refused."""
    store = await SQLiteStore.open(path)
    acknowledged = 0
    for batch in batches():
        try:
            acknowledged += len(await store.add(batch))
        except StoreError as error:
            say(error.trouble)
            break
    make_room(path)
    acknowledged += len(await store.add(batch))
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        stored = connection.execute("SELECT count(*) FROM exchanges").fetchone()[0]
        checked = connection.execute("PRAGMA integrity_check").fetchone()[0]
    say(stored == acknowledged, checked)


def make_room(path: Path) -> None:
    """Lift the limit on files, and remove the ballast of a full disk."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    path.with_name("ballast").unlink(missing_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path)
    parser.add_argument("--until-full", action="store_true")
    parser.add_argument("--file-bytes", type=int)
    arguments = parser.parse_args()
    if arguments.file_bytes:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (arguments.file_bytes, hard))
    asyncio.run((until_full if arguments.until_full else until_killed)(arguments.path))


if __name__ == "__main__":
    main()
