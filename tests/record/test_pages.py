from collections.abc import AsyncIterator
from itertools import repeat
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from shadow.record.erasures import Erasures
from shadow.record.inbox import Inbox
from shadow.record.metrics import Metrics
from shadow.record.pages import application
from shadow.record.pause import Pause
from shadow.record.reports import Reports
from shadow.record.run import Order
from shadow.record.stored import RefusedError
from shadow.store.errors import Trouble
from tests.packing import packed
from tests.record.conftest import FakeMirror
from tests.record.samples import FakeEraser, FakeStore, exchange, sample


class FakeReplays:
    """Remembers what was ordered; one at a time."""

    def __init__(self) -> None:
        self.order: Order | None = None
        self.stopped = False

    def begin(self, order: Order) -> dict[str, object]:
        if self.order is not None:
            raise RefusedError("one at a time")
        self.order = order
        return {"state": "running"}

    def progress(self) -> dict[str, object] | None:
        return None if self.order is None else {"state": "stopped" if self.stopped else "running"}

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def replays() -> FakeReplays:
    return FakeReplays()


@pytest.fixture
async def client(
    inbox: Inbox, mirror: FakeMirror, metrics: Metrics, replays: FakeReplays, tmp_path: Path
) -> AsyncIterator[TestClient]:  # type: ignore[type-arg]
    reports, pause = Reports(Path("shadow.db")), Pause(mirror, tmp_path / "recorder.sock")
    app = application(inbox, mirror, pause, metrics, reports, Erasures(FakeEraser()), replays, largest_batch=100_000)  # type: ignore[arg-type]
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_a_batch_is_acknowledged(client: TestClient, store: FakeStore) -> None:  # type: ignore[type-arg]
    """204 and no body, once the batch is stored."""
    answer = await client.post("/exchanges", data=packed(exchange(0)))
    assert (answer.status, await answer.read(), len(store.added)) == (204, b"", 1)


async def test_a_malformed_batch_is_refused_for_good(client: TestClient) -> None:  # type: ignore[type-arg]
    """400 tells the forwarder that sending it again cannot help."""
    assert (await client.post("/exchanges", data=b"no frame")).status == 400


async def test_a_batch_that_breaks_the_recorder_is_refused_for_good(
    client: TestClient,  # type: ignore[type-arg]
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A mistake of ours must not hold up all that waits behind the batch; the log has its place and not its text."""

    def breaks(_: object, __: bytes) -> None:
        raise LookupError("a prompt")

    monkeypatch.setattr(Inbox, "_examine", breaks)
    assert (await client.post("/exchanges", data=packed(exchange(0)))).status == 400
    assert "LookupError in " in caplog.text
    assert "a prompt" not in caplog.text


async def test_a_store_in_trouble_asks_for_patience(client: TestClient, store: FakeStore) -> None:  # type: ignore[type-arg]
    """503 tells the forwarder to keep the batch and send it again; the kind of trouble is counted."""
    store.troubles = repeat(Trouble.DISK_FULL)
    assert (await client.post("/exchanges", data=packed(exchange(0)))).status == 503
    text = await (await client.get("/metrics")).text()
    assert sample(text, "shadow_store_errors_total", trouble="disk_full") == 1


async def test_a_batch_beyond_the_bound_is_refused(client: TestClient) -> None:  # type: ignore[type-arg]
    """413: no batch may be larger than all that the handoff holds."""
    assert (await client.post("/exchanges", data=bytes(200_000))).status == 413


async def test_metrics_are_prometheus_text(client: TestClient) -> None:  # type: ignore[type-arg]
    """The scrape has the type that Prometheus expects."""
    answer = await client.get("/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "# TYPE shadow_exchanges_total counter" in await answer.text()


async def test_replays_can_be_paused_and_resumed(client: TestClient, mirror: FakeMirror) -> None:  # type: ignore[type-arg]
    """An operator stops replays and lets them run again, and the metrics show it."""
    assert (await client.post("/-/pause")).status == 200
    assert mirror.paused
    assert sample(await (await client.get("/metrics")).text(), "shadow_replays_paused") == 1
    assert (await client.post("/-/resume")).status == 200
    assert not mirror.paused


async def test_reading_does_not_pause(client: TestClient, mirror: FakeMirror) -> None:  # type: ignore[type-arg]
    """A link or a crawler changes nothing."""
    assert ((await client.get("/-/pause")).status, mirror.paused) == (405, False)


async def test_a_replay_of_what_is_stored_is_begun_watched_and_stopped(
    client: TestClient,  # type: ignore[type-arg]
    replays: FakeReplays,
) -> None:
    """202 with how far it is; one at a time is 409, with the reason; nothing to tell of is 404."""
    assert (await client.get("/-/replay")).status == 404
    order = {"candidate": "ferry", "since": 1.5, "limit": 3, "rate": 2}
    begun = await client.post("/-/replay", json=order)
    assert (begun.status, await begun.json(), replays.order) == (202, {"state": "running"}, Order("ferry", 1.5, 3, 2))
    again = await client.post("/-/replay", json=order)
    assert (again.status, await again.text()) == (409, "one at a time\n")
    assert await (await client.get("/-/replay")).json() == {"state": "running"}
    assert await (await client.post("/-/replay/stop")).json() == {"state": "stopped"}


@pytest.mark.parametrize("order", [b"no JSON", b"[]", b"{}", b'{"candidate": "ferry", "limit": 0}'])
async def test_an_order_that_is_none_is_refused(client: TestClient, order: bytes) -> None:  # type: ignore[type-arg]
    """400, and nothing is begun."""
    assert (await client.post("/-/replay", data=order)).status == 400
    assert (await client.get("/-/replay")).status == 404


@pytest.mark.parametrize(("accept", "style"), [("text/html,*/*;q=0.8", "html"), ("*/*", "text")])
async def test_browsers_are_shown_a_page(
    client: TestClient,  # type: ignore[type-arg]
    monkeypatch: pytest.MonkeyPatch,
    accept: str,
    style: str,
) -> None:
    """At the same address as the text that everything else gets."""

    async def page(_: Reports, __: web.Request, style: str) -> web.Response:
        return web.Response(text=style)

    monkeypatch.setattr(Reports, "page", page)
    assert await (await client.get("/", headers={"Accept": accept})).text() == style
