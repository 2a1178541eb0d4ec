"""Traces of a running sidecar, as a collector gets them."""

from pathlib import Path

from shadow.demo.provider import StandIn
from tests.collector import collecting, plain
from tests.end_to_end.sidecar import eventually, running
from tests.end_to_end.test_faults import answering, candidate
from tests.end_to_end.test_metrics import ask


async def test_a_call_and_its_replay_are_one_trace(tmp_path: Path) -> None:
    """The collector is told of both, with tenant, tokens and cost, and with nothing of what was asked or answered."""
    async with (
        StandIn(answering) as upstream,
        StandIn(answering) as ferry,
        collecting() as collector,
        running(tmp_path, upstream.url, **candidate(f"{ferry.url}/v1"), otel={"endpoint": collector.url}) as sidecar,
    ):
        await ask(sidecar, **{"Tenant-Id": "acme"})
        await eventually(lambda: len(collector.spans) == 2)
    spans = {plain(span.attributes)["shadow.arm"]: span for span in collector.spans}
    assert set(spans) == {"primary", "ferry"}
    assert spans["ferry"].parent_span_id == spans["primary"].span_id
    told = plain(spans["primary"].attributes)
    assert (told["shadow.tenant"], told["gen_ai.usage.input_tokens"], told["shadow.cost_usd"]) == ("acme", 3, "0.0001")
    assert b"Hello." not in b"".join(collector.bodies)


async def test_a_collector_that_is_away_costs_nothing_but_its_spans(tmp_path: Path) -> None:
    """Rows are stored all the same."""
    async with (
        StandIn(answering) as upstream,
        running(tmp_path, upstream.url, otel={"endpoint": "http://127.0.0.1:9"}) as sidecar,
    ):
        await ask(sidecar)
        await eventually(lambda: sidecar.rows("SELECT 1 FROM exchanges"))
        assert await sidecar.stop() == 0
