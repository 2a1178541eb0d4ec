"""P6, promise 53: prompts stay put, with bodies being kept for one tenant beside others that did not consent."""

import asyncio
import os
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import aiohttp
import orjson
import pytest

from shadow.demo.provider import StandIn
from shadow.demo.request import Request
from shadow.demo.script import Script, whole
from shadow.store.bodies import unpacked
from tests.end_to_end.sidecar import Sidecar, dumped, eventually, free_addresses, metric, running

CHAT = "/api/v1/chat/completions"
JSON = (("content-type", "application/json"),)
CONSENTS, SILENT, NOBODY = "acme", "globex", None
KEY = "sk-or-v1-0123456789abcdef"


@pytest.fixture
def temporary() -> Iterator[Path]:
    """Where the sidecar's two processes put what they share: near the root, for a socket's path must be short."""
    with tempfile.TemporaryDirectory(prefix="s") as name:
        yield Path(name)


def canary(tenant: str | None) -> str:
    return f"canary of {tenant}"


def answering(request: Request) -> Script:
    """A provider that repeats what it was asked."""
    said = orjson.loads(request.body)["messages"][0]["content"]
    message = {"role": "assistant", "content": f"You said: {said}"}
    return whole(200, JSON, dumped({"choices": [{"index": 0, "finish_reason": "stop", "message": message}]}))


async def ask(http: aiohttp.ClientSession, sidecar: Sidecar, tenant: str | None) -> None:
    question = {"role": "user", "content": f"{canary(tenant)}, and my key is {KEY}"}
    body = dumped({"model": "openai/gpt-4o-mini", "messages": [question]})
    headers = {"Content-Type": "application/json"} | ({} if tenant is None else {"X-Tenant-Id": tenant})
    async with http.post(f"{sidecar.url}{CHAT}", data=body, headers=headers) as answer:
        assert canary(tenant).encode() in await answer.read()


def on_disk(text: str, directory: Path, *others: Path) -> list[str]:
    """The files that hold a text, and the kept bodies that do once they are unpacked."""
    files = [file for place in (directory, *others) for file in place.rglob("*") if file.is_file()]
    found = [str(file) for file in files if text.encode() in file.read_bytes()]
    with closing(sqlite3.connect(f"file:{directory}/shadow.db?mode=ro", uri=True)) as connection:
        bodies = connection.execute("SELECT tenant, arm, answer, request FROM bodies").fetchall()
    for tenant, arm, *documents in bodies:
        if any(text.encode() in unpacked(document) for document in documents if document is not None):
            found.append(f"{tenant}: {arm}")
    return sorted(found)


async def test_promise_53_prompts_are_kept_where_a_tenant_consents_and_nowhere_else(
    http: aiohttp.ClientSession, tmp_path: Path, temporary: Path
) -> None:
    """One tenant's prompts and answers, the primary's and the candidate's, are in the database, without what a
    pattern matches. Those of a tenant that consents to a replay only, and of nobody's requests, are in no file."""
    registry = {"tenants": {CONSENTS: {"bodies": True}, SILENT: {"consent": ["ferry"]}}}
    (tmp_path / "tenants.yaml").write_bytes(orjson.dumps(registry))
    async with StandIn(answering) as upstream:
        candidate = {"name": "ferry", "url": f"{upstream.url}/v1", "models": {"*": "m"}, "sample": {"rate": 1.0}}
        settings = {
            "registry": "tenants.yaml",
            "consent_default": "allow",
            "candidates": [candidate],
            "capture": {"bodies": "consented", "redact": [r"sk-or-v1-[0-9a-f]{16}"]},
        }
        environment = {"TMPDIR": str(temporary)}
        async with running(tmp_path, upstream.url, environment, **settings) as sidecar:
            for tenant in (CONSENTS, SILENT, NOBODY):
                await ask(http, sidecar, tenant)
            ended = "SELECT 1 FROM replays WHERE outcome = 'completed'"
            await eventually(lambda: len(sidecar.rows(ended)) == 3 or None)
            async with http.get(f"{sidecar.admin}/metrics") as answer:
                metrics = (await answer.read()).decode()
            texts = [*map(canary, (CONSENTS, SILENT, NOBODY)), KEY]
            running_still = [on_disk(text, tmp_path, temporary) for text in texts]
    stopped = [on_disk(text, tmp_path, temporary) for text in texts]
    for consented, *others in (running_still, stopped):
        assert {"acme: ferry", "acme: primary"} <= set(consented)
        assert others == [[], [], []]
    assert metric(metrics, "shadow_bodies_total", arm="primary", result="whole") == 1
    assert metric(metrics, "shadow_bodies_total", arm="ferry", result="whole") == 1


async def test_promise_53_a_tenant_is_erased_beside_the_running_service(
    http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """`shadow erase` has the recorder do it: its rows, prompts and name are in no file, and recording goes on."""
    (tmp_path / "tenants.yaml").write_bytes(orjson.dumps({"tenants": {CONSENTS: {"bodies": True}}}))
    (tmp_path / "token").write_text("a token")
    settings = {"registry": "tenants.yaml", "capture": {"bodies": "consented"}}
    async with StandIn(answering) as upstream:
        [admin] = free_addresses(1)
        settings["admin"] = {"listen": admin, "token_file": "token"}
        async with running(tmp_path, upstream.url, **settings) as sidecar:
            for tenant in (CONSENTS, SILENT, CONSENTS):
                await ask(http, sidecar, tenant)
            await eventually(lambda: len(sidecar.rows("SELECT 1 FROM exchanges")) == 3 or None)
            recorder = await sidecar.recorder_pid()
            code, told = await erase(sidecar, CONSENTS)
            assert (code, told.splitlines()[1]) == (0, "after: 0 exchanges, 0 replays, 0 bodies")
            database = [tmp_path / f"shadow.db{ending}" for ending in ("", "-wal", "-shm")]
            assert [file.name for file in database if CONSENTS.encode() in file.read_bytes()] == []
            assert on_disk(canary(CONSENTS), tmp_path) == []
            await ask(http, sidecar, SILENT)
            await eventually(lambda: len(sidecar.rows("SELECT 1 FROM exchanges")) == 2 or None)
            assert await sidecar.recorder_pid() == recorder


async def erase(sidecar: Sidecar, tenant: str) -> tuple[int | None, str]:
    """Exit code and output of the command."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "shadow", "erase", "-c", sidecar.config_path, "--tenant", tenant, "--yes"),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ,
    )
    told, _ = await process.communicate()
    return process.returncode, told.decode()
