"""What a stream cost whose client left, or which broke off: asked for later where configured, and never else."""

from collections import Counter
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from shadow.demo import openrouter_wire as wire
from shadow.demo.provider import StandIn
from shadow.demo.request import Request
from shadow.demo.scenarios.endpoints import generation
from shadow.demo.script import Close, Hold, Part, Script, Step, chunked, unfinished
from tests.end_to_end.sidecar import Sidecar, dumped, eventually, metric, running

CHAT = "/api/v1/chat/completions"
KEY = "sk-or-v1-not-to-be-found"
HEADERS = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
QUESTION = dumped({"model": "openai/gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": "Hi"}]})
ID = "gen-1785000000-demo"
COST = Decimal("0.0000102")
FIRST: list[Part] = [wire.event(wire.chunk(ID, [wire.delta({"content": "Grüße"})]))]
ROW = """SELECT outcome, cost_source, cost_nano_usd, cost_usd_exact, price_version, stated_cost_usd, input_tokens,
    output_tokens, generation_id FROM exchanges"""


class OpenRouter:
    """Begins to stream and goes no further: `end` says how. The facts are there at the second time of asking."""

    def __init__(self, *end: Step) -> None:
        self._end = end
        self._asked: Counter[str] = Counter()

    def __call__(self, request: Request) -> Script:
        if request.head.path == CHAT:
            return (*unfinished(200, wire.headers(ID, "text/event-stream"), FIRST), *self._end)
        self._asked[request.head.target] += 1
        return generation(cancelled=True)(request, self._asked[request.head.target])


def asking(directory: Path, upstream: StandIn) -> AbstractAsyncContextManager[Sidecar]:
    """A sidecar that asks for delayed costs."""
    return running(directory, upstream.url, upstream={"url": upstream.url, "delayed_cost": True})


async def leave(http: aiohttp.ClientSession, sidecar: Sidecar) -> None:
    """Ask for a stream, read its first event, and hang up."""
    async with http.post(f"{sidecar.url}{CHAT}", data=QUESTION, headers=HEADERS) as answer:
        await answer.content.readany()
        answer.close()


async def broken(http: aiohttp.ClientSession, sidecar: Sidecar) -> None:
    """Ask for a stream that breaks off."""
    async with http.post(f"{sidecar.url}{CHAT}", data=QUESTION, headers=HEADERS) as answer:
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


async def priced(sidecar: Sidecar) -> dict[str, Any]:
    """The only row, once its cost is known."""
    return (await eventually(lambda: sidecar.rows(f"{ROW} WHERE cost_source <> 'unknown'")))[0]


async def metrics(http: aiohttp.ClientSession, sidecar: Sidecar) -> str:
    async with http.get(f"{sidecar.admin}/metrics") as answer:
        return await answer.text()


def reads(upstream: StandIn) -> list[str]:
    """What was asked of the upstream beside model calls."""
    return [received.head.target for received in upstream.received if received.head.path != CHAT]


async def test_a_client_that_leaves_is_accounted_for(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    """The row of a stream whose client hung up gets its exact cost and counts from the upstream, at the second try."""
    async with (
        StandIn(OpenRouter(Hold())) as upstream,
        asking(tmp_path, upstream) as sidecar,
    ):
        await leave(http, sidecar)
        assert await priced(sidecar) == {
            "outcome": "client_cancelled",
            "cost_source": "reported",
            "cost_nano_usd": 10_200,
            "cost_usd_exact": None,
            "price_version": "generation",
            "stated_cost_usd": "0.0000102",
            "input_tokens": 20,
            "output_tokens": 12,
            "generation_id": ID,
        }
        assert reads(upstream) == [f"/api/v1/generation?id={ID}"] * 2
        assert upstream.received[-1].head.header("authorization") == f"Bearer {KEY}"
        text = await metrics(http, sidecar)
        assert metric(text, "shadow_delayed_cost_total", result="known") == 1
        assert metric(text, "shadow_cost_usd_total", arm="primary") == float(COST)
        await sidecar.stop()
        assert KEY.encode() not in left_behind(tmp_path) + text.encode()


async def test_a_stream_that_breaks_off_is_accounted_for(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    """The same holds where it was the upstream that hung up."""
    async with (
        StandIn(OpenRouter(Close())) as upstream,
        asking(tmp_path, upstream) as sidecar,
    ):
        await broken(http, sidecar)
        row = await priced(sidecar)
        assert (row["outcome"], row["cost_nano_usd"]) == ("upstream_truncated", 10_200)


async def test_nothing_is_asked_by_default(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    """Unless it is configured, a cut stream's cost stays unknown and is never asked for, and no key is kept.

    By the time at which a sidecar that asks has asked twice, one whose client left before would have asked as well.
    """
    for name in ("default", "asking"):
        (tmp_path / name).mkdir()
    async with (
        StandIn(OpenRouter(Hold())) as upstream,
        StandIn(OpenRouter(Hold())) as other,
        running(tmp_path / "default", upstream.url) as sidecar,
        asking(tmp_path / "asking", other) as asker,
    ):
        await leave(http, sidecar)
        [row] = await eventually(lambda: sidecar.rows(ROW))
        await leave(http, asker)
        await priced(asker)
        assert (row["outcome"], row["cost_source"], row["cost_nano_usd"]) == ("client_cancelled", "unknown", None)
        assert reads(upstream) == []
        await sidecar.stop()
        assert KEY.encode() not in left_behind(tmp_path / "default")


async def test_what_waits_at_the_stop_is_let_go(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    """A sidecar that is stopped does not wait for a cost: it ends well, and the cost stays unknown."""
    async with (
        StandIn(OpenRouter(Hold())) as upstream,
        asking(tmp_path, upstream) as sidecar,
    ):
        await leave(http, sidecar)
        await eventually(lambda: sidecar.rows(ROW))
        assert await sidecar.stop() == 0
        assert [row["cost_source"] for row in sidecar.rows(ROW)] == ["unknown"]


async def test_a_whole_stream_is_not_asked_about(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    """What came to its end said what it cost, or never will: of two streams only the cut one is asked about."""
    cut, whole = OpenRouter(Hold()), f"{ID}-whole"
    stream = chunked(200, wire.headers(whole, "text/event-stream"), [*FIRST, wire.DONE])
    scripts = iter([stream])
    async with (
        StandIn(lambda request: next(scripts, None) or cut(request)) as upstream,
        asking(tmp_path, upstream) as sidecar,
    ):
        async with http.post(f"{sidecar.url}{CHAT}", data=QUESTION, headers=HEADERS) as answer:
            await answer.read()
        await eventually(lambda: sidecar.rows(ROW))
        await leave(http, sidecar)
        assert (await priced(sidecar))["generation_id"] == ID
        assert all(whole not in target for target in reads(upstream))


def left_behind(directory: Path) -> bytes:
    """Every byte that the sidecar wrote: store, write-ahead log, log."""
    return b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())
