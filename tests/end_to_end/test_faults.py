"""Whatever breaks behind the sidecar, the client sees the upstream's answer or an honest error, and rows stay whole."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import aiohttp
import orjson
import pytest

from shadow.demo.provider import StandIn
from shadow.demo.request import Request
from shadow.demo.script import Hold, Reset, Script, Send, chunked, head, whole
from tests.end_to_end.sidecar import PATIENCE_S, Sidecar, dumped, eventually, free_addresses, metric, running

CHAT = "/api/v1/chat/completions"
JSON = (("content-type", "application/json"),)
ANSWER = dumped(
    {
        "id": "gen-1",
        "model": "openai/gpt-4o-mini",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello."}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "cost": 0.0001},
    }
)
QUESTION = dumped({"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]})

IDS = "SELECT exchange_id FROM exchanges"


def answering(_: Request) -> Script:
    """A provider for which everything is well."""
    return whole(200, JSON, ANSWER)


def candidate(url: str, **settings: object) -> dict[str, object]:
    """A configuration with one candidate that is sent everything."""
    ferry = {"name": "ferry", "url": url, "models": {"*": "gpt-4o-mini"}, "sample": {"rate": 1.0}, **settings}
    return {"consent_default": "allow", "candidates": [ferry]}


async def ask(http: aiohttp.ClientSession, sidecar: Sidecar) -> tuple[int, bytes]:
    """One chat completion through the sidecar: status and body."""
    async with http.post(f"{sidecar.url}{CHAT}", data=QUESTION, headers={"Content-Type": "application/json"}) as answer:
        return answer.status, await answer.read()


async def replay(sidecar: Sidecar) -> dict[str, object]:
    """The only replay, once it has ended."""
    return (await eventually(lambda: sidecar.rows("SELECT * FROM replays WHERE outcome IS NOT NULL")))[0]


async def test_upstream_down_is_a_502_of_the_sidecars_own(
    http: aiohttp.ClientSession, tmp_path: Path, nobody: str
) -> None:
    """With nobody behind it, the sidecar says so in its own name, in the shape that OpenAI clients read."""
    async with running(tmp_path, f"http://{nobody}") as sidecar:
        async with http.post(f"{sidecar.url}{CHAT}", data=QUESTION) as answer:
            assert answer.status == 502
            assert answer.headers["X-Shadow-Error"] == "upstream_unreachable"
            error = orjson.loads(await answer.read())["error"]
        assert nobody not in error["message"]
        [row] = await eventually(lambda: sidecar.rows("SELECT outcome, status FROM exchanges"))
        assert row["outcome"] == "upstream_failed"


async def test_an_upstream_502_is_not_marked(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    """The header that marks the sidecar's own answers is on no answer of the upstream."""
    async with (
        StandIn(lambda _: whole(502, JSON, b"{}")) as upstream,
        running(tmp_path, upstream.url) as sidecar,
        http.post(f"{sidecar.url}{CHAT}", data=QUESTION) as answer,
    ):
        assert (answer.status, "X-Shadow-Error" in answer.headers) == (502, False)


async def test_a_dead_candidate_is_a_failed_replay(http: aiohttp.ClientSession, tmp_path: Path, nobody: str) -> None:
    """A candidate that refuses connections costs the client nothing; the replay is stored as failed with its reason."""
    async with (
        StandIn(answering) as upstream,
        running(tmp_path, upstream.url, **candidate(f"http://{nobody}/v1")) as it,
    ):
        assert await ask(http, it) == (200, ANSWER)
        ended = await replay(it)
        assert (ended["outcome"], ended["reason"]) == ("failed", "connect")


@pytest.mark.parametrize("how", ["away", "silent"])
async def test_rows_wait_for_clickhouse_and_clients_do_not(
    http: aiohttp.ClientSession, tmp_path: Path, nobody: str, how: str
) -> None:
    """With nobody where rows are shipped to, or somebody who never answers: clients are served, their exchanges are
    stored and wait, and the service ends in order and in time."""
    async with StandIn(answering) as upstream, StandIn(lambda _: (Hold(),)) as silent:
        url = f"http://{nobody}" if how == "away" else silent.url
        store = {"path": "shadow.db", "clickhouse": {"url": url, "max_delay_s": 0.1}}
        async with running(tmp_path, upstream.url, store=store) as it:
            assert await ask(http, it) == (200, ANSWER)
            await eventually(lambda: it.rows(IDS))
            assert await it.stop() == 0
        assert it.rows("SELECT exchange_id FROM outbox") == it.rows(IDS)
        assert "recorder_overdue" not in it.log.read_text()


async def test_a_hanging_candidate_is_a_failed_replay(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    """A candidate that never answers is given up at the deadline; meanwhile clients are served as ever."""
    async with (
        StandIn(answering) as upstream,
        StandIn(lambda _: (Hold(),)) as hanging,
        running(tmp_path, upstream.url, **candidate(f"{hanging.url}/v1", deadline_s=0.5, max_concurrency=1)) as it,
    ):
        assert await ask(http, it) == (200, ANSWER)
        await hanging.wait_for(1)
        assert await ask(http, it) == (200, ANSWER)
        ended = await replay(it)
        assert (ended["outcome"], ended["reason"]) == ("failed", "deadline")


async def test_a_candidate_that_resets_is_a_failed_replay(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    """A connection reset inside the answer is the network's failure, stored as such."""
    half = (Send(head(200, (*JSON, ("content-length", "1000"))) + b"{"), Reset())
    async with (
        StandIn(answering) as upstream,
        StandIn(lambda _: half) as broken,
        running(tmp_path, upstream.url, **candidate(f"{broken.url}/v1")) as it,
    ):
        assert await ask(http, it) == (200, ANSWER)
        ended = await replay(it)
        assert (ended["outcome"], ended["reason"]) == ("failed", "answer_truncated")


async def test_a_killed_recorder_loses_nothing(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    """`kill -9` of the recorder, again and again under load: no client error, every finished exchange stored once."""
    async with StandIn(answering) as upstream, running(tmp_path, upstream.url) as sidecar:
        for asked in (100, 200, 300, 400):
            answers = [asyncio.create_task(ask(http, sidecar)) for _ in range(100)]
            await answers[30]  # some are finished, some on their way
            os.kill(await sidecar.recorder_pid(), signal.SIGKILL)
            assert await asyncio.gather(*answers) == [(200, ANSWER)] * 100
            await eventually(lambda wanted=asked: len(sidecar.rows(IDS)) >= wanted or None)
        assert len(sidecar.rows(IDS)) == len(upstream.received) == 400
        async with http.get(f"{sidecar.admin}/metrics") as answer:
            metrics = (await answer.read()).decode()
        assert metric(metrics, "shadow_handoff_exchanges_total", result="acknowledged") == 400
        assert metric(metrics, "shadow_handoff_exchanges_total", result="dropped") == 0


async def test_sigterm_lets_streams_finish(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    """SIGTERM in the middle of a stream: the stream ends well, its exchange is stored, and the exit code is 0."""
    events = [b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n', Hold(), b"data: [DONE]\n\n"]
    script = chunked(200, (("content-type", "text/event-stream"),), events)
    async with StandIn(lambda _: script) as upstream, running(tmp_path, upstream.url) as sidecar:
        async with http.post(f"{sidecar.url}{CHAT}", data=QUESTION) as answer:
            first = await answer.content.readany()
            sidecar.process.send_signal(signal.SIGTERM)
            await eventually(lambda: "draining" in sidecar.log.read_text() or None)
            upstream.release()
            assert first + await answer.read() == events[0] + events[2]
        assert await sidecar.process.wait() == 0
        [row] = sidecar.rows("SELECT outcome FROM exchanges")
        assert row["outcome"] == "complete"


async def test_the_listener_outlives_readiness(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    """With `drain_delay_s`, clients that a load balancer still sends are served after readiness turned false."""
    async with StandIn(answering) as upstream, running(tmp_path, upstream.url, drain_delay_s=3) as sidecar:
        sidecar.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            while (await http.get(f"{sidecar.admin}/-/ready")).status == 200:
                pass
        assert await ask(http, sidecar) == (200, ANSWER)
        assert await sidecar.process.wait() == 0
        assert len(sidecar.rows(IDS)) == 1


async def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    """A port that something else holds ends the start with a sentence that names the keys to change."""
    async with StandIn(answering) as upstream:
        taken = upstream.url.removeprefix("http://")
        code, told = await refused(tmp_path, f"listen: {taken}\nupstream: {{url: '{upstream.url}'}}")
    assert code == 2
    assert f"cannot listen on {taken}" in told
    assert "Traceback" not in told


async def test_a_proxy_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    """An egress proxy of a kind that is not spoken is a sentence, before anything is forwarded."""
    text = f"listen: {free_addresses(1)[0]}\nupstream: {{url: 'https://openrouter.ai'}}"
    code, told = await refused(tmp_path, text, HTTPS_PROXY="socks5://proxy")
    assert code == 2
    assert "HTTPS_PROXY" in told
    assert "Traceback" not in told


async def test_a_bad_configuration_starts_nothing(tmp_path: Path) -> None:
    """Every mistake at once with its key path, exit code 2, and no process, store or socket left behind."""
    code, told = await refused(tmp_path, "upstrem: {}\nupstream: {url: here}\ndrain_s: soon\n")
    assert code == 2
    assert told.splitlines() == [
        f"shadow: {tmp_path}/shadow.yaml: 3 mistakes",
        "  upstream.url: must be an http:// or https:// URL without user, query or fragment",
        "  drain_s: must be a number",
        "  upstrem: unknown key",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["shadow.yaml"]


async def refused(directory: Path, text: str, prefix: tuple[str, ...] = (), **environment: str) -> tuple[int, str]:
    """Exit code and standard error of a `serve` that must not come up, started by the command in `prefix`."""
    (directory / "shadow.yaml").write_text(text)
    process = await asyncio.create_subprocess_exec(
        *(*prefix, sys.executable, "-m", "shadow", "serve", "-c", directory / "shadow.yaml"),
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | environment,
    )
    _, told = await process.communicate()
    assert process.returncode is not None
    return process.returncode, told.decode()
