"""A running sidecar takes a changed configuration over: by signal, by the admin port, and without a client's notice."""

import signal
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from shadow.demo.provider import StandIn
from shadow.fingerprint import fingerprint
from tests.end_to_end.sidecar import Sidecar, eventually, running
from tests.end_to_end.test_faults import answering, ask, candidate

REPLAYED = "SELECT arm FROM replays WHERE outcome = 'completed'"


def edit(sidecar: Sidecar, **settings: Any) -> None:
    """Change some of what the sidecar's file says."""
    config = yaml.safe_load(sidecar.config_path.read_text())
    sidecar.config_path.write_text(yaml.safe_dump(config | settings))


async def test_sighup_has_a_new_rate_in_force(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    """After SIGHUP, what was not replayed is: the recorder works by the new rate, and the log says what changed."""
    async with (
        StandIn(answering) as origin,
        StandIn(answering) as ferry,
        running(tmp_path, origin.url, **candidate(ferry.url, sample={"rate": 0.0})) as sidecar,
    ):
        assert (await ask(http, sidecar))[0] == 200
        await eventually(lambda: sidecar.rows("SELECT 1 FROM replays WHERE outcome = 'sampled_out'"))
        edit(sidecar, **candidate(ferry.url, sample={"rate": 1.0}))
        sidecar.process.send_signal(signal.SIGHUP)
        await eventually(lambda: sidecar.log.read_text().count("ready: recording") == 2)
        assert (await ask(http, sidecar))[0] == 200
        assert await eventually(lambda: sidecar.rows(REPLAYED)) == [{"arm": "ferry"}]
        assert "candidates.ferry.sample.rate: 0.0 → 1.0" in sidecar.log.read_text()


async def test_the_forwarder_knows_a_new_tenant(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    """A key that the registry gives an owner is attributed, and tagged upstream, from the next request on."""
    (tmp_path / "fingerprint.key").write_text("a secret")
    (tmp_path / "tenants.yaml").write_text("tenants: {}")
    async with StandIn(answering) as origin, running(tmp_path, origin.url, registry="tenants.yaml") as sidecar:
        key = {"Authorization": "Bearer sk-of-acme"}
        owned = yaml.safe_dump({"tenants": {"acme": {"keys": [fingerprint("sk-of-acme", b"a secret")]}}})
        (tmp_path / "tenants.yaml").write_text(owned)
        async with http.post(f"{sidecar.admin}/-/reload") as answer:
            assert answer.status == 200
            assert (await answer.text()).startswith("registry.tenants.acme: added: ")
        async with http.post(f"{sidecar.url}/api/v1/chat/completions", data=b"{}", headers=key) as answer:
            assert answer.status == 200
        assert origin.received[-1].head.header("X-Tenant-Id") == "acme"


async def test_a_bad_configuration_is_refused(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    """Every mistake is told where it was asked for, and the service goes on by the old one."""
    async with StandIn(answering) as origin, running(tmp_path, origin.url) as sidecar:
        edit(sidecar, unheard_of=1)
        async with http.post(f"{sidecar.admin}/-/reload") as answer:
            assert answer.status == 400
            assert "unheard_of: unknown key" in await answer.text()
        assert (await ask(http, sidecar))[0] == 200
