"""A small OpenTelemetry collector on loopback, of which tests ask what it was sent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """Takes spans over OTLP/HTTP in protobuf. While `status` is not 200, it refuses them."""

    def __init__(self) -> None:
        self.status = 200
        self.url = ""
        self.bodies: list[bytes] = []
        self.headers: list[Any] = []

    @property
    def resources(self) -> list[dict[str, Any]]:
        """Attributes of what each batch is from."""
        return [plain(each.resource.attributes) for each in self._batches()]

    @property
    def spans(self) -> list[Any]:
        """Every span taken, as protobuf."""
        return [span for each in self._batches() for scope in each.scope_spans for span in scope.spans]

    def _batches(self) -> list[Any]:
        return [each for body in self.bodies for each in ExportTraceServiceRequest.FromString(body).resource_spans]

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.status == 200:
            self.bodies.append(body)
            self.headers.append(request.headers)
        return web.Response(status=self.status)


def plain(attributes: Any) -> dict[str, Any]:
    """Attributes as a dictionary of texts and numbers."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """A collector that listens."""
    collector = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    collector.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield collector
    finally:
        await runner.cleanup()
