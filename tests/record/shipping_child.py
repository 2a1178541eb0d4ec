"""`python -m tests.record.shipping_child DATABASE URL NAME`: ships what waits in a store until it is killed."""

import asyncio
import sys
from pathlib import Path

from shadow.config import ClickHouse
from shadow.record.metrics import Metrics
from shadow.record.shipping import shipping
from shadow.store.sqlite import SQLiteStore


async def main(path: Path, settings: ClickHouse) -> None:
    store = await SQLiteStore.open(path, ship_to="test")
    async with shipping(settings, store.outbox, Metrics(), "pod-1"):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), ClickHouse(url=sys.argv[2], database=sys.argv[3])))
