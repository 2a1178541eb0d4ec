"""A real Prometheus scrapes a real sidecar under the demo's traffic: the dashboards have data, and no alert fires."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from shadow.demo import demo, settings
from shadow.demo.settings import Places
from shadow.demo.traffic import send_all
from shadow.demo.workload import calls
from tests.deploy.dashboards import DASHBOARDS, ROOT, asked, queries
from tests.deploy.waiting import until
from tests.end_to_end.sidecar import free_addresses

pytestmark = pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed (Debian)")

CALLS = 120
WINDOW_S = 60  # what `rate` looks back on: longer than the test lasts


@dataclass(frozen=True)
class Prometheus:
    """A server's API."""

    http: aiohttp.ClientSession
    url: str

    async def get(self, path: str, **parameters: str) -> Any:
        async with self.http.get(f"{self.url}/api/v1/{path}", params=parameters) as answer:
            if answer.status == 503:  # it is starting, and says so in plain text
                answer.raise_for_status()
            said = json.loads(await answer.text())
        assert said["status"] == "success", said
        return said["data"]

    async def query(self, expression: str) -> list[Any]:
        found: list[Any] = (await self.get("query", query=expression))["result"]
        return found


@asynccontextmanager
async def prometheus(directory: Path, target: str) -> AsyncIterator[Prometheus]:
    """A server that scrapes the target twice a second and evaluates the rules."""
    config = {
        "global": {"scrape_interval": "500ms", "evaluation_interval": "500ms"},
        "rule_files": [str(ROOT / "deploy" / "prometheus" / "rules.yaml")],
        "scrape_configs": [{"job_name": "shadow", "static_configs": [{"targets": [target]}]}],
    }
    (directory / "prometheus.yaml").write_text(yaml.safe_dump(config))
    [listen] = free_addresses(1)
    with (directory / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "prometheus",
            f"--config.file={directory}/prometheus.yaml",
            f"--storage.tsdb.path={directory}/data",
            f"--web.listen-address={listen}",
            "--enable-feature=exemplar-storage",
            stdout=log,
            stderr=log,
        )
    try:
        async with aiohttp.ClientSession() as http:
            yield Prometheus(http, f"http://{listen}")
    finally:
        process.terminate()
        await process.wait()


async def test_dashboards_have_data_and_alerts_are_quiet(tmp_path: Path) -> None:
    """Every panel of both dashboards shows something; every rule is evaluated without an error and none fires;
    exemplars lead to an exchange."""
    async with demo._stand_ins() as (openrouter, thrifty, flaky):
        listen, admin = free_addresses(2)
        config = settings.write(tmp_path, Places(listen, admin, openrouter.url, thrifty.url, flaky.url))
        give_budgets(config)
        async with demo._sidecar(config, admin, tmp_path / "log"), prometheus(tmp_path, admin) as server:

            async def scraped() -> bool:
                """Whether the server has seen the recorder: rates need a sample from before the traffic."""
                return bool(await server.query("shadow_recorder_up == 1 and on () shadow_replays_total"))

            async def seen() -> bool:
                counted = await server.query("sum(shadow_exchanges_total)")
                return bool(counted) and float(counted[0]["value"][1]) == 2 * CALLS

            async def complete() -> bool:
                return not await empty(server)

            await until(scraped)
            await send_all(f"http://{listen}", calls(CALLS), 8)
            await asyncio.sleep(1)  # a scrape between two halves: rates of labels that were not there before
            await send_all(f"http://{listen}", calls(CALLS, seed=1), 8)
            await until(seen)
            try:
                await until(complete)
            except TimeoutError:
                pytest.fail(f"no data: {await empty(server)}")
            await check_rules(server)
            exemplars = await server.get(
                "query_exemplars", query="shadow_response_seconds_bucket", start="0", end="9e9"
            )
            assert all(one["labels"]["exchange_id"] for series in exemplars for one in series["exemplars"])
            assert exemplars


def give_budgets(config: Path) -> None:
    """Have every candidate show what is left of one."""
    written = yaml.safe_load(config.read_text())
    for candidate in written["candidates"]:
        candidate["budget_usd_per_day"] = 100
    config.write_text(yaml.safe_dump(written))


async def empty(server: Prometheus) -> set[str]:
    """The panels one of whose queries gives nothing."""
    return {
        title for path in DASHBOARDS for title, query in queries(path) if not await server.query(asked(query, WINDOW_S))
    }


async def check_rules(server: Prometheus) -> None:
    [target] = (await server.get("targets"))["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    rules = [rule for group in (await server.get("rules"))["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}
    assert [rule["name"] for rule in rules if rule.get("state") == "firing"] == []
