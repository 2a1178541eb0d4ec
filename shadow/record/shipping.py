"""Ships rows to ClickHouse: in the order in which they changed, at least once, for as long as it takes.

What is shipped is read from SQLite, so that nothing here is ever lost or in the way of recording: a server that is
away, slow or full only makes rows wait. A batch is claimed in SQLite before it is sent; sent again after a crash it
bears the same token and its rows the same versions, and the engine keeps one of each.
"""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, Protocol

from shadow.config import ClickHouse
from shadow.events import Event
from shadow.log import tell, where
from shadow.record.metrics import Metrics
from shadow.store.clickhouse.client import Client
from shadow.store.clickhouse.encoding import EXCHANGES, REPLAYS, Table
from shadow.store.clickhouse.errors import ClickHouseError, Refusal
from shadow.store.clickhouse.migrations import prepare
from shadow.store.errors import StoreError
from shadow.store.outbox import Backlog, Batch, Outbox, select
from shadow.store.rows import Row
from shadow.tasks import spawn

TABLES: Final = (EXCHANGES, REPLAYS)
SELECTS: Final = tuple(select(table.selected, replays=table is REPLAYS) for table in TABLES)
BATCH: Final = 2000  # exchanges: with two candidates some 3 MB in memory, and an insert worth its part on the disk
TIMEOUT_S: Final = 120.0  # a server that takes longer over a batch is in trouble, and asked again
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0  # after an outage rows arrive within a minute; until then one request a minute is nothing
LAST_S: Final = 2.0  # a pod that goes takes its disk along: what can still be shipped is
LEVEL: Final = 1  # of compression: rows shrink to a fifth, and more effort is the pod's to pay
TOKEN: Final = "insert_deduplication_token"  # noqa: S105 (the name of a setting)
KNOWS_TOKEN: Final = f"SELECT count() FROM system.settings WHERE name = '{TOKEN}'"  # noqa: S608 (see above)

Sleep = Callable[[float], Awaitable[None]]


class Server(Protocol):
    """What shipping needs of ClickHouse. Every method raises ClickHouseError."""

    async def prepare(self) -> None:
        """See that the tables are there and are those of this release."""

    async def insert(self, table: Table, compressed: bytes, token: str) -> None: ...


class Tables:
    """The tables of one server."""

    def __init__(self, client: Client, *, create: bool) -> None:
        self._client = client
        self._create = create
        self._knows_token = False

    async def prepare(self) -> None:
        for migration in await prepare(self._client, create=self._create):
            tell(Event.SHIP_MIGRATED, migration=migration)
        ((known,),) = await self._client.select(KNOWS_TOKEN)
        self._knows_token = bool(known)

    async def insert(self, table: Table, compressed: bytes, token: str) -> None:
        settings: Mapping[str, str] = {TOKEN: token} if self._knows_token else {}
        await self._client.insert(table.name, table.names, compressed, settings)


class Shipping:
    """Carries what is in the outbox to a server."""

    def __init__(
        self,
        outbox: Outbox,
        server: Server,
        metrics: Metrics,
        pod: str,
        pause_s: float,
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], float] = time.time,
        most: int = BATCH,
    ) -> None:
        self._outbox = outbox
        self._server = server
        self._metrics = metrics
        self._pod = pod
        self._pause_s = pause_s
        self._sleep = sleep
        self._clock = clock
        self._most = most
        self._prepared = False
        self._under_way = asyncio.Lock()  # a batch has been read and has neither landed nor failed
        self._oldest_at: float | None = None
        self._refusal: Refusal | None = None
        metrics.ship_lag.set_function(self._lag_s)

    async def run(self) -> None:
        """Ship until cancelled."""
        failures = 0
        while True:
            try:
                more = await self.ship()
                failures = 0
            except StoreError as error:
                failures += 1
                self._note(error)
            except Exception as error:  # noqa: BLE001 (a mistake of ours must not end shipping; its text may quote a row)
                failures += 1
                self._note(ClickHouseError(Refusal.FAILED, where(error)))
            if failures:
                await self._sleep(backoff_s(failures))
            elif not more:
                await self._sleep(self._pause_s)

    async def ship(self) -> bool:
        """Ship one batch; whether there is more to ship at once. Raises StoreError, and then it is shipped again."""
        self._show(await self._outbox.backlog())
        if not self._prepared:
            await self._server.prepare()
            self._prepared = True
        async with self._under_way:
            batch = await self._outbox.claim(self._most)
            if batch is not None:
                await self._send(batch)
                await self._outbox.acknowledge(batch)
                self._metrics.shipped.inc(batch.exchanges)
        self._note(None)
        self._show(await self._outbox.backlog())
        return batch is not None and batch.exchanges == self._most

    async def landed(self) -> None:
        """Wait until no row that was read before this call can still land: its batch has, or has failed."""
        async with self._under_way:
            pass

    async def _send(self, batch: Batch) -> None:
        for table, compressed in zip(TABLES, await self._encoded(batch), strict=True):
            if compressed is not None:
                await self._server.insert(table, compressed, f"{batch.token}-{table.name}")

    async def _encoded(self, batch: Batch) -> list[bytes | None]:
        """The rows of a batch for each table; None where there are none."""
        gzips = [zlib.compressobj(LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS) for _ in TABLES]
        parts: list[list[bytes]] = [[] for _ in TABLES]
        after = 0
        while (read := await self._outbox.read(SELECTS, after, batch.sequence)) is not None:
            after, found = read
            for table, rows, gzip, into in zip(TABLES, found, gzips, parts, strict=True):
                if rows:
                    into.append(await asyncio.to_thread(_packed, table, rows, self._pod, gzip))
        return [b"".join(into) + gzip.flush() if into else None for into, gzip in zip(parts, gzips, strict=True)]

    def _show(self, backlog: Backlog) -> None:
        self._oldest_at = backlog.oldest_at
        self._metrics.ship_waiting.set(backlog.exchanges)
        self._metrics.ship_lost.set(backlog.lost)

    def _lag_s(self) -> float:
        return 0.0 if self._oldest_at is None else max(0.0, self._clock() - self._oldest_at)

    def _note(self, error: StoreError | None) -> None:
        """Count every failure; log when a trouble begins and ends, not every attempt between."""
        refusal = error.refusal if isinstance(error, ClickHouseError) else None
        if refusal is not None:
            self._prepared = False  # whatever it was, the tables may be others now
            self._metrics.ship_errors.labels(refusal.value).inc()
            if refusal is not self._refusal:
                tell(Event.SHIP_TROUBLED, reason=str(error))
        elif error is None and self._refusal is not None:
            tell(Event.SHIP_WELL)
        self._refusal = refusal


def _packed(table: Table, rows: Sequence[Row], pod: str, gzip: "zlib._Compress") -> bytes:
    return gzip.compress(table.encode(rows, pod))


def backoff_s(failures: int) -> float:
    """How long to wait after so many failures in a row."""
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(failures - 1, 10))


@asynccontextmanager
async def shipping(
    settings: ClickHouse | None, outbox: Outbox, metrics: Metrics, pod: str
) -> AsyncIterator[Shipping | None]:
    """Ships in the background, where configured. At the end what waits is shipped within a bound, or stays."""
    if settings is None:
        yield None
        return
    client = Client(settings, TIMEOUT_S)
    one = Shipping(outbox, Tables(client, create=settings.create_tables), metrics, pod, settings.max_delay_s)
    tell(Event.SHIPPING, url=settings.url)
    task = spawn(one.run(), "shipping")
    try:
        yield one
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(LAST_S):
                while await one.ship():
                    pass
        await client.close()
