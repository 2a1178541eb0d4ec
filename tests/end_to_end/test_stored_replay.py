"""`shadow replay`: requests that were kept go to a candidate that was added later, once, whoever does the work."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from shadow.config import Capture, Registry, Tenant
from shadow.demo.candidates import Candidate
from shadow.demo.openrouter import OpenRouter
from shadow.demo.provider import Received, StandIn
from shadow.demo.quirks import VLLM
from shadow.demo.request import Request
from shadow.demo.script import Hold, Script
from shadow.exchange import Recorded
from shadow.forward.identity import RANDOM_BYTES, uuid7
from shadow.record.bodies import Keeper
from shadow.store.sqlite import SQLiteStore
from shadow.wire.observe import read
from shadow.wire.prices import PriceBook
from tests.end_to_end.sidecar import PATIENCE_S, Sidecar, dumped, eventually, metric, running
from tests.mirror.making import chat

REGISTRY = {"tenants": {"acme": {"bodies": True}, "shy": {}, "wary": {"bodies": True, "consent": []}}}
KEEPING = {
    "consent_default": "allow",
    "registry": "tenants.yaml",
    "capture": {"bodies": "consented", "redact": ["secret-[0-9]+"]},
}
KEPT = "SELECT exchange_id FROM bodies WHERE arm = 'primary'"
REPLAYS = "SELECT r.*, e.tenant FROM replays r JOIN exchanges e USING (exchange_id) WHERE arm = 'later'"


def later(url: str, **settings: Any) -> dict[str, Any]:
    return {
        **KEEPING,
        "candidates": [
            {"name": "later", "url": f"{url}/v1", "dialect": "vllm", "models": {"openai/*": "m"}, **settings}
        ],
    }


@asynccontextmanager
async def serving(directory: Path, upstream: str, **settings: Any) -> AsyncIterator[Sidecar]:
    (directory / "tenants.yaml").write_text(yaml.safe_dump(REGISTRY))
    async with running(directory, upstream, **settings) as sidecar:
        yield sidecar


async def ask(http: aiohttp.ClientSession, sidecar: Sidecar, tenant: str, number: int, **fields: Any) -> None:
    body = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": f"Question {number}"}], **fields}
    headers = {"Content-Type": "application/json", "X-Tenant-Id": tenant}
    async with http.post(f"{sidecar.url}/api/v1/chat/completions", data=dumped(body), headers=headers) as answer:
        assert answer.status == 200
        await answer.read()


async def kept(directory: Path, count: int) -> None:
    """A store with so many kept requests of a tenant that agreed, as a recorder without candidates leaves it."""
    keeper = Keeper(Capture(bodies="consented"), Registry(tenants={"acme": Tenant(bodies=True)}))
    recorded = []
    for number in range(count):
        asked = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": f"Question {number}"}]}
        now = time.time()
        exchange = chat(asked, exchange_id=uuid7(int(now * 1000), os.urandom(RANDOM_BYTES)), started_at=now)
        seen = read(exchange, PriceBook({}, None, openrouter=True))
        recorded.append(Recorded(exchange, seen.observation, bodies=keeper.of_primary(exchange, seen)))
    store = await SQLiteStore.open(directory / "shadow.db")
    await store.add(recorded)
    await store.close()


def content(request: Received) -> str:
    """What a candidate was asked."""
    said: str = json.loads(request.body)["messages"][0]["content"]
    return said


async def command(
    sidecar: Sidecar | Path, *options: str, before_end: Callable[[int], Any] | None = None
) -> tuple[Any, ...]:
    """Exit code, standard output and error of `shadow replay`, to which `before_end` may do something."""
    directory = sidecar if isinstance(sidecar, Path) else sidecar.directory
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "shadow", "replay", "-c", directory / "shadow.yaml", *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    if before_end is not None:
        await before_end(process.pid)
    async with asyncio.timeout(PATIENCE_S):
        out, error = await process.communicate()
    return process.returncode, out.decode(), error.decode()


@pytest.fixture
async def openrouter() -> AsyncIterator[StandIn]:
    async with StandIn(OpenRouter(), pace=0) as upstream:
        yield upstream


@pytest.fixture
async def candidate() -> AsyncIterator[StandIn]:
    async with StandIn(Candidate(VLLM), pace=0) as stand_in:
        yield stand_in


async def test_kept_requests_go_to_a_later_candidate_once(
    http: aiohttp.ClientSession, tmp_path: Path, openrouter: StandIn, candidate: StandIn
) -> None:
    """The running recorder sends each of them, with certainty, and stores the pair; again sends nothing more."""
    await kept(tmp_path, 5)
    async with serving(tmp_path, openrouter.url, **later(candidate.url)) as sidecar:
        code, told, noise = await command(sidecar, "--candidate", "later", "--since", "1h")
        assert (code, noise) == (0, "")
        assert told.splitlines() == [
            "5 kept requests were not replayed to later yet",
            "       5 completed",
            "cost: $0, of 5 unknown",
        ]
        rows = sidecar.rows(REPLAYS)
        assert {(row["outcome"], row["probability"], row["status"]) for row in rows} == {("completed", 1.0, 200)}
        assert all("stored" in json.loads(row["rewrite"])["tags"] for row in rows)
        assert all(row["text_similarity"] is not None for row in rows)
        assert {content(request) for request in candidate.received} == {f"Question {number}" for number in range(5)}
        async with http.get(f"{sidecar.admin}/metrics") as answer:
            metrics = await answer.text()
        assert metric(metrics, "shadow_replays_total", arm="later", outcome="completed") == 5
        code, told, _ = await command(sidecar, "--candidate", "later")
        assert (code, told.splitlines()[0]) == (0, "0 kept requests were not replayed to later yet")
        assert len(candidate.received) == 5


async def test_without_a_recorder_the_command_does_the_work(
    tmp_path: Path, openrouter: StandIn, candidate: StandIn
) -> None:
    """Against a store that nobody writes to, it records by itself, for as long as it takes."""
    await kept(tmp_path, 3)
    async with serving(tmp_path, openrouter.url, **later(candidate.url)) as sidecar:
        await sidecar.stop()
    code, told, _ = await command(sidecar, "--candidate", "later")
    assert (code, told.splitlines()[1]) == (0, "       3 completed")
    assert [row["outcome"] for row in sidecar.rows(REPLAYS)] == ["completed"] * 3


async def test_a_store_that_a_recorder_holds_is_left_to_it(
    tmp_path: Path, openrouter: StandIn, candidate: StandIn
) -> None:
    """A recorder that the command cannot reach keeps its store to itself: two would end each other's replays."""
    await kept(tmp_path, 1)
    async with serving(tmp_path, openrouter.url, **later(candidate.url)) as sidecar:
        config = yaml.safe_load(sidecar.config_path.read_text())
        config["admin"]["listen"] = "127.0.0.1:1"
        sidecar.config_path.write_text(yaml.safe_dump(config))
        await eventually(lambda: '"recording"' in sidecar.log.read_text())
        code, told, noise = await command(sidecar, "--candidate", "later")
    assert (code, told) == (3, "")
    assert "another recorder writes to" in noise
    assert "Traceback" not in noise
    assert candidate.received == []


async def test_consent_and_the_request_decide_as_ever(
    http: aiohttp.ClientSession, tmp_path: Path, openrouter: StandIn, candidate: StandIn
) -> None:
    """What a tenant did not agree to, or the request rules out, ends so; what is redacted goes out so."""
    searching = {"tools": [{"type": "openrouter:web_search"}]}
    async with serving(tmp_path, openrouter.url, **KEEPING) as sidecar:
        await ask(http, sidecar, "acme", 1, messages=[{"role": "user", "content": "My code is secret-4711."}])
        await ask(http, sidecar, "acme", 2, **searching)
        await ask(http, sidecar, "wary", 3)
        await ask(http, sidecar, "shy", 4)
        await ask(http, sidecar, "acme", 5, model="google/gemini-2.5-flash")
        await eventually(lambda: len(sidecar.rows(KEPT)) == 4)
    async with serving(tmp_path, openrouter.url, **later(candidate.url)) as sidecar:
        _, told, _ = await command(sidecar, "--candidate", "later")
        assert told.splitlines()[:-1] == [
            "4 kept requests were not replayed to later yet",
            "       1 completed",
            "       1 ineligible: model_unmapped",
            "       1 ineligible: server_tools",
            "       1 withheld: consent",
        ]
        [sent] = candidate.received
        assert content(sent) == "My code is [redacted]."
        [pair] = [row for row in sidecar.rows(REPLAYS) if row["outcome"] == "completed"]
        assert json.loads(pair["rewrite"])["tags"] == ["stored", "redacted"]


async def test_an_interruption_loses_nothing(http: aiohttp.ClientSession, tmp_path: Path, openrouter: StandIn) -> None:
    """Ctrl-C: what was sent is let finish and stored, nothing more begins, and the next run goes on from there."""
    await kept(tmp_path, 6)

    def slowly(request: Request) -> Script:
        return (Hold(), *Candidate(VLLM)(request))

    async with (
        StandIn(slowly, pace=0) as held,
        serving(tmp_path, openrouter.url, **later(held.url, max_concurrency=2)) as it,
    ):

        async def interrupt(pid: int) -> None:
            await held.wait_for(2)
            os.kill(pid, signal.SIGINT)
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    async with http.get(f"{it.admin}/-/replay") as answer:
                        if (await answer.json())["stopping"]:
                            break
            held.release(1000)

        code, told, _ = await command(it, "--candidate", "later", before_end=interrupt)
        assert code == 130
        assert told.splitlines()[1:3] == ["       2 completed", "       4 not begun"]
        assert "stopped: what was left waits for another time" in told
        assert [row["outcome"] for row in it.rows(REPLAYS)] == ["completed"] * 2
        _, told, _ = await command(it, "--candidate", "later")
        assert told.splitlines()[1] == "       4 completed"
    assert len({request.body for request in held.received}) == len(held.received) == 6


async def test_a_recorder_that_is_killed_pays_for_nothing_twice(tmp_path: Path, openrouter: StandIn) -> None:
    """What it had sent has failed, once; what had no row by then the next run sends; every exchange has one end."""
    await kept(tmp_path, 5)
    hold = True

    def held_at_first(request: Request) -> Script:
        return (Hold(), *Candidate(VLLM)(request)) if hold else Candidate(VLLM)(request)

    async with (
        StandIn(held_at_first, pace=0) as held,
        serving(tmp_path, openrouter.url, **later(held.url, max_concurrency=2)) as it,
    ):

        async def kill(_: int) -> None:
            await held.wait_for(2)
            os.kill(await it.recorder_pid(), signal.SIGKILL)

        code, _, noise = await command(it, "--candidate", "later", before_end=kill)
        assert code == 3
        assert "Traceback" not in noise
        hold = False
        held.release(1000)
        await eventually(lambda: it.log.read_text().count('"recording"') == 2 or None)
        _, told, _ = await command(it, "--candidate", "later")
        assert told.splitlines()[:2] == ["3 kept requests were not replayed to later yet", "       3 completed"]
        ends = sorted((row["outcome"], row["reason"]) for row in it.rows(REPLAYS))
        assert ends == [("completed", None)] * 3 + [("failed", "interrupted")] * 2
    assert len({request.body for request in held.received}) == len(held.received) == 5


async def test_what_cannot_be_is_told(tmp_path: Path, openrouter: StandIn) -> None:
    """A sentence with what to do, and exit code 2."""
    async with serving(tmp_path, openrouter.url, **later("http://127.0.0.1:1")) as sidecar:
        code, told, noise = await command(sidecar, "--candidate", "nobody")
    assert (code, told) == (2, "")
    assert noise == "shadow: there is no candidate nobody; there are: later\n"
