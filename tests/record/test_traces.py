from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import StatusCode

from shadow.config import Config, Otel
from shadow.configfile import parse
from shadow.exchange import Observation, Recorded, Replay, ReplayOutcome
from shadow.record import recorder, traces
from shadow.record.metrics import Metrics, SpanResult
from shadow.record.traces import exporter, tracing
from tests.collector import collecting, plain
from tests.record.samples import exchange, exchange_id

SEEN = Observation(inference=True, request_model="openai/gpt-4o-mini")
REPLAY = Replay(
    exchange_id(0), "ferry", ReplayOutcome.FAILED, "server_error", 0.05, None, exchange(arm="ferry"), SEEN
)  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> Config:
    ferry = {"name": "ferry", "url": "https://ferry.example/v1", "dialect": "openai", "models": {}}
    text = {"upstream": {"url": "https://openrouter.ai"}, "consent_default": "deny", "candidates": [ferry]}
    return parse(yaml.safe_dump(text), tmp_path, {})


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def counted(metrics: Metrics) -> dict[str, float]:
    """Spans by what became of them, where any."""
    found = {each.value: metrics.spans.labels(each.value)._value.get() for each in SpanResult}
    return {result: count for result, count in found.items() if count}


async def test_spans_reach_the_collector(config: Config, metrics: Metrics) -> None:
    """Primary and replay are one trace, sent when the recorder stops at the latest."""
    async with collecting() as collector:
        async with tracing(config, exporter(Otel(endpoint=collector.url)), metrics.spans) as told:
            told.stored(Recorded(exchange(), SEEN))
            told.ended(REPLAY)
        first, second = collector.spans
    assert (first.name, first.parent_span_id, first.status.code) == ("chat openai/gpt-4o-mini", b"", 0)
    assert first.trace_id == second.trace_id == bytes.fromhex(exchange_id(0).replace("-", ""))
    assert (second.parent_span_id, second.status.code) == (first.span_id, StatusCode.ERROR.value)
    assert first.end_time_unix_nano - first.start_time_unix_nano == 500_000_000
    assert plain(second.attributes)["gen_ai.provider.name"] == "openai"
    assert plain(second.attributes)["server.address"] == "ferry.example"
    assert collector.resources[0]["service.name"] == "shadow-sidecar"
    assert counted(metrics) == {"exported": 2}


async def test_headers_authorise_the_sender(config: Config, metrics: Metrics, tmp_path: Path) -> None:
    """They come from the named file, in OpenTelemetry's own form."""
    (tmp_path / "headers").write_text("authorization=Bearer%20abc,x-scope=team\n")
    async with collecting() as collector:
        way = exporter(Otel(endpoint=collector.url, headers_file=tmp_path / "headers"))
        async with tracing(config, way, metrics.spans) as told:
            told.stored(Recorded(exchange(), SEEN))
        [headers] = collector.headers
    assert (headers["Authorization"], headers["X-Scope"]) == ("Bearer abc", "team")


async def test_a_refusal_is_counted(config: Config, metrics: Metrics) -> None:
    """What the collector does not take is let go: the rows are in the store."""
    async with collecting() as collector:
        collector.status = 400
        async with tracing(config, exporter(Otel(endpoint=collector.url)), metrics.spans) as told:
            told.stored(Recorded(exchange(), SEEN))
    assert counted(metrics) == {"failed": 1}


class Stuck(SpanExporter):
    """A collector that takes for ever."""

    def __init__(self) -> None:
        self.released = traces.threading.Event()

    def export(self, _: object) -> SpanExportResult:
        self.released.wait()
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None: ...


async def test_what_waits_is_bounded(config: Config, metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a collector that hangs, spans beyond the bound are dropped and counted, and stopping does not wait."""
    monkeypatch.setattr(traces, "WAITING", 20)
    monkeypatch.setattr(traces, "BATCH", 10)
    monkeypatch.setattr(traces, "STOP_S", 0.01)
    stuck = Stuck()
    async with tracing(config, stuck, metrics.spans) as told:
        for _ in range(50):
            told.stored(Recorded(exchange(), SEEN))
    assert counted(metrics) == {"dropped": 30}
    stuck.released.set()


async def test_other_traffic_is_not_told_of(config: Config, metrics: Metrics) -> None:
    """Neither what is no model call, nor an arm that is configured no more."""
    stuck = Stuck()
    stuck.released.set()
    async with tracing(config, stuck, metrics.spans) as told:
        told.stored(Recorded(exchange(path="/api/v1/models", method="GET"), Observation()))
        told.ended(Replay(exchange_id(0), "gone", ReplayOutcome.COMPLETED, None, 1.0, None, exchange(), SEEN))
    assert counted(metrics) == {}


async def test_a_span_that_cannot_be_made_is_logged(
    config: Config, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    """Recording goes on, whatever is wrong with one."""
    stuck = Stuck()
    stuck.released.set()
    async with tracing(config, stuck, metrics.spans) as told:
        told.stored(Recorded(exchange(exchange_id="no UUID"), SEEN))
    assert "a span could not be made: ValueError in " in caplog.text


async def test_recording_goes_on_without_traces(
    config: Config, metrics: Metrics, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file of headers that has vanished since the start is logged, and no recorder fails for it."""
    otel = Otel(endpoint="http://127.0.0.1:9", headers_file=tmp_path / "gone")
    async with recorder._tracing(replace(config, otel=otel), metrics) as told:
        assert told is None
    assert "no traces are sent: FileNotFoundError" in caplog.text
