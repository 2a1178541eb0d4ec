"""The metrics of a running sidecar, as a scraper and Prometheus' own linter read them."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as prometheus_families

from shadow.demo.provider import StandIn
from tests.end_to_end.sidecar import Sidecar, eventually, metric, running
from tests.end_to_end.test_faults import CHAT, QUESTION, answering, candidate

NO_PROMTOOL = "promtool is not installed (Debian's package `prometheus`)"
OPENMETRICS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2"


async def scrape(sidecar: Sidecar, accept: str = "") -> str:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{sidecar.admin}/metrics", headers={"Accept": accept}) as page,
    ):
        return await page.text()


async def ask(sidecar: Sidecar, **tags: str) -> None:
    """One chat completion, by whoever is named in the headers."""
    headers = {"Content-Type": "application/json", **{f"X-{name}": value for name, value in tags.items()}}
    async with aiohttp.ClientSession() as http, http.post(f"{sidecar.url}{CHAT}", data=QUESTION, headers=headers) as it:
        assert it.status == 200


async def until_stored(sidecar: Sidecar, count: int) -> None:
    await eventually(lambda: sidecar.rows("SELECT count(*) AS n FROM exchanges")[0]["n"] == count)


@pytest.fixture
async def replaying(tmp_path: Path) -> AsyncIterator[Sidecar]:
    """A sidecar that has forwarded one request and replayed it."""
    async with (
        StandIn(answering) as upstream,
        StandIn(answering) as ferry,
        running(tmp_path, upstream.url, **candidate(f"{ferry.url}/v1")) as sidecar,
    ):
        await ask(sidecar)
        await eventually(lambda: sidecar.rows("SELECT 1 FROM replays WHERE outcome = 'completed'"))
        yield sidecar


@pytest.mark.skipif(shutil.which("promtool") is None, reason=NO_PROMTOOL)
async def test_names_units_and_help_are_as_prometheus_wants_them(replaying: Sidecar) -> None:
    """`promtool check metrics` finds nothing to say."""
    linter = await asyncio.create_subprocess_exec(
        *("promtool", "check", "metrics"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await linter.communicate((await scrape(replaying)).encode())
    assert (linter.returncode, said.decode()) == (0, "")


async def test_openmetrics_holds_what_the_text_holds(replaying: Sidecar) -> None:
    """A strict parser reads the page, and finds the same series of both processes, with exemplars."""
    plain = {family.name for family in prometheus_families(await scrape(replaying))}
    families = list(openmetrics_families(await scrape(replaying, OPENMETRICS)))
    assert {family.name for family in families} == plain
    [row] = replaying.rows("SELECT hex(exchange_id) AS id FROM exchanges")
    exemplars = {
        sample.exemplar.labels["exchange_id"] for family in families for sample in family.samples if sample.exemplar
    }
    assert {one.replace("-", "").upper() for one in exemplars} == {row["id"]}


async def test_every_end_of_a_replay_is_there_before_the_first(tmp_path: Path) -> None:
    """Nothing has been asked yet, and what could be alerted on is 0 instead of absent."""
    async with StandIn(answering) as upstream, running(tmp_path, upstream.url, **candidate(f"{upstream.url}/v1")) as it:
        await eventually_up(it)
        text = await scrape(it)
    ends = re.findall(r'^shadow_replays_total\{arm="ferry",outcome="(\w+)",reason="(\w+)"\} 0\.0$', text, re.MULTILINE)
    assert {("withheld", "circuit_open"), ("failed", "server_error"), ("completed", "none")} <= set(ends)
    assert 'shadow_cost_unknown_total{arm="ferry"} 0.0' in text


async def eventually_up(sidecar: Sidecar) -> None:
    """Wait until the recorder answers scrapes."""
    async with asyncio.timeout(30):
        while metric(await scrape(sidecar), "shadow_recorder_up") != 1:  # noqa: ASYNC110 (it happens in another process)
            await asyncio.sleep(0.02)
