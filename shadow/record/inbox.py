"""Takes finished exchanges in: observed, attributed, decided on, committed; only then acknowledged."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from aiohttp import web

from shadow.events import Event
from shadow.exchange import Bodies, Exchange, Observation, Pending, Recorded, Replay
from shadow.frames import FrameError, unpack
from shadow.log import tell, where
from shadow.mirror.planned import Planned
from shadow.record.attribution import BodyAttribution
from shadow.record.bodies import Keeper
from shadow.record.delayed_cost import DelayedCosts, Owed, owed
from shadow.record.ledger import StoreLedger
from shadow.record.metrics import Metrics
from shadow.store.errors import StoreError
from shadow.tasks import spawn
from shadow.wire.observe import Read
from shadow.wire.request import InferenceRequest

IN_A_ROW: Final = 10  # exchanges; then the loop has its turn: answers of candidates are being timed on it

Examined = tuple[Exchange, Read, Owed | None, Bodies | None]
Decided = tuple[Recorded, tuple[Planned, ...], Owed | None]


class Mirror(Protocol):
    """What the inbox needs of the mirror."""

    def decide(
        self, exchange: Exchange, observation: Observation, request: InferenceRequest | None
    ) -> tuple[tuple[Replay, ...], tuple[Planned, ...]]:
        """For every arm its end or its plan, whatever the exchange is. Never raises."""

    def submit(self, planned: Planned) -> Replay | None: ...


class Traces(Protocol):
    """What the inbox needs of traces."""

    def stored(self, recorded: Recorded) -> None: ...


class Store(Protocol):
    """What the inbox needs of a store."""

    async def add(self, batch: Sequence[Recorded]) -> set[str]: ...


@dataclass(frozen=True, slots=True)
class Inbox:
    """Turns batches of frames into committed rows and submitted replays."""

    attribution: BodyAttribution
    keeper: Keeper
    read_all: Callable[[Sequence[Exchange]], Sequence[Read]]
    mirror: Mirror
    store: Store
    ledger: StoreLedger
    metrics: Metrics
    delayed: DelayedCosts | None = None  # where configured
    traces: Traces | None = None  # likewise
    clock: Callable[[], float] = time.time

    async def receive(self, request: web.Request) -> web.Response:
        """`POST /exchanges`: 204 once committed, 400 for what can never be, 503 for what may be later."""
        batch = await request.read()
        try:
            await self.take(batch)
        except StoreError as error:
            self.metrics.store_errors.labels(error.trouble.value).inc()
            return web.Response(status=503)
        except Exception as error:  # noqa: BLE001 (sent again it would fail again, and hold up all that wait behind it)
            tell(Event.BATCH_REFUSED, error=str(error) if isinstance(error, FrameError) else where(error))
            return web.Response(status=400)
        return web.Response(status=204)

    async def take(self, batch: bytes) -> None:
        """Commit a batch, then submit what is to be replayed of it.

        Raises ValueError (FrameError where it is no batch of frames) and StoreError, and then nothing is stored.
        """
        decided = await self._decide(await asyncio.to_thread(self._examine, batch))
        new = await self.store.add([recorded for recorded, _, _ in decided])
        committed_at = self.clock()
        for number, (recorded, plans, debt) in enumerate(decided, 1):
            if number % IN_A_ROW == 0:
                await asyncio.sleep(0)
            if recorded.exchange.exchange_id in new:
                new.discard(recorded.exchange.exchange_id)
                self.metrics.stored(recorded, committed_at)
                if self.traces is not None:
                    self.traces.stored(recorded)
                self.ledger.expect(recorded)
                self._submit(plans)
                if debt is not None and self.delayed is not None:
                    self.delayed.expect(debt)

    def _examine(self, batch: bytes) -> list[Examined]:
        """In a thread: a large body, or the price catalogue at its first use, takes long.

        From here on a credential is with what is owed, or nowhere.
        """
        arrived = list(unpack(batch))
        credentials = [one.credential for one in arrived]
        bare = [one if one.credential is None else replace(one, credential=None) for one in arrived]
        reads = self.read_all(bare)
        exchanges = [self.attribution.complete(one, read.request) for one, read in zip(bare, reads, strict=True)]
        kept = map(self.keeper.of_primary, exchanges, reads)
        debts = map(owed, exchanges, (read.observation for read in reads), credentials)
        return list(zip(exchanges, reads, debts, kept, strict=True))

    async def _decide(self, examined: Sequence[Examined]) -> list[Decided]:
        decided: list[Decided] = []
        for number, (exchange, read, debt, kept) in enumerate(examined, 1):
            ended, plans = self.mirror.decide(exchange, read.observation, read.request)
            recorded = Recorded(exchange, read.observation, ended, tuple(map(_pending, plans)), kept)
            decided.append((recorded, plans, debt))
            if number % IN_A_ROW == 0:
                await asyncio.sleep(0)
        return decided

    def _submit(self, plans: Sequence[Planned]) -> None:
        for planned in plans:
            if (dropped := self.mirror.submit(planned)) is not None:
                spawn(self.ledger.settle(dropped), "settle-dropped")


def _pending(planned: Planned) -> Pending:
    return Pending(planned.arm, planned.probability, planned.conversation)
