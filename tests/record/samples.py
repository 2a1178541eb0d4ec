"""Exchanges and fakes for the recorder's tests."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import orjson

from shadow.config import Capture, Registry
from shadow.exchange import PRIMARY, Attribution, Body, Exchange, Outcome, Recorded, Replay, Reservation
from shadow.record.bodies import Keeper
from shadow.store.errors import StoreError, Trouble

KEEPS_NOTHING = Keeper(Capture(), Registry())
JSON = (("content-type", "application/json"),)
REQUEST = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}
ANSWER = {
    "id": "gen-1",
    "model": "openai/gpt-4o-mini",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello."}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "cost": 0.0001},
}


def whole(content: object) -> Body:
    data = content if isinstance(content, bytes) else orjson.dumps(content)
    return Body(data, b"", len(data))


def exchange_id(number: int) -> str:
    return f"01890000-0000-7000-8000-{number:012x}"


def exchange(number: int = 0, request: object = REQUEST, **changes: Any) -> Exchange:
    """The number-th chat completion, answered."""
    plain = Exchange(
        exchange_id=exchange_id(number),
        arm=PRIMARY,
        started_at=1_780_000_000.0,
        method="POST",
        path="/api/v1/chat/completions",
        attribution=Attribution("acme", "summaries"),
        request_headers=JSON,
        request_body=whole(request),
        outcome=Outcome.COMPLETE,
        status=200,
        response_headers=JSON,
        response_body=whole(ANSWER),
        first_byte_s=0.2,
        total_s=0.5,
    )
    return replace(plain, **changes)


class FakeStore:
    """Keeps rows in lists. As long as `troubles` holds some, each call meets one and stores nothing."""

    def __init__(self) -> None:
        self.troubles: Iterator[Trouble] = iter(())
        self.added: dict[str, Recorded] = {}
        self.sent: list[tuple[str, str]] = []
        self.settled: list[Replay] = []
        self.reserved: list[Reservation] = []

    async def add(self, batch: Sequence[Recorded]) -> set[str]:
        self._refuse()
        new = {one.exchange.exchange_id: one for one in batch if one.exchange.exchange_id not in self.added}
        self.added |= new
        return set(new)

    async def mark_sent(self, exchange_id: str, arm: str, reservation: Reservation | None = None) -> None:
        self._refuse()
        self.sent.append((exchange_id, arm))
        if reservation is not None:
            self.reserved.append(reservation)

    async def settle(self, replays: Sequence[Replay]) -> None:
        self._refuse()
        self.settled.extend(replays)

    def _refuse(self) -> None:
        for trouble in self.troubles:
            raise StoreError(trouble, "no")


class FakeEraser:
    """A store that erases once it may, and fails where it is told to."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.trouble: Trouble | None = None
        self.erased: list[str] = []

    async def erase(self, tenant: str, watch: Callable[[int], None]) -> None:
        watch(7)
        await self.may.wait()
        if self.trouble is not None:
            raise StoreError(self.trouble, "no")
        self.erased.append(tenant)


def sample(text: str, name: str, **labels: str) -> float | None:
    """The value of one series in the text of /metrics; None where it is not there."""
    series = name + ("{" + ",".join(f'{key}="{labels[key]}"' for key in sorted(labels)) + "}" if labels else "")
    lines = [line for line in text.splitlines() if line.startswith(f"{series} ")]
    return float(lines[0].rpartition(" ")[2]) if lines else None
