"""A process with a store of its own, for tests that kill it or take its disk away.

`until_killed` adds batch after batch, and sends each acknowledged batch's ids down a pipe. As a program, `python -m
tests.store.child PATH --until-full` adds until the disk refuses, prints the trouble, makes room by removing `ballast`
and the limit that `--file-bytes` set, adds again and prints whether every acknowledged row is there. With
`--prune-when-full` the room is made by retention instead.
"""

import argparse
import asyncio
import resource
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path

from shadow.exchange import Recorded
from shadow.store.errors import StoreError
from shadow.store.limits import Limits
from shadow.store.sqlite import SQLiteStore
from tests.store.samples import BEGAN, bodies, recorded

BATCH = 20
RESERVE_BYTES = 6 << 20  # more than the log holds between two checkpoints


def batches(first: int = 0) -> Iterator[list[Recorded]]:
    for start in count(first, BATCH):
        yield [recorded(number, "ferry", bodies=bodies([number])) for number in range(start, start + BATCH)]


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def until_killed(path: Path, first: int, acknowledged: Connection) -> None:
    asyncio.run(_until_killed(path, first, acknowledged))


async def _until_killed(path: Path, first: int, acknowledged: Connection) -> None:
    """Several callers at once, as in service, so that the kill meets commits, not waits."""
    store = await SQLiteStore.open(path)
    work = batches(first)

    async def add() -> None:
        for batch in work:
            await store.add(batch)
            acknowledged.send([one.exchange.exchange_id for one in batch])
            await store.mark_sent(batch[0].exchange.exchange_id, "ferry")

    await asyncio.gather(add(), add(), add())


async def until_full(path: Path, prune: bool) -> None:
    """Add until the disk refuses; then, with room again, add what was refused."""
    store = await SQLiteStore.open(path, Limits(reserve_bytes=RESERVE_BYTES))
    acknowledged = 0
    for batch in batches():
        try:
            acknowledged += len(await store.add(batch))
        except StoreError as error:
            say(error.trouble)
            break
    if prune:
        acknowledged -= await store.prune(BEGAN + acknowledged / 2000)
    else:
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
    parser.add_argument("--prune-when-full", action="store_true")
    parser.add_argument("--file-bytes", type=int)
    arguments = parser.parse_args()
    if arguments.file_bytes:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (arguments.file_bytes, hard))
    asyncio.run(until_full(arguments.path, arguments.prune_when_full))


if __name__ == "__main__":
    main()
