"""Costs that are told only later: asked for a few times, with the client's own key, then given up.

A stream that was cut brought no usage. Its key is held by the one task that asks, in memory, until the cost is known,
the last attempt has failed, or the recorder stops; a recorder that is killed asks for nothing again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol

from shadow.events import Event
from shadow.exchange import Attribution, Cost, Exchange, Observation, Usage
from shadow.log import tell, where
from shadow.record.metrics import DelayedCost, Metrics
from shadow.store.errors import StoreError
from shadow.tasks import spawn
from shadow.wire.generation import Generation, generation_path
from shadow.wire.prices import PriceBook

# Attempts are 1, 2, 5, 15 and 60 s after the exchange came: OpenRouter answers 404 for half a second after a whole
# stream and for longer after a cut one. A key is held for that long, and for as long as the answers take.
WAITS_S: Final = (1.0, 1.0, 3.0, 10.0, 45.0)
MOST: Final = 1000  # sixteen cut streams a second; some 3 kB each, a task included


@dataclass(frozen=True, slots=True)
class Owed:
    """A cost to ask for, without the bodies of its exchange. `usage` is what the cut answer counted."""

    exchange_id: str
    generation_id: str
    path: str  # of the question, under the upstream's URL
    at: datetime
    attribution: Attribution
    names: tuple[str | None, str | None]  # of the model: the answer's, the request's
    usage: Usage
    credential: str = field(repr=False)


def owed(exchange: Exchange, seen: Observation, credential: str | None) -> Owed | None:
    """What to ask for, for an exchange that came with a key; None where its cost is known or nobody could tell it."""
    if credential is None:
        return None
    path = generation_path(exchange.path)
    if path is None or seen.generation_id is None or seen.cost.usd is not None:
        return None
    return Owed(
        exchange_id=exchange.exchange_id,
        generation_id=seen.generation_id,
        path=path,
        at=datetime.fromtimestamp(exchange.started_at, UTC),
        attribution=exchange.attribution,
        names=(seen.response_model, seen.request_model),
        usage=seen.usage,
        credential=credential,
    )


class Store(Protocol):
    """What delayed costs need of a store."""

    async def set_cost(self, exchange_id: str, cost: Cost, usage: Usage) -> bool: ...


Ask = Callable[[Owed], Awaitable[Generation | None]]
Sleep = Callable[[float], Awaitable[None]]


class DelayedCosts:
    """The costs that are being asked for. Whatever becomes of one is counted, once."""

    def __init__(
        self, ask: Ask, store: Store, book: PriceBook, metrics: Metrics, sleep: Sleep = asyncio.sleep, most: int = MOST
    ) -> None:
        self._ask = ask
        self._store = store
        self._book = book
        self._metrics = metrics
        self._sleep = sleep
        self._most = most
        self._asking: set[asyncio.Task[None]] = set()

    def expect(self, one: Owed) -> None:
        """Begin to ask for a cost. Where there is no room it stays unknown, and the key is let go at once."""
        if len(self._asking) >= self._most:
            self._count(DelayedCost.DROPPED)
            return
        spawn(self._settle(one), "delayed-cost", self._asking)

    async def close(self) -> None:
        """Ask no more: what is unknown by now stays so."""
        asking = tuple(self._asking)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        for task in asking:
            if task.cancelled():
                self._count(DelayedCost.ABANDONED)

    async def _settle(self, one: Owed) -> None:
        try:
            self._count(await self._outcome(one))
        except Exception as error:  # noqa: BLE001 (a mistake here costs one cost, and is counted)
            tell(Event.COST_UNKNOWN, error=where(error))
            self._count(DelayedCost.UNKNOWN)

    async def _outcome(self, one: Owed) -> DelayedCost:
        for wait_s in WAITS_S:
            await self._sleep(wait_s)
            generation = await self._ask(one)
            ended = None if generation is None else await self._told(one, generation)
            if ended is not None:
                return ended
        return DelayedCost.UNKNOWN

    async def _told(self, one: Owed, generation: Generation) -> DelayedCost | None:
        """How it ended, with these facts in the store; None where the next attempt may do better."""
        cost = await asyncio.to_thread(generation.cost, one.names, one.at, self._book)  # the catalogue may be loaded
        if cost.usd is None:
            return None
        try:
            stored = await self._store.set_cost(one.exchange_id, cost, generation.usage)
        except StoreError:
            return None
        if not stored:
            return DelayedCost.UNNEEDED
        self._metrics.came_late(one.attribution, one.names, one.usage, generation.usage, cost.usd)
        return DelayedCost.KNOWN

    def _count(self, result: DelayedCost) -> None:
        self._metrics.delayed_cost.labels(result.value).inc()
