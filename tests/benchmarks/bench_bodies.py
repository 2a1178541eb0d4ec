"""What kept prompts and answers cost: `python -m tests.benchmarks.bench_bodies [COUNT]`.

Conversations of six messages in English prose, each turn sent with all before it as clients do, and answers of a
paragraph; two patterns of redaction, as the example configuration has them. Prints bytes of each on the wire and on
disk, what the store's file grows by, and the processor time that keeping one takes; then the same time for a megabyte
of text that is made for a pattern to take long over.
"""

import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any, Final

import orjson

from shadow.config import Capture, Registry, Tenant
from shadow.exchange import PRIMARY, Answer, Attribution, Body, Exchange, Observation, Outcome, Recorded
from shadow.forward.identity import RANDOM_BYTES, uuid7
from shadow.record.bodies import Keeper
from shadow.record.redaction import Redaction, compiled
from shadow.store.sqlite import SQLiteStore
from shadow.wire.observe import Read
from shadow.wire.request import Endpoint, InferenceRequest

PATTERNS: Final = (r"(?i)[a-z0-9._%+-]+@[a-z0-9.-]+\.[a-z]{2,}", r"\b(?:sk|pk|ghp|xox[a-z])[-_][A-Za-z0-9_-]{16,}")
SLOWEST: Final = r"(?s)a.*b|a"
KEEPER: Final = Keeper(Capture(bodies="consented", redact=PATTERNS), Registry(tenants={"acme": Tenant(bodies=True)}))
PROSE: Final = "\n".join(topics.values())
BATCH: Final = 200
TURNS: Final = 6


def said(chance: random.Random, characters: int) -> str:
    start = chance.randrange(len(PROSE) - characters)
    return PROSE[start : start + characters]


def exchanges(count: int) -> Iterator[tuple[Exchange, Read]]:
    """Turns of conversations, with their requests as they were read."""
    chance = random.Random(7)  # noqa: S311 (a benchmark's data)
    messages: list[dict[str, str]] = []
    for number in range(count):
        if number % TURNS == 0:
            messages = [{"role": "system", "content": said(chance, 800)}]
        messages = [*messages, {"role": "user", "content": said(chance, 400)}]
        answer = said(chance, 1200)
        body: dict[str, Any] = {"model": "openai/gpt-4o-mini", "messages": messages, "temperature": 0.2}
        request = InferenceRequest(Endpoint.CHAT, body, "openai/gpt-4o-mini", False, frozenset())
        seen = Observation(inference=True, answer=Answer(answer))
        yield exchange(number, len(orjson.dumps(body))), Read(request, seen)
        messages = [*messages, {"role": "assistant", "content": answer}]


def exchange(number: int, size: int) -> Exchange:
    milliseconds = 1_780_000_000_000 + number * 10
    identity = uuid7(milliseconds, os.urandom(RANDOM_BYTES))
    return Exchange(
        *(identity, PRIMARY, milliseconds / 1000, "POST", "/api/v1/chat/completions", Attribution("acme", "chat")),
        *((), Body(b"", b"", size), Outcome.COMPLETE, 200, (), Body(b"", b"", 0), 0.1, 1.0),
    )


async def stored(batch: list[Recorded]) -> int:
    """Bytes of a file with these exchanges."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "shadow.db"
        store = await SQLiteStore.open(path)
        for start in range(0, len(batch), BATCH):
            await store.add(batch[start : start + BATCH])
        await store.close()
        return path.stat().st_size


def packed_bytes(recorded: Recorded) -> tuple[int, int]:
    kept = recorded.bodies
    assert kept is not None
    return len(kept.request or b""), len(kept.answer or b"")


async def main(count: int) -> None:
    plain = [(one, read) for one, read in exchanges(count)]
    began = time.process_time()
    kept = [KEEPER.of_primary(one, read) for one, read in plain]
    each = (time.process_time() - began) / count
    with_bodies = [
        Recorded(one, read.observation, bodies=bodies) for (one, read), bodies in zip(plain, kept, strict=True)
    ]
    requests, answers = (sum(sizes) / count for sizes in zip(*map(packed_bytes, with_bodies), strict=True))
    asked = sum(one.request_body.size for one, _ in plain) / count
    grown = await stored(with_bodies) - await stored([replace(one, bodies=None) for one in with_bodies])
    began = time.process_time()
    Redaction(compiled((SLOWEST,))).clean("a" * (1 << 20))
    figures = (
        f"request {asked:,.0f} bytes, {requests:,.0f} packed; answer 1,200 bytes, {answers:,.0f} packed",
        f"{grown / count:,.0f} bytes per exchange on disk for both, {grown / count / 2:,.0f} per body",
        f"{each * 1e6:,.0f} µs of processor time to redact and pack both",
        f"{time.process_time() - began:.2f} s for a megabyte of hostile text and a pattern of the slowest kind",
    )
    sys.stdout.write("\n".join(figures) + "\n")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
