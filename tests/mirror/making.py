"""Builders for the records that the mirror's tests are about."""

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from shadow.config import Config
from shadow.configfile import parse
from shadow.exchange import (
    PRIMARY,
    Attribution,
    Body,
    Exchange,
    Headers,
    Observation,
    Outcome,
    Replay,
    ReplayOutcome,
    Reservation,
)
from shadow.mirror import Mirror
from shadow.wire.observe import observe
from shadow.wire.prices import PriceBook
from shadow.wire.request import read_request

KEY_VARIABLE = "SHADOW_TEST_CANDIDATE_KEY"
KEY = "candidate-key-0123456789"
CHAT = "/api/v1/chat/completions"
JSON: Headers = (("content-type", "application/json"),)
HELLO: Mapping[str, Any] = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
ANSWER: Mapping[str, Any] = {
    "id": "gen-1",
    "object": "chat.completion",
    "model": "openai/gpt-4o-mini",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello to you"}}],
    "usage": {"prompt_tokens": 8, "completion_tokens": 3, "total_tokens": 11, "cost": 0.0001},
}

GOOD = {
    "model": "small-2026",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
}

_numbers = itertools.count(1)


def body(content: object) -> Body:
    data = content if isinstance(content, bytes) else orjson.dumps(content)
    return Body(data, b"", len(data))


def chat(request: object = HELLO, answer: object = ANSWER, **changes: Any) -> Exchange:
    """A primary's exchange that went well, but for the changes."""
    plain = Exchange(
        exchange_id=f"00000000-0000-7000-8000-{next(_numbers):012d}",
        arm=PRIMARY,
        started_at=1_790_000_000.0,
        method="POST",
        path=CHAT,
        attribution=Attribution(tenant="acme", feature="chat", plan="pro", key_fingerprint="ab12"),
        request_headers=JSON,
        request_body=body(request),
        outcome=Outcome.COMPLETE,
        status=200,
        response_headers=JSON,
        response_body=body(answer),
        first_byte_s=0.4,
        total_s=0.5,
    )
    return replace(plain, **changes)


def observed(exchange: Exchange) -> Observation:
    """What the wire room reads of a primary's exchange."""
    return observe(exchange, PriceBook({}, None, openrouter=True))


def config(url: str = "http://127.0.0.1:9", *, more: str = "", head: str = "", **candidate: Any) -> Config:
    """A configuration with one candidate, `ferry`, that is sent everything. `candidate` overrides its keys."""
    settings: dict[str, Any] = {
        "name": "ferry",
        "url": f"{url}/v1",
        "api_key_env": KEY_VARIABLE,
        "dialect": "openai",
        "models": {"*": "small"},
        "prices": {"small": {"input": 1, "output": 2}},
        "sample": {"rate": 1},
    }
    settings.update(candidate)
    text = orjson.dumps(settings).decode()  # JSON is YAML
    consent = "" if "consent_default" in head else "consent_default: allow\n"
    return parse(
        f"upstream: {{url: 'https://openrouter.ai'}}\n{consent}{head}\ncandidates:\n- {text}\n{more}",
        Path("/nowhere"),
        {KEY_VARIABLE: KEY},
    )


@dataclass
class Ledger:
    """Remembers what it was told, in order."""

    told: list[tuple[str, str, str]] = field(default_factory=list)  # what, exchange_id, arm
    settled: list[Replay] = field(default_factory=list)
    reserved: list[Reservation] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def mark_sent(self, exchange_id: str, arm: str, reservation: Reservation | None) -> None:
        self.told.append(("sent", exchange_id, arm))
        if reservation is not None:
            self.reserved.append(reservation)

    async def settle(self, replay: Replay) -> None:
        self.told.append(("settled", replay.exchange_id, replay.arm))
        self.settled.append(replay)
        self._news.set()

    async def ends(self, count: int) -> list[Replay]:
        """The replays that have ended, once there are `count`."""
        async with asyncio.timeout(30):
            while len(self.settled) < count:
                self._news.clear()
                await self._news.wait()
        return self.settled


async def answer(_request: web.Request) -> web.Response:
    return web.json_response(GOOD)


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Gate:
    """A candidate that answers when it is told to, and says how many requests it has."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.arrived = asyncio.Condition()
        self.running = self.most = self.seen = 0

    async def handle(self, _request: web.Request) -> web.Response:
        self.running += 1
        self.seen += 1
        self.most = max(self.most, self.running)
        async with self.arrived:
            self.arrived.notify_all()
        try:
            await self.open.wait()
        finally:
            self.running -= 1
        return web.json_response(GOOD)

    async def has(self, count: int) -> None:
        async with asyncio.timeout(30), self.arrived:
            await self.arrived.wait_for(lambda: self.seen >= count)


def submit(mirror: Mirror, exchange: Exchange) -> list[Replay]:
    """Decide and submit, as the recorder does; what ended at once."""
    ended, planned = mirror.decide(exchange, observed(exchange), read_request(exchange))
    dropped = [mirror.submit(plan) for plan in planned]
    return [*ended, *(one for one in dropped if one is not None)]


def ends(replays: list[Replay]) -> list[tuple[ReplayOutcome, str | None]]:
    return [(replay.outcome, replay.reason) for replay in replays]
