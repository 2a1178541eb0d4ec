"""P7: abuse is bounded. Here promise 57; what is about replays is with the mirror."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from shadow.demo.provider import StandIn
from shadow.exchange import Attribution, Cost, CostSource, Observation, Recorded, Replay, ReplayOutcome, Timings, Usage
from shadow.record.metrics import Metrics
from shadow.record.pairs import Primary
from tests.end_to_end.sidecar import running
from tests.end_to_end.test_faults import answering
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
