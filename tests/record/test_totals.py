"""A day's traffic with faults at random: every exchange × arm ends once, rows and metrics agree, budgets hold."""

import asyncio
import itertools
import random
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from shadow.config import Config
from shadow.exchange import Attribution, Exchange, ReplayOutcome
from shadow.mirror.reasons import REASONS, SampledOut
from shadow.record.metrics import NO_REASON
from shadow.record.recorder import recording
from tests.mirror.making import KEY, KEY_VARIABLE, config
from tests.mirror.test_totals import (
    babbles,
    candidate,
    fails,
    good,
    lies,
    limits,
    redirects,
    refuses,
    resets,
    traffic,
    truncates,
)
from tests.packing import packed

EXCHANGES, RUNS, BATCH = 10_000, 2, 100
FLOOR, THIN = 5, 40  # tenants, each with as many exchanges in a run as a floor has
# Spent by some 150 replays: five failures in a row, which open ferry's circuit for the rest of a run, come later.
BUDGETS = {"ferry": Decimal("0.05"), "control": Decimal("0.05")}
FAULTS = (good,) * 12 + (fails, refuses, limits, redirects, babbles, truncates, resets, lies)


def configuration(path: Path, ferry: str, shaky: str, control: str) -> Config:
    """Three candidates and a control: two budgets, a floor, a candidate that is down."""
    more = f"""
- {{name: shaky, url: '{shaky}', models: {{'*': x}}, sample: {{rate: 0.02, floor_per_hour: {FLOOR}}}}}
- {{name: down, url: 'http://127.0.0.1:1', models: {{'*': x}}, sample: {{rate: 0.05}}}}
control:
  url: {control}/api/v1
  api_key_env: {KEY_VARIABLE}
  sample: {{rate: 0.1}}
  budget_usd_per_day: {BUDGETS["control"]}
  max_output_tokens: 100
"""
    one = config(
        ferry, more=more, sample={"rate": 0.2}, budget_usd_per_day=str(BUDGETS["ferry"]), max_output_tokens=100
    )
    return replace(one, store=replace(one.store, path=path, retention_days=None))


def exchanges(chances: random.Random) -> list[Exchange]:
    """The day: one large tenant, and thin ones that come as often in every run."""
    day = []
    for number, exchange in enumerate(itertools.islice(traffic(chances), EXCHANGES)):
        thin = number % (EXCHANGES // RUNS // THIN // FLOOR) == 0
        tenant = f"thin-{number // (EXCHANGES // RUNS // THIN // FLOOR) % THIN}" if thin else "acme"
        day.append(replace(exchange, attribution=Attribution(tenant, "chat")))
    return day


async def run(settings: Config, socket: Path, day: list[Exchange]) -> Counter[tuple[str, ...]]:
    """One run of the recorder over part of a day, until everything has ended; its metrics, summed up over callers."""
    connector = aiohttp.UnixConnector(str(socket))
    async with recording(settings, socket), aiohttp.ClientSession("http://recorder", connector=connector) as client:
        for first in range(0, len(day), BATCH):
            batch = b"".join(map(packed, day[first : first + BATCH]))
            assert (await client.post("/exchanges", data=batch)).status == 204
        while True:
            found = summed(await (await client.get("/metrics")).text())
            if sum(count for key, count in found.items() if key[0] == "replays") == len(day) * len(settings.arms):
                return found
            await asyncio.sleep(0.01)


def summed(text: str) -> Counter[tuple[str, ...]]:
    """Replays by arm, outcome and reason, money in nano-dollars by arm, exchanges."""
    found: Counter[tuple[str, ...]] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = sample.labels
            if sample.name == "shadow_replays_total":
                found["replays", labels["arm"], labels["outcome"], labels["reason"]] += int(sample.value)
            elif sample.name == "shadow_cost_usd_total":
                found["cost", labels["arm"]] += round(sample.value * 10**9)
            elif sample.name == "shadow_exchanges_total":
                found["exchanges",] += int(sample.value)
            elif sample.name == "shadow_budget_remaining_usd":
                found["remaining", labels["arm"]] = round(sample.value * 10**9)
    return found


def stored(path: Path) -> Counter[tuple[str, ...]]:
    """The same of the rows, and what was spent by arm and day."""
    with closing(sqlite3.connect(path)) as connection:
        read = connection.execute
        found = Counter({("exchanges",): read("SELECT count(*) FROM exchanges").fetchone()[0]})
        found["cost", "primary"] = read("SELECT sum(cost_nano_usd) FROM exchanges").fetchone()[0]
        for arm, cost in read("SELECT arm, sum(cost_nano_usd) FROM replays GROUP BY arm HAVING sum(cost_nano_usd)"):
            found["cost", arm] = cost
        for arm, outcome, reason, count in read("SELECT arm, outcome, reason, count(*) FROM replays GROUP BY 1, 2, 3"):
            found["replays", arm, outcome, reason or NO_REASON] = count
        for arm, day, nano in read("SELECT arm, day, nano_usd FROM spend"):
            found["spend", arm, day] = nano
    return found


def thin_reasons(path: Path) -> set[str | None]:
    """Why the thin tenants' exchanges were not replayed to the candidate with a floor."""
    query = """SELECT DISTINCT replays.reason FROM replays JOIN exchanges USING (exchange_id)
        WHERE arm = 'shaky' AND tenant LIKE 'thin-%'"""
    with closing(sqlite3.connect(path)) as connection:
        return {reason for (reason,) in connection.execute(query)}


async def test_the_totals_of_ten_thousand_exchanges_reconcile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over two runs of a recorder, with candidates that fail, lie, babble, reset and are down: per arm outcomes sum to
    exchanges, each with a reason of its set; metrics equal rows; spend is within the budgets, and costs within spend;
    thin tenants have their floor."""
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    chances = random.Random(1)  # noqa: S311 (repeatable, not secret)
    day, half, path = exchanges(chances), EXCHANGES // RUNS, tmp_path / "shadow.db"
    async with (
        candidate(lambda: chances.choice(FAULTS)) as ferry,
        candidate(lambda: chances.choice((good, fails))) as shaky,
        candidate(lambda: chances.choice((good, good, truncates))) as control,
    ):
        settings = configuration(path, ferry, shaky, control)
        first = await run(settings, tmp_path / "recorder.sock", day[:half])
        second = await run(settings, tmp_path / "recorder.sock", day[half:])
    rows = stored(path)
    assert {key: rows[key] for key in rows if key[0] != "spend"} == counted(first, second)
    check_ends(rows, [arm.name for arm in settings.arms])
    for arm, budget in BUDGETS.items():
        days = [nano for key, nano in sorted(rows.items()) if key[:2] == ("spend", arm)]
        assert rows["cost", arm] <= sum(days)
        assert max(days) <= budget * 10**9
        assert second["remaining", arm] == budget * 10**9 - days[-1]
        assert rows["replays", arm, "withheld", "budget_spent"] > 0
    assert SampledOut.NOT_DRAWN not in thin_reasons(path)
    assert rows["replays", "shaky", "sampled_out", "not_drawn"] > EXCHANGES / 4


def counted(*runs: Counter[tuple[str, ...]]) -> dict[tuple[str, ...], int]:
    """What was counted in all of them; gauges tell of one only."""
    together = sum(runs, Counter[tuple[str, ...]]())
    return {key: count for key, count in together.items() if key[0] != "remaining"}


def check_ends(rows: Counter[tuple[str, ...]], arms: list[str]) -> None:
    """Every exchange ended on every arm, with a reason of the outcome's set."""
    ends: Counter[str] = Counter()
    for key, count in rows.items():
        if key[0] == "replays":
            _, arm, outcome, reason = key
            assert reason in (REASONS[ReplayOutcome(outcome)] or {NO_REASON})
            ends[arm] += count
    assert ends == dict.fromkeys(arms, EXCHANGES)
