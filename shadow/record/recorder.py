"""The recorder: wires store, mirror, inbox and pages together, and takes them down in order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Final

from aiohttp import web

from shadow.config import Config
from shadow.events import Event
from shadow.fingerprint import read_or_create_secret
from shadow.log import tell, where
from shadow.mirror.budget import KEPT_DAYS
from shadow.mirror.client_keys import ClientKeys
from shadow.mirror.mirror import Mirror
from shadow.record.attribution import BodyAttribution
from shadow.record.bodies import Keeper
from shadow.record.delayed_cost import DelayedCosts
from shadow.record.erasures import Erasures
from shadow.record.generations import generations
from shadow.record.inbox import Inbox
from shadow.record.ledger import StoreLedger
from shadow.record.metrics import Metrics
from shadow.record.pages import application
from shadow.record.pause import Pause
from shadow.record.reports import Reports
from shadow.record.retention import retain
from shadow.record.shipping import Shipping, shipping
from shadow.record.stored import StoredReplays
from shadow.store.client_keys import used
from shadow.store.errors import StoreError
from shadow.store.sqlite import SQLiteStore
from shadow.tasks import spawn
from shadow.wire.observe import read_all
from shadow.wire.prices import PriceBook

if TYPE_CHECKING:
    from shadow.record.traces import Traces

KEPT: Final = timedelta(days=KEPT_DAYS)
SHUTDOWN_S: Final = 2.0  # for a batch that is being committed; the service waits a little longer for all of it
ROOM_TO_SPARE: Final = 1 << 20  # what the handoff holds fits into one batch, whatever it is cut into
READ_BYTES: Final = 1 << 20  # of a request at once: a batch, which by default is read in stops and starts of 64 KiB


@asynccontextmanager
async def recording(config: Config, socket: Path) -> AsyncIterator[None]:
    """A recorder that serves on `socket` inside the context. Raises StoreError and OSError where it cannot start."""
    shared = config.store.clickhouse
    store = await SQLiteStore.open(config.store.path, ship_to=config.store.ship_to)
    try:
        metrics = Metrics((arm.name for arm in config.arms), config.metrics.max_series)
        for ended in await store.recover():
            metrics.recovered(ended)
        async with (
            shipping(shared, store.outbox, metrics, gethostname()) as shipped,
            _tracing(config, metrics) as traces,
            _mirroring(config, store, metrics, traces, shipped, socket),
        ):
            yield
    finally:
        await store.close()


@asynccontextmanager
async def _mirroring(
    config: Config,
    store: SQLiteStore,
    metrics: Metrics,
    traces: "Traces | None",
    shipped: Shipping | None,
    socket: Path,
) -> AsyncIterator[None]:
    """Takes exchanges in and replays them; at the end every replay has ended."""
    keeper = Keeper(config.capture, config.registry)
    ledger = StoreLedger(store, keeper, metrics, traces=traces)
    spent = await store.spend(datetime.now(UTC).date() - KEPT)
    mirror = Mirror(config, ledger, spent=spent, client_keys=_client_keys(config))
    await mirror.start()
    try:
        async with _asking(config, store, metrics) as delayed:
            inbox = Inbox(
                attribution=BodyAttribution(config.attribution, config.registry),
                keeper=keeper,
                read_all=partial(read_all, book=PriceBook.for_primary(config)),
                mirror=mirror,
                store=store,
                ledger=ledger,
                metrics=metrics,
                delayed=delayed,
                traces=traces,
            )
            reports, replays = Reports(config.store.path), StoredReplays(config, keeper, mirror, store, ledger, metrics)
            erasures = Erasures(store, shipped.landed if shipped else None)
            largest_batch = config.handoff.max_bytes + ROOM_TO_SPARE
            pause = Pause(mirror, socket)
            app = application(inbox, mirror, pause, metrics, reports, erasures, replays, largest_batch)
            async with _serving(app, socket):
                retention = spawn(retain(store, config, keeper, metrics), "retention")
                try:
                    yield
                finally:
                    retention.cancel()
                    await replays.close()
    finally:
        ledger.hurry()
        await mirror.close()
        await _end_pending(store)


@asynccontextmanager
async def _tracing(config: Config, metrics: Metrics) -> AsyncIterator["Traces | None"]:
    """Where spans go, where configured."""
    if config.otel is None:
        yield None
        return
    try:
        from shadow.record.traces import exporter, tracing  # noqa: PLC0415 (an extra, and 15 MB)

        collector = exporter(config.otel)
    except (ImportError, OSError, KeyError) as error:  # rows matter more
        tell(Event.TRACES_OFF, error=where(error))
        yield None
        return
    async with tracing(config, collector, metrics.spans) as traces:
        yield traces


@asynccontextmanager
async def _asking(config: Config, store: SQLiteStore, metrics: Metrics) -> AsyncIterator[DelayedCosts | None]:
    """The queue of delayed costs, where configured; what waits in it at the end is let go."""
    if not config.upstream.delayed_cost:
        yield None
        return
    async with generations(config.upstream) as upstream:
        delayed = DelayedCosts(upstream.ask, store, PriceBook.for_primary(config), metrics)
        try:
            yield delayed
        finally:
            await delayed.close()


def _client_keys(config: Config) -> ClientKeys | None:
    """The keys that the control must not use, where there is one. Raises SecretError."""
    if config.control is None:
        return None

    async def stored(key_fingerprint: str) -> bool:
        return await asyncio.to_thread(used, config.store.path, key_fingerprint)

    return ClientKeys(read_or_create_secret(config.fingerprint_secret_path), config.registry.owners, stored)


@asynccontextmanager
async def _serving(app: web.Application, socket: Path) -> AsyncIterator[None]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S, read_bufsize=READ_BYTES)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(socket)).start()  # takes the place of a socket that a killed recorder left
        tell(Event.RECORDING)
        yield
    finally:
        await runner.cleanup()


async def _end_pending(store: SQLiteStore) -> None:
    """What was not sent or did not end by now never will."""
    try:
        await store.recover()
    except StoreError as error:
        tell(Event.PENDING_LEFT, trouble=error.trouble)
