"""The mirror's ledger over the store: what is sent is committed first, what has ended is committed at last."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final, Protocol

from shadow.exchange import Attribution, Recorded, Replay, Reservation
from shadow.record.bodies import Keeper
from shadow.record.metrics import Metrics
from shadow.record.pairs import Primary
from shadow.record.traffic import caller_of
from shadow.store.errors import StoreError

RETRY_S: Final = 1.0  # a full disk does not empty sooner; meanwhile the replay keeps its place and no other starts


class Store(Protocol):
    """What the ledger needs of a store."""

    async def mark_sent(self, exchange_id: str, arm: str, reservation: Reservation | None = None) -> None: ...

    async def settle(self, replays: Sequence[Replay]) -> None: ...


class Traces(Protocol):
    """What the ledger needs of traces."""

    def ended(self, replay: Replay) -> None: ...


NOBODY: Final = Primary(caller_of(Attribution()))


class StoreLedger:
    """Where the mirror writes what becomes of its replays."""

    def __init__(
        self,
        store: Store,
        keeper: Keeper,
        metrics: Metrics,
        retry_s: float = RETRY_S,
        traces: Traces | None = None,
    ) -> None:
        self._store = store
        self._keeper = keeper
        self._metrics = metrics
        self._traces = traces
        self._retry_s = retry_s
        self._hurry = asyncio.Event()
        self._primaries: dict[tuple[str, str], Primary] = {}  # one for each pending replay: bounded by its queue
        self._awaited: dict[tuple[str, str], asyncio.Future[Replay]] = {}

    def hurry(self) -> None:
        """From now on wait for no store that is in trouble: the recorder stops."""
        self._hurry.set()

    def expect(self, recorded: Recorded) -> None:
        """Remember what the metrics will need when the pending replays of an exchange end."""
        if not recorded.pending:
            return
        exchange = recorded.exchange
        primary = Primary(caller_of(exchange.attribution), recorded.observation.cost.usd, exchange.total_s)
        for pending in recorded.pending:
            self._primaries[exchange.exchange_id, pending.arm] = primary

    def later(self, exchange_id: str, arm: str, primary: Primary) -> asyncio.Future[Replay]:
        """Remember the same of a replay that comes later than its exchange; done once its end is committed.

        It is cancelled where that cannot be.
        """
        self._primaries[exchange_id, arm] = primary
        self._awaited[exchange_id, arm] = awaited = asyncio.get_running_loop().create_future()
        return awaited

    async def mark_sent(self, exchange_id: str, arm: str, reservation: Reservation | None = None) -> None:
        """Commit that a replay is about to be sent, and what it may cost. Raises StoreError: then it is not sent."""
        await self._store.mark_sent(exchange_id, arm, reservation)

    async def settle(self, replay: Replay) -> None:
        """Commit how a replay ended, with what is kept of its answer, however long the store takes to be able to.

        Raises StoreError once it is told to hurry: then the row stays pending, and the next start ends it.
        """
        if replay.exchange is not None and replay.exchange.attribution.tenant in self._keeper.tenants:
            replay = replace(replay, bodies=await asyncio.to_thread(self._keeper.of_replay, replay))
        awaited = self._awaited.pop((replay.exchange_id, replay.arm), None)
        try:
            await self._commit(replay)
        except StoreError:
            if awaited is not None:
                awaited.cancel()
            raise
        primary = self._primaries.pop((replay.exchange_id, replay.arm), NOBODY)
        self._metrics.ended(replay, primary)
        if self._traces is not None:
            self._traces.ended(replay)
        if awaited is not None and not awaited.done():
            awaited.set_result(replay)

    async def _commit(self, replay: Replay) -> None:
        while True:
            try:
                await self._store.settle([replay])
                return
            except StoreError:
                if self._hurry.is_set():
                    raise
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), self._retry_s)
