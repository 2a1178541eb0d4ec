"""P7: abuse is bounded. Here promises 56 and 57; more of what is about replays is with the mirror."""

import asyncio
import os
import signal
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import aiohttp
import orjson
from prometheus_client.parser import text_string_to_metric_families

from shadow.demo.provider import StandIn
from shadow.demo.request import Request
from shadow.demo.script import Script, whole
from shadow.exchange import Attribution, Cost, CostSource, Observation, Recorded, Replay, ReplayOutcome, Timings, Usage
from shadow.record.metrics import Metrics
from shadow.record.pairs import Primary
from tests.end_to_end.sidecar import Sidecar, dumped, eventually, metric, running
from tests.end_to_end.test_faults import ANSWER, CHAT, JSON, answering, candidate
from tests.end_to_end.test_metrics import ask, eventually_up, scrape, until_stored
from tests.record.samples import exchange

HOSTILE = 100_000
SERIES = 50
COST = Cost(Decimal("0.001"), CostSource.REPORTED)


def test_promise_57_random_tenants_and_models_make_few_series() -> None:
    """100,000 tenants and as many models, a tenth of them replayed: of each metric as many series as the configured
    number, and one `other` for each arm, side or kind; nothing is left uncounted."""
    metrics = Metrics(["ferry"], SERIES)
    one = exchange()
    for number in range(HOSTILE):
        asked = replace(one, attribution=Attribution(f"tenant-{number}", f"feature-{number}"))
        model = f"model-{number}"
        seen = Observation(True, True, model, usage=Usage(1, 1), cost=COST, timings=Timings(ttft_s=0.1))
        metrics.stored(Recorded(asked, seen), now=0.0)
        if number % 10:
            continue
        replay = Replay(one.exchange_id, "ferry", ReplayOutcome.COMPLETED, None, 1.0, None, one, seen)
        metrics.ended(replay, Primary((f"tenant-{number}", f"feature-{number}"), COST.usd, 0.1))
    outside = {"tenant", "feature", "model"}
    for family in text_string_to_metric_families(metrics.expose().decode()):
        counted = [sample for sample in family.samples if sample.name.endswith(("_total", "_count"))]
        series = [sample for sample in counted if outside & sample.labels.keys()]
        ours = {tuple(value for name, value in sample.labels.items() if name not in outside) for sample in series}
        assert len(series) <= SERIES + len(ours), family.name
    exchanges = next(
        f for f in text_string_to_metric_families(metrics.expose().decode()) if f.name == "shadow_exchanges"
    )
    assert sum(sample.value for sample in exchanges.samples) == HOSTILE
    assert {"tenant": "other", "feature": "other", "model": "other"} in [sample.labels for sample in exchanges.samples]


async def test_promise_57_the_database_keeps_the_detail(tmp_path: Path) -> None:
    """A running sidecar shows the configured number of tenants and `other`, and stores every one."""
    async with StandIn(answering) as upstream, running(tmp_path, upstream.url, metrics={"max_series": 3}) as sidecar:
        await eventually_up(sidecar)
        for number in range(20):
            await ask(sidecar, **{"Tenant-Id": f"tenant-{number}"})
        await until_stored(sidecar, 20)
        text = await scrape(sidecar)
        [row] = sidecar.rows("SELECT count(DISTINCT tenant) AS tenants FROM exchanges")
    shown = [line for line in text.splitlines() if line.startswith("shadow_exchanges_total{")]
    assert len(shown) == 4
    assert shown[-1].endswith('tenant="other"} 17.0')
    assert row["tenants"] == 20


BUDGET = Decimal("0.005")  # with answers of 1 to 100 tokens at a dollar a million: some 100 replays
EXCHANGES, WAVE = 1000, 50  # which would cost ten times as much
KILLS = (15, 30, 45)  # replays after which the recorder dies
LIMITED = dumped({"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 100})


class Billing:
    """A candidate that bills every request it gets, in full, whether or not anybody hears its answer."""

    def __init__(self) -> None:
        self.requests = self.tokens = 0

    def __call__(self, _: Request) -> Script:
        self.requests += 1
        tokens = self.requests * 37 % 100 + 1
        self.tokens += tokens
        usage = {"prompt_tokens": 3, "completion_tokens": tokens, "total_tokens": 3 + tokens}
        return whole(200, JSON, dumped({**orjson.loads(ANSWER), "model": "small", "usage": usage}))


async def test_promise_56_ten_times_the_load_costs_no_more_than_the_budget(tmp_path: Path) -> None:
    """1,000 exchanges that would cost ten budgets, with the recorder killed three times among them: what the candidate
    bills is within the budget, most of the budget is used, and all beyond it is withheld, stored and counted."""
    bill = Billing()
    settings = {"prices": {"small": {"input": 0, "output": 1}}, "budget_usd_per_day": float(BUDGET)}
    settings |= {"models": {"*": "small"}}
    async with (
        StandIn(answering) as upstream,
        StandIn(bill) as ferry,
        running(tmp_path, upstream.url, **candidate(f"{ferry.url}/v1", **settings)) as sidecar,
    ):
        await eventually_up(sidecar)
        killing = asyncio.create_task(kill_recorders(sidecar, bill))
        for asked in range(0, EXCHANGES, WAVE):  # in waves, so that it is the budget that withholds and not the queue
            await asyncio.gather(*(ask_often(sidecar, WAVE // 10) for _ in range(10)))
            await eventually(lambda sent=asked + WAVE: sidecar.rows(ENDED)[0]["n"] == sent)  # type: ignore[misc]
        await killing
        spent = {row["day"]: Decimal(row["nano_usd"]).scaleb(-9) for row in sidecar.rows("SELECT * FROM spend")}
        ends = {row["reason"]: row["n"] for row in sidecar.rows(ENDS)}
        remaining = metric(await scrape(sidecar), "shadow_budget_remaining_usd", arm="ferry")
    billed = Decimal(bill.tokens) / 1_000_000
    assert BUDGET / 3 < billed <= sum(spent.values()) <= BUDGET * len(spent)  # at midnight there are two
    assert all(one <= BUDGET for one in spent.values())
    assert ends["budget_spent"] > EXCHANGES / 2
    assert remaining == float(BUDGET - spent[max(spent)])


ENDED = "SELECT count(*) AS n FROM replays WHERE outcome IS NOT NULL"
ENDS = "SELECT reason, count(*) AS n FROM replays GROUP BY reason"


async def ask_often(sidecar: Sidecar, times: int) -> None:
    """One client, one question after another."""
    async with aiohttp.ClientSession() as http:
        for _ in range(times):
            async with http.post(f"{sidecar.url}{CHAT}", data=LIMITED, headers=dict(JSON)) as answer:
                assert answer.status == 200


async def kill_recorders(sidecar: Sidecar, bill: Billing) -> None:
    for after in KILLS:
        await eventually(lambda after=after: bill.requests >= after)  # type: ignore[misc]
        os.kill(await sidecar.recorder_pid(), signal.SIGKILL)
