"""The demo as a person runs it: one command, a few seconds, a report, and a database that adds up."""

import asyncio
import os
import pty
import sqlite3
import sys
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shadow.demo import demo, settings
from shadow.demo.catalogue import OPENROUTER
from shadow.demo.demo import CALLS, DemoError
from shadow.demo.model import generate
from shadow.demo.settings import Places
from shadow.demo.workload import calls

NANO = 1_000_000_000
TWELVE_CALLS = """
import asyncio, sys
from pathlib import Path
from shadow.demo import demo
asyncio.run(demo.run(Path(sys.argv[1]), count=12))
"""


@dataclass(frozen=True)
class Shown:
    """What a run of the command said, and its store."""

    code: int
    output: str
    errors: str
    directory: Path

    def rows(self, query: str) -> list[Any]:
        with closing(sqlite3.connect(f"file:{self.directory}/shadow.db?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """One run for all tests: `python -m shadow demo`, its output into pipes."""
    directory = tmp_path_factory.mktemp("demo")

    async def run() -> Shown:
        command = (sys.executable, "-m", "shadow", "demo", "--directory", str(directory))
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
        output, errors = await process.communicate()
        return Shown(process.returncode or 0, output.decode(), errors.decode(), directory)

    return asyncio.run(run())


def test_it_ends_well_and_is_quiet_in_a_pipe(shown: Shown) -> None:
    """Exit code 0, and not a word of progress where nobody watches."""
    assert (shown.code, shown.errors) == (0, "")


def test_it_prints_the_report_and_where_everything_is(shown: Shown) -> None:
    """Both candidates, how much traffic it was, and the database; a screen for each candidate and one for the words."""
    for name in ("thrifty beside the primary", "flaky beside the primary", f"{CALLS} exchanges"):
        assert name in shown.output
    assert f"The database lies in {shown.directory}/shadow.db" in shown.output
    assert len(shown.output.splitlines()) <= 100


@pytest.mark.parametrize("which", [0, 1])
async def test_what_it_says_to_try_next_works(shown: Shown, which: int) -> None:
    """Each suggested command can be pasted and ends well."""
    command = shown.output.split("Try next:\n")[1].splitlines()[which]
    process = await asyncio.create_subprocess_shell(command, stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    assert process.returncode == 0
    assert b"acme" in told


def test_every_call_is_one_exchange_with_one_outcome_per_arm(shown: Shown) -> None:
    """Nothing is lost, doubled or left pending."""
    assert shown.rows("SELECT count(*), count(DISTINCT exchange_id) FROM exchanges") == [(CALLS, CALLS)]
    assert shown.rows("SELECT arm, count(*), count(outcome) FROM replays GROUP BY arm") == [
        ("flaky", CALLS, CALLS),
        ("thrifty", CALLS, CALLS),
    ]


def test_costs_are_those_of_the_models(shown: Shown) -> None:
    """Per tenant, what is stored is what the stand-in's models cost, computed from the workload alone."""
    models = {model.name: model for model in OPENROUTER}
    expected: defaultdict[str | None, Decimal] = defaultdict(Decimal)
    for call in calls(CALLS):
        model = models.get(str(call.body["model"]))
        if model is not None and not call.leaves_after:
            expected[call.tenant.name if call.tenant else None] += generate(model, call.body).cost_usd
    stored = shown.rows(
        "SELECT tenant, sum(cost_nano_usd) FROM exchanges "
        "WHERE outcome = 'complete' AND request_model NOT LIKE 'fake/%' GROUP BY tenant"
    )
    assert dict(stored) == {tenant: int(cost * NANO) for tenant, cost in expected.items()}


def test_tenants_are_known_without_their_header(shown: Shown) -> None:
    """Those that only their API key tells are attributed like the one that names itself."""
    expected: defaultdict[str | None, int] = defaultdict(int)
    for call in calls(CALLS):
        expected[call.tenant.name if call.tenant else None] += 1
    assert dict(shown.rows("SELECT tenant, count(*) FROM exchanges GROUP BY tenant")) == expected


def test_every_way_to_end_is_shown(shown: Shown) -> None:
    """The demo has something completed, failed, sampled out, withheld and ineligible to show."""
    found = {outcome for (outcome,) in shown.rows("SELECT DISTINCT outcome FROM replays")}
    assert {"completed", "failed", "sampled_out", "withheld", "ineligible"} <= found


def test_one_candidate_is_cheaper_and_slower(shown: Shown) -> None:
    """Which is what its pairs say, in sum."""
    [(cost, replay_cost, ttft, replay_ttft)] = shown.rows(
        "SELECT sum(e.cost_nano_usd), sum(r.cost_nano_usd), avg(e.ttft_s), avg(r.ttft_s) "
        "FROM replays r JOIN exchanges e USING (exchange_id) WHERE r.arm = 'thrifty' AND r.outcome = 'completed'"
    )
    assert replay_cost < cost
    assert replay_ttft > ttft


def test_one_candidate_fails_now_and_then(shown: Shown) -> None:
    """More than once, and in less than a quarter of its replays."""
    [(failed, tried)] = shown.rows(
        "SELECT sum(outcome = 'failed'), count(*) FROM replays "
        "WHERE arm = 'flaky' AND outcome IN ('failed', 'completed')"
    )
    assert 1 < failed < tried / 4


async def test_progress_is_shown_on_a_terminal(tmp_path: Path) -> None:
    """With a terminal on standard error, a bar says what is being sent."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", TWELVE_CALLS, str(tmp_path)), stdout=asyncio.subprocess.DEVNULL, stderr=theirs
    )
    os.close(theirs)
    assert await process.wait() == 0
    told = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "12 requests of 3 tenants and 4 features" in told
    assert "100%" in told


async def test_a_sidecar_that_does_not_start_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo ends with where to look, which holds the reason."""

    def write(directory: Path, _: Places) -> Path:
        path = directory / "shadow.yaml"
        path.write_text("upstream: {}")
        return path

    monkeypatch.setattr(settings, "write", write)
    with pytest.raises(DemoError, match=r"did not become ready; see .*sidecar\.log"):
        await demo.run(tmp_path, count=1)
    assert "upstream.url: is required" in (tmp_path / "sidecar.log").read_text()
