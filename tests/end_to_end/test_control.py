"""The control arm of a running sidecar, and what it does where its key is a client's."""

import asyncio
import os
import sys
from pathlib import Path

import aiohttp
import yaml

from shadow.demo.provider import StandIn
from shadow.fingerprint import fingerprint
from tests.end_to_end.sidecar import Sidecar, eventually, running
from tests.end_to_end.test_faults import CHAT, QUESTION, answering

CLIENTS, OWN = "sk-or-v1-clients", "sk-or-v1-own"
ENDED = (
    "SELECT outcome, reason, request_model, cost_nano_usd FROM replays WHERE arm = 'control' AND outcome IS NOT NULL"
)


def control(url: str) -> dict[str, object]:
    """A configuration with a control that is sent everything."""
    arm = {"url": f"{url}/api/v1", "api_key_env": "SHADOW_CONTROL_KEY", "sample": {"rate": 1}}
    return {"consent_default": "allow", "control": arm}


async def ask(sidecar: Sidecar, key: str = CLIENTS) -> None:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    async with aiohttp.ClientSession() as http, http.post(f"{sidecar.url}{CHAT}", data=QUESTION, headers=headers) as it:
        assert it.status == 200


async def test_the_same_request_is_asked_again_under_another_key(tmp_path: Path) -> None:
    """The upstream sees the client's bytes twice: once with the client's key, once with the control's."""
    async with (
        StandIn(answering) as upstream,
        running(tmp_path, upstream.url, {"SHADOW_CONTROL_KEY": OWN}, **control(upstream.url)) as sidecar,
    ):
        await ask(sidecar)
        [row] = await eventually(lambda: sidecar.rows(ENDED))
    first, second = upstream.received
    assert [one.head.values("authorization") for one in (first, second)] == [(f"Bearer {CLIENTS}",), (f"Bearer {OWN}",)]
    assert first.body == second.body == QUESTION
    assert row == {
        "outcome": "completed",
        "reason": None,
        "request_model": "openai/gpt-4o-mini",
        "cost_nano_usd": 100_000,
    }


async def test_nothing_is_replayed_under_a_key_that_a_client_uses(tmp_path: Path) -> None:
    """The client is served, the control withheld, and after a restart too, before that client has come again."""
    environment = {"SHADOW_CONTROL_KEY": CLIENTS}
    async with StandIn(answering) as upstream:
        for key in (CLIENTS, "sk-or-v1-other"):
            async with running(tmp_path, upstream.url, environment, **control(upstream.url)) as sidecar:
                known = len(sidecar.rows(ENDED))
                await ask(sidecar, key)
                rows = await eventually(lambda before=known: sidecar.rows(ENDED)[before:])  # type: ignore[misc]
                assert [row["reason"] for row in rows] == ["control_key"]
                assert "its key is one that clients use" in sidecar.log.read_text()
        assert len(upstream.received) == 2


async def test_a_key_of_the_registry_keeps_the_service_from_starting(tmp_path: Path) -> None:
    """It is a mistake in the configuration like any other, told with its reason."""
    (tmp_path / "fingerprint.key").write_text("secret")
    registry = {"tenants": {"acme": {"keys": [fingerprint(CLIENTS, b"secret")]}}}
    (tmp_path / "tenants.yaml").write_text(yaml.safe_dump(registry))
    settings = {"upstream": {"url": "http://127.0.0.1:9"}, "registry": "tenants.yaml", **control("http://127.0.0.1:9")}
    (tmp_path / "shadow.yaml").write_text(yaml.safe_dump(settings))
    for command in ("serve", "check"):
        refused = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "shadow", command, "-c", tmp_path / "shadow.yaml"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"SHADOW_CONTROL_KEY": CLIENTS},
        )
        _, said = await refused.communicate()
        assert refused.returncode == 2
        assert b"control.api_key_env: this is a key of acme in the registry: OpenRouter holds" in said
