"""Deletes what is too old and what is too much, beside the recording and in small steps."""

import asyncio
from dataclasses import asdict
from itertools import count
from typing import Final

from shadow.config import Config
from shadow.events import Event
from shadow.log import tell
from shadow.record.bodies import Keeper
from shadow.record.dates import Calendar
from shadow.record.metrics import Metrics
from shadow.store.errors import StoreError, Trouble
from shadow.store.files import set_aside_beside
from shadow.store.sqlite import SQLiteStore

PRUNE_EVERY_S: Final = 3600.0
LOOKS: Final = 240  # in that time, at whether the disk is full: every 15 s
DAY_S: Final = 86_400.0


async def retain(store: SQLiteStore, config: Config, keeper: Keeper, metrics: Metrics) -> None:
    """Delete what is too old: now, every hour, and when the disk is full; and at every look what is too much."""
    calendar = Calendar()
    for look in count():
        metrics.set_aside.set(len(set_aside_beside(config.store.path)))
        try:
            if look % LOOKS == 0 or store.trouble is Trouble.DISK_FULL:
                await _delete_old(store, config, keeper, calendar)
            if config.store.max_bytes is not None:
                await _delete_much(store, config.store.max_bytes, metrics)
        except StoreError as error:
            tell(Event.EXPIRED_LEFT, trouble=error.trouble)
        await asyncio.sleep(PRUNE_EVERY_S / LOOKS)


async def _delete_much(store: SQLiteStore, max_bytes: int, metrics: Metrics) -> None:
    deleted = await store.cap(max_bytes)
    for what, rows in asdict(deleted).items():
        metrics.capped.labels(what).inc(rows)
    if deleted:
        tell(Event.STORE_CAPPED, unshipped=deleted.unshipped, shipped=deleted.shipped, bodies=deleted.bodies)


async def _delete_old(store: SQLiteStore, config: Config, keeper: Keeper, calendar: Calendar) -> None:
    """What is kept too long; of bodies also what would not be kept today: consent that was withdrawn counts at once."""
    now = calendar.now()
    if now is None:
        tell(Event.CLOCK_LEAPT, leap_s=calendar.leap_s)
        return
    if config.store.retention_days is not None:
        deleted = await store.prune(now - config.store.retention_days * DAY_S)
        if deleted:
            tell(Event.EXPIRED_DELETED, exchanges=deleted, days=config.store.retention_days)
    days = config.capture.bodies_retention_days
    deleted = await store.prune_bodies(now - days * DAY_S, keeper.tenants)
    if deleted:
        tell(Event.BODIES_DELETED, rows=deleted, days=days)
