"""Records to store: what a test is not about has a plain value."""

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from shadow.exchange import (
    PRIMARY,
    Attribution,
    Bodies,
    Body,
    Cost,
    CostSource,
    Exchange,
    Observation,
    Outcome,
    Pending,
    Recorded,
    Replay,
    ReplayOutcome,
    Timings,
    Usage,
)
from shadow.store.bodies import packed

BEGAN = 1_780_000_000.0


def exchange_id(number: int, began: float = BEGAN) -> str:
    """The UUIDv7 of the number-th exchange, begun that many milliseconds after the first."""
    milliseconds = int(began * 1000) + number
    return str(UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62 | number))


def exchange(number: int = 0, **changes: Any) -> Exchange:
    plain = Exchange(
        exchange_id=exchange_id(number),
        arm=PRIMARY,
        started_at=BEGAN + number / 1000,
        method="POST",
        path="/api/v1/chat/completions",
        attribution=Attribution("acme", "summaries", "business", "0123456789abcdef" * 2),
        request_headers=(),
        request_body=Body(b"{}", b"", 2),
        outcome=Outcome.COMPLETE,
        status=200,
        response_headers=(),
        response_body=Body(b"{}", b"", 2),
        first_byte_s=0.25,
        total_s=2.5,
    )
    return replace(plain, **changes)


def observation(**changes: Any) -> Observation:
    plain = Observation(
        inference=True,
        stream=True,
        request_model="openai/gpt-4o-mini",
        response_model="openai/gpt-4o-mini-2024-07-18",
        provider="OpenAI",
        generation_id="gen-1",
        usage=Usage(100, 20, 10, None, 0),
        cost=Cost(Decimal("0.000123456"), CostSource.REPORTED, Decimal("0.0002")),
        timings=Timings(0.25, 0.5, tpot_s=0.01, largest_gap_s=0.1, total_s=2.5),
        finish_reason="stop",
        features=frozenset({"tools", "streaming"}),
        byok=False,
        client_timeout_s=600.0,
    )
    return replace(plain, **changes)


def recorded(number: int = 0, *pending: str, ended: tuple[Replay, ...] = (), bodies: Bodies | None = None) -> Recorded:
    """The number-th exchange, with pending replays on these arms."""
    return Recorded(exchange(number), observation(), ended, tuple(Pending(arm, 0.05) for arm in pending), bodies)


def bodies(request: object = None, answer: object = None, tenant: str = "acme", **changes: Any) -> Bodies:
    """What is kept of an exchange."""
    documents = (None if one is None else packed(orjson.dumps(one)) for one in (request, answer))
    return replace(Bodies(tenant, *documents, whole=True, redactions=0), **changes)


def replay(number: int = 0, arm: str = "ferry", **changes: Any) -> Replay:
    """An ended replay of the number-th exchange."""
    plain = Replay(exchange_id(number), arm, ReplayOutcome.COMPLETED, None, 0.05)
    return replace(plain, **changes)
