"""P6 and P7 where replays are concerned: promises 50, 55, 58 and 60, seen from outside a running sidecar."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from shadow.demo.candidates import Candidate
from shadow.demo.openrouter import OpenRouter
from shadow.demo.provider import Received, StandIn
from shadow.demo.quirks import VLLM
from shadow.demo.request import Request
from shadow.demo.script import Script, whole
from tests.end_to_end.sidecar import PATIENCE_S, Sidecar, dumped, eventually, metric, running

CHAT = "/api/v1/chat/completions"
CANARY = "canary-5f0e8c1d"
SECRETS = {
    "Authorization": f"Bearer sk-or-v1-{CANARY}",
    "X-Api-Key": CANARY,
    "Api-Key": CANARY,
    "Cookie": f"session={CANARY}",
    "OpenAI-Organization": f"org-{CANARY}",
    "OpenAI-Project": f"proj-{CANARY}",
    "X-Provider-API-Keys": json.dumps({"openai": CANARY}),
    "Proxy-Authorization": f"Basic {CANARY}",
    "X-Goog-Api-Key": CANARY,
}
REPLAYS = "SELECT outcome, reason, status FROM replays"


def asking(stream: bool = False, **fields: Any) -> bytes:
    messages = [{"role": "user", "content": "When will it ship?"}]
    return dumped({"model": "openai/gpt-4o-mini", "messages": messages, "stream": stream, **fields})


def replaying(url: str, **settings: Any) -> dict[str, Any]:
    """Everything is replayed, with the candidate's own key."""
    ferry = {"name": "ferry", "url": f"{url}/v1", "api_key_env": "FERRY", "models": {"*": "small"}, "dialect": "vllm"}
    return {"consent_default": "allow", "candidates": [{**ferry, "sample": {"rate": 1}, **settings}]}


async def ask(http: aiohttp.ClientSession, sidecar: Sidecar, body: bytes, **headers: str) -> int:
    sent = {"Content-Type": "application/json", **headers}
    async with http.post(f"{sidecar.url}{CHAT}", data=body, headers=sent) as answer:
        await answer.read()
        return answer.status


async def ended(sidecar: Sidecar, count: int) -> list[dict[str, Any]]:
    """All replays, once so many have ended."""

    def probe() -> list[dict[str, Any]] | None:
        rows = sidecar.rows(f"{REPLAYS} WHERE outcome IS NOT NULL")
        return rows if len(rows) >= count else None

    return await eventually(probe)


def everything(request: Received) -> bytes:
    """What came over the socket, as far as a message goes."""
    return request.head.target.encode() + b"".join(n + b": " + v for n, v in request.head.headers) + request.body


@pytest.fixture
def private() -> Iterator[Path]:
    """Where the sidecar's processes put what they share: near the root, for a socket's path must be short."""
    with tempfile.TemporaryDirectory(prefix="s") as name:
        yield Path(name)


@asynccontextmanager
async def secretive(directory: Path, private: Path, upstream: str, candidate: str) -> AsyncIterator[Sidecar]:
    """A sidecar with everything on that could let a secret out: kept bodies, delayed costs, replays."""
    (directory / "tenants.yaml").write_text(yaml.safe_dump({"tenants": {"acme": {"bodies": True}}}))
    settings = {
        **replaying(candidate),
        "upstream": {"url": upstream, "delayed_cost": True},
        "registry": "tenants.yaml",
        "capture": {"bodies": "consented"},
    }
    environment = {"FERRY": "sk-ferry", "TMPDIR": str(private)}
    async with running(directory, upstream, environment, **settings) as sidecar:
        yield sidecar


async def raw(sidecar: Sidecar, request: bytes) -> bytes:
    """What the sidecar says to bytes that no client library would send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", sidecar.port)
    async with asyncio.timeout(PATIENCE_S):
        writer.write(request)
        said = await reader.read()
    writer.close()
    return said


async def pages(http: aiohttp.ClientSession, sidecar: Sidecar) -> list[bytes]:
    """Everything that the admin port tells, whoever asks."""
    said = []
    for page in ("/metrics", "/", "/report.json", "/-/ready", "/-/replay", "/nothing"):
        async with http.get(f"{sidecar.admin}{page}") as answer:
            said += [str(answer.raw_headers).encode(), await answer.read()]
    return said


async def test_promise_50_a_clients_secrets_are_nowhere_but_upstream(
    http: aiohttp.ClientSession, tmp_path: Path, private: Path
) -> None:
    """Whatever becomes of a request: zero bytes of them at a candidate's socket, on the disk (the database, its log,
    what processes share and say), on any page of the admin port, or in an answer that the sidecar makes itself.
    """
    async with (
        StandIn(OpenRouter(), pace=0) as openrouter,
        StandIn(Candidate(VLLM), pace=0) as candidate,
        secretive(tmp_path, private, openrouter.url, candidate.url) as sidecar,
    ):
        headers = {**SECRETS, "X-Tenant-Id": "acme"}
        for body in (asking(), asking(stream=True), asking(model="fake/bad-key"), asking(True, model="fake/no-done")):
            await ask(http, sidecar, body, **headers)
        with suppress(aiohttp.ClientError):  # cut in the middle: what it cost is asked for with the client's key
            await ask(http, sidecar, asking(True, model="fake/truncated-chunk"), **headers)
        async with http.post(
            f"{sidecar.url}{CHAT}", data=asking(model="fake/reset-before-headers"), headers=headers
        ) as own:
            told = [str(own.raw_headers).encode(), await own.read()]
            assert own.status == 502
        told.append(await raw(sidecar, f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization : {CANARY}\r\n\r\n".encode()))
        told.append(await raw(sidecar, f"{CANARY} / HTTP/9.9\r\nCookie: {CANARY}\r\n\r\n".encode()))
        await candidate.wait_for(3)
        await eventually(lambda: len(sidecar.rows("SELECT 1 FROM exchanges")) == 6)
        await eventually(lambda: [one for one in openrouter.received if one.head.method == "GET"])
        told += await pages(http, sidecar)
        assert (tmp_path / "shadow.db-wal").stat().st_size > 0
        found = holding_canaries(tmp_path, private)
        await sidecar.stop()
    found += holding_canaries(tmp_path, private)
    assert all(everything(request).count(CANARY.encode()) >= len(SECRETS) - 1 for request in openrouter.received[:6])
    assert [b"Bearer sk-ferry" in everything(request) for request in candidate.received] == [True, True, True]
    assert not any(CANARY.encode() in everything(request) for request in candidate.received)
    assert not any(CANARY.encode() in said for said in told)
    assert found == []


def holding_canaries(*places: Path) -> list[str]:
    """The files that hold one."""
    files = [file for place in places for file in place.rglob("*") if file.is_file()]
    return [str(file) for file in files if CANARY.encode() in file.read_bytes()]


async def test_promise_55_a_replay_goes_where_the_configuration_says(
    http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """No header or field of a request names a candidate's address, nor does the candidate's own answer."""
    async with (
        StandIn(OpenRouter(), pace=0) as openrouter,
        StandIn(lambda _: whole(200, (), b"{}")) as trap,
        StandIn(lambda _: whole(307, (("location", f"{trap.url}/v1/chat/completions"),)), pace=0) as candidate,
        running(tmp_path, openrouter.url, {"FERRY": "sk-ferry"}, **replaying(candidate.url)) as sidecar,
    ):
        lures = {"api_base": trap.url, "base_url": trap.url, "url": trap.url, "extra_headers": {"Host": trap.url}}
        headers = {"Host": trap.url.removeprefix("http://"), "X-Base-Url": trap.url, "X-Forwarded-Host": trap.url}
        assert await ask(http, sidecar, asking(**lures), **headers) == 200
        assert await ended(sidecar, 1) == [{"outcome": "failed", "reason": "redirected", "status": 307}]
        [sent] = candidate.received
        assert (sent.head.target, sent.head.values("host")) == (
            "/v1/chat/completions",
            (candidate.url.removeprefix("http://"),),
        )
        assert trap.url.encode() not in everything(sent)
        assert len(openrouter.received) == 1
        assert trap.received == []


NEVER = {
    "server tools": ({"tools": [{"type": "openrouter:web_search"}]}, CHAT, "server_tools"),
    "a web plugin": ({"plugins": [{"id": "web"}]}, CHAT, "plugin"),
    "an online variant": ({"model": "openai/gpt-4o-mini:online"}, CHAT, "online_variant"),
    "store": ({"store": True}, CHAT, "stateful"),
    "a background job": ({"background": True}, CHAT, "stateful"),
    "a preset as model": ({"model": "openai/gpt-4o-mini@preset/x"}, CHAT, "preset"),
    "a preset as field": ({"preset": "x"}, CHAT, "preset"),
    "making a preset": ({}, "/api/v1/presets/x/chat/completions", "not_inference"),
    "responses in the background": ({"input": "x", "background": True}, "/api/v1/responses", "endpoint"),
    "a batch": ({}, "/api/v1/batches", "not_inference"),
}


def agreeable(request: Request) -> Script:
    """A provider that answers whatever it is asked, well."""
    said: dict[str, Any] = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "Yes."}}]}
    if request.head.path.endswith("/responses"):
        text = {"type": "message", "content": [{"type": "output_text", "text": "Yes."}]}
        said = {"object": "response", "status": "completed", "output": [text]}
    return whole(200, (("content-type", "application/json"),), dumped(said))


async def test_promise_58_what_acts_or_is_kept_is_never_replayed(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    """Each answered well by the primary, each with its reason, and nothing at all at the candidate's socket."""
    async with (
        StandIn(agreeable) as upstream,
        StandIn(Candidate(VLLM), pace=0) as candidate,
        running(tmp_path, upstream.url, {"FERRY": "sk-ferry"}, **replaying(candidate.url)) as sidecar,
    ):
        for name, (fields, path, _) in NEVER.items():
            headers = {"Content-Type": "application/json", "X-Tenant-Id": name}
            await (await http.post(f"{sidecar.url}{path}", data=asking(**fields), headers=headers)).read()
        await ended(sidecar, len(NEVER))
        query = "SELECT e.tenant, r.outcome, r.reason FROM replays r JOIN exchanges e USING (exchange_id)"
        found = {row["tenant"]: (row["outcome"], row["reason"]) for row in sidecar.rows(query)}
        assert found == {name: ("ineligible", reason) for name, (_, _, reason) in NEVER.items()}
        assert candidate.received == []


async def test_promise_60_a_shadow_is_never_shadowed(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    """A candidate that is a sidecar with candidates: it forwards and records the replay, and mirrors it no more."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    async with (
        StandIn(OpenRouter(), pace=0) as openrouter,
        StandIn(Candidate(VLLM), pace=0) as behind,
        running(second, openrouter.url, {"FERRY": "sk-ferry"}, **replaying(behind.url)) as other,
        running(
            first,
            openrouter.url,
            {"FERRY": "sk-ferry"},
            **replaying(f"{other.url}/api", models={"*": "openai/gpt-4o-mini"}),
        ) as sidecar,
    ):
        assert await ask(http, sidecar, asking()) == 200
        assert await ended(sidecar, 1) == [{"outcome": "completed", "reason": None, "status": 200}]
        assert await ended(other, 1) == [{"outcome": "ineligible", "reason": "is_replay", "status": None}]
        async with http.get(f"{other.admin}/metrics") as answer:
            text = await answer.text()
        assert metric(text, "shadow_replays_total", outcome="ineligible", reason="is_replay") == 1
        assert len(openrouter.received) == 2
        assert behind.received == []
