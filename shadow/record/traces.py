"""Sends spans to an OpenTelemetry collector, over OTLP/HTTP, with OpenTelemetry's own SDK: the extra `otel`.

A thread of the SDK sends what waits, in batches. What does not fit into the bound is dropped, what the collector does
not take is let go, and both are counted; the rows are in the store in any case.
"""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, Status, StatusCode
from prometheus_client import Counter

from shadow import __version__
from shadow.config import Config, Otel
from shadow.events import Event
from shadow.exchange import PRIMARY, Recorded, Replay
from shadow.log import tell, where
from shadow.record.metrics import SpanResult
from shadow.record.spans import Span, of_primary, of_replay, servers

WAITING: Final = 4096  # about 2 KB each; a collector that restarts is back before they fill
BATCH: Final = 512
DELAY_S: Final = 2.0
TIMEOUT_S: Final = 5.0  # of one batch, retries included
STOP_S: Final = 1.0  # for what still waits; the recorder has to store and close within its own time
SERVICE: Final = "shadow-sidecar"


def exporter(otel: Otel) -> SpanExporter:
    """The way to the configured collector. Raises OSError or KeyError where what authorises it cannot be had."""
    return OTLPSpanExporter(f"{otel.endpoint}/v1/traces", headers=otel.headers(), timeout=TIMEOUT_S)


@asynccontextmanager
async def tracing(config: Config, exporter: SpanExporter, counted: Counter) -> AsyncIterator["Traces"]:
    """Where spans go inside the context; what waits at its end is sent, if that does not take long."""
    traces = Traces(config, _Bounded(exporter, counted))
    try:
        yield traces
    finally:
        # Not the loop's executor: that would be waited for however long a collector takes.
        stopping = threading.Thread(target=traces.stop, daemon=True)
        stopping.start()
        await asyncio.to_thread(stopping.join, STOP_S)


class Traces:
    """Makes spans of what the recorder has committed."""

    def __init__(self, config: Config, processor: BatchSpanProcessor) -> None:
        self._servers = servers(config)
        self._ids = _Ids()
        resource = {"service.name": os.environ.get("OTEL_SERVICE_NAME", SERVICE), "service.version": __version__}
        self._provider = TracerProvider(ALWAYS_ON, Resource.create(resource), False, id_generator=self._ids)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("shadow", __version__)

    def stored(self, recorded: Recorded) -> None:
        """Tell of a new exchange. Never raises."""
        self._tell(partial(of_primary, recorded.exchange, recorded.observation, self._servers[PRIMARY]))

    def ended(self, replay: Replay) -> None:
        """Tell of a replay. An arm that is configured no more has nobody to name. Never raises."""
        if (server := self._servers.get(replay.arm)) is not None:
            self._tell(partial(of_replay, replay, server))

    def stop(self) -> None:
        """Send what waits, and end the thread."""
        self._provider.shutdown()

    def _tell(self, describe: Callable[[], Span | None]) -> None:
        try:
            if (told := describe()) is not None:
                self._start(told).end(told.ended_ns)
        except Exception as error:  # noqa: BLE001 (whatever is wrong with one span, recording goes on)
            tell(Event.SPAN_UNTOLD, error=where(error))

    def _start(self, told: Span) -> trace.Span:
        self._ids.next = told
        context = None
        if told.parent_id is not None:
            flags = trace.TraceFlags(trace.TraceFlags.SAMPLED)
            parent = trace.SpanContext(told.trace_id, told.parent_id, is_remote=True, trace_flags=flags)
            context = trace.set_span_in_context(trace.NonRecordingSpan(parent))
        span = self._tracer.start_span(told.name, context, SpanKind.CLIENT, told.attributes, start_time=told.started_ns)
        if told.error is not None:
            span.set_status(Status(StatusCode.ERROR))
        return span


class _Ids(IdGenerator):
    """Gives a span the ids that it has by its exchange."""

    next: Span

    def generate_span_id(self) -> int:
        return self.next.span_id

    def generate_trace_id(self) -> int:
        return self.next.trace_id


class _Bounded(BatchSpanProcessor):
    """The SDK's processor, and a count of what becomes of every span."""

    def __init__(self, exporter: SpanExporter, counted: Counter) -> None:
        self._lock = threading.Lock()
        self._waiting = 0
        self._counted = counted
        super().__init__(_Counted(exporter, self._sent), WAITING, DELAY_S * 1000, BATCH)

    def on_end(self, span: ReadableSpan) -> None:
        with self._lock:
            full = self._waiting >= WAITING
            self._waiting += not full
        if full:
            self._counted.labels(SpanResult.DROPPED.value).inc()
        else:
            super().on_end(span)

    def _sent(self, count: int, result: SpanResult) -> None:
        with self._lock:
            self._waiting -= count
        self._counted.labels(result.value).inc(count)


class _Counted(SpanExporter):
    """An exporter that says of every batch how it went."""

    def __init__(self, exporter: SpanExporter, told: Callable[[int, SpanResult], None]) -> None:
        self._exporter = exporter
        self._told = told

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        self._told(len(spans), SpanResult.EXPORTED if result is SpanExportResult.SUCCESS else SpanResult.FAILED)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()
