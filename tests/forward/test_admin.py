"""The admin port, with the recorder up and down."""

from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from shadow.reload import Reloaded
from tests.forward.conftest import Bench, running


async def get(bench: Bench, path: str, method: str = "GET") -> tuple[int, str]:
    url = f"http://127.0.0.1:{bench.forwarder.admin_port}{path}"
    async with aiohttp.ClientSession() as session, session.request(method, url) as response:
        return response.status, await response.text()


@pytest.mark.parametrize(("path", "text"), [("/-/healthy", "healthy\n"), ("/-/ready", "ready\n")])
async def test_health_needs_no_recorder(tmp_path: Path, path: str, text: str) -> None:
    """The forwarder is healthy and ready without a recorder."""
    async with running(tmp_path, with_recorder=False) as bench:
        assert await get(bench, path) == (200, text)


async def test_readiness_ends_with_draining(bench: Bench) -> None:
    """A draining forwarder lives, and says that it takes no more."""
    await bench.forwarder.drain()
    assert (await get(bench, "/-/ready"), (await get(bench, "/-/healthy"))[0]) == ((503, "not ready\n"), 200)


async def test_metrics_are_both_registries(bench: Bench) -> None:
    """The recorder's metrics follow the forwarder's on one page."""
    _, text = await get(bench, "/metrics")
    assert "shadow_recorder_up 1.0\n" in text
    assert text.endswith("shadow_exchanges_total 1\n")


async def test_metrics_answer_with_the_recorder_down(tmp_path: Path) -> None:
    """A scrape with the recorder down succeeds and says so."""
    async with running(tmp_path, with_recorder=False) as bench:
        status, text = await get(bench, "/metrics")
    assert (status, "shadow_recorder_up 0.0\n" in text) == (200, True)


async def scrape(bench: Bench, accept: str) -> tuple[str, str]:
    """Type and text of the metrics, for a scraper that asks in this way."""
    url = f"http://127.0.0.1:{bench.forwarder.admin_port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url, headers={"Accept": accept}) as answer:
        return answer.headers["Content-Type"], await answer.text()


async def test_openmetrics_are_one_page(bench: Bench) -> None:
    """Whoever asks for OpenMetrics gets both halves in it, and the line that ends a page once, at its end."""
    kind, text = await scrape(bench, "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5")
    assert kind == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert text.endswith("shadow_exchanges_total 1\n# EOF\n")
    assert text.count("# EOF") == 1


async def test_openmetrics_answer_with_the_recorder_down(tmp_path: Path) -> None:
    """The forwarder's half alone is a whole page too."""
    async with running(tmp_path, with_recorder=False) as bench:
        _, text = await scrape(bench, "application/openmetrics-text")
    assert "shadow_recorder_up 0.0\n" in text
    assert text.endswith("# EOF\n")
    assert text.count("# EOF") == 1


@pytest.mark.parametrize(
    ("status", "kind", "page"),
    [
        (500, "application/openmetrics-text; version=1.0.0; charset=utf-8", "canary 1\n# EOF\n"),
        (200, "application/openmetrics-text; version=1.0.0; charset=utf-8", "canary 1\nshadow_exch"),
        (200, "text/plain; version=0.0.4; charset=utf-8", "canary 1\n"),
    ],
)
async def test_what_is_no_page_of_metrics_is_left_out(bench: Bench, status: int, kind: str, page: str) -> None:
    """An error, a page cut short or one in another style would spoil the forwarder's own half."""
    bench.inbox.metrics = lambda _: web.Response(status=status, body=page, headers={"Content-Type": kind})
    _, text = await scrape(bench, "application/openmetrics-text")
    assert "shadow_recorder_up 0.0\n" in text
    assert "canary" not in text


async def test_other_pages_are_the_recorders(bench: Bench) -> None:
    """The target reaches the recorder as it is, and its page comes back."""
    assert await get(bench, "/report.json?by=tenant&x=%26") == (200, "<p>a page</p>")
    assert bench.inbox.requests == [("GET", "/report.json?by=tenant&x=%26")]


async def test_commands_are_the_recorders(bench: Bench) -> None:
    """Pause and resume are passed on."""
    assert await get(bench, "/-/pause", "POST") == (200, "<p>a page</p>")
    assert bench.inbox.requests == [("POST", "/-/pause")]


async def test_reloading_is_the_services(tmp_path: Path) -> None:
    """It needs no recorder; what has changed is told, and a configuration with mistakes is a 400."""
    async with running(tmp_path, with_recorder=False) as bench:
        assert await get(bench, "/-/reload", "POST") == (200, "Nothing has changed.\n")
        bench.inbox.reloaded = Reloaded(problems="drain_s: must be more than 0\n")
        status, text = await get(bench, "/-/reload", "POST")
    assert (status, "the old one stays:\ndrain_s" in text) == (400, True)


async def test_reloading_asks_for_the_token(tmp_path: Path) -> None:
    """Promise 59: beyond loopback, without a token, nobody may."""
    async with running(tmp_path, admin={"listen": "0.0.0.0:0"}) as bench:
        assert (await get(bench, "/-/reload", "POST"))[0] == 403


async def test_pages_of_a_recorder_that_is_down_are_503(tmp_path: Path) -> None:
    """The answer says that traffic is not affected."""
    async with running(tmp_path, with_recorder=False) as bench:
        status, text = await get(bench, "/")
    assert (status, "forwarded all the same" in text) == (503, True)


@pytest.mark.parametrize("path", ["/exchanges", "/exchanges/", "/%65xchanges", "//exchanges"])
async def test_nobody_reaches_the_inbox_from_outside(bench: Bench, path: str) -> None:
    """Exchanges cannot be forged through the admin port."""
    status, _ = await get(bench, path, "POST")
    assert (status, bench.inbox.exchanges) == (404, [])


async def test_other_machines_need_a_token(tmp_path: Path) -> None:
    """Beyond loopback, health and metrics are there and the rest is not, until there is a token to ask for."""
    async with running(tmp_path, admin={"listen": "0.0.0.0:0"}) as bench:
        assert [(await get(bench, path))[0] for path in ("/-/healthy", "/-/ready", "/metrics")] == [200, 200, 200]
        assert (await get(bench, "/"))[0] == 403
        assert (await get(bench, "/-/pause", "POST"))[0] == 403
        assert bench.inbox.requests == [("GET", "/metrics")]


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("POST", {"Sec-Fetch-Site": "same-site"}, 403),
        ("POST", {"Sec-Fetch-Site": "same-origin"}, 200),
        ("POST", {}, 200),
        ("GET", {"Sec-Fetch-Site": "cross-site"}, 200),  # a link to it: no other page can read the answer
        ("POST", {"Origin": "https://evil.example"}, 403),  # a browser that does not tell the site
        ("POST", {"Origin": "null"}, 403),
        ("POST", {"Origin": "http://localhost:9090", "Host": "localhost:9090"}, 200),
        ("GET", {"Host": "evil.example:9090"}, 403),
        ("POST", {"Host": "evil.example"}, 403),
        ("GET", {"Host": "[::1"}, 403),
        ("GET", {"Host": "localhost:9090"}, 200),
        ("GET", {"Host": "[::1]:9090"}, 200),
    ],
)
async def test_a_browser_acts_for_no_other(bench: Bench, method: str, headers: dict[str, str], status: int) -> None:
    """Where someone forwards the port to their machine, pages of others must neither command nor read."""
    url = f"http://127.0.0.1:{bench.forwarder.admin_port}/-/pause"
    async with aiohttp.ClientSession() as session, session.request(method, url, headers=headers) as answer:
        assert answer.status == status
    assert len(bench.inbox.requests) == (status == 200)


async def test_metrics_are_for_no_other_name(bench: Bench) -> None:
    """They name tenants: a page under a name that leads here must not read them. Health tells nothing."""
    admin = f"http://127.0.0.1:{bench.forwarder.admin_port}"
    for path, status in (("/metrics", 403), ("/-/healthy", 200), ("/-/ready", 200)):
        headers = {"Host": "evil.example"}
        async with aiohttp.ClientSession() as session, session.get(admin + path, headers=headers) as answer:
            assert answer.status == status


async def test_the_token_opens_the_rest(tmp_path: Path) -> None:
    """Whoever holds it sees pages and gives commands; it is read anew, so that it can rotate."""
    token = tmp_path / "token"
    token.write_text("first\n")
    async with running(tmp_path, admin={"listen": "127.0.0.1:0", "token_file": token}) as bench:
        assert [await held(bench, one) for one in ("", "Bearer ", "Bearer second", "Bearer first")] == [
            401,
            401,
            401,
            200,
        ]
        token.write_text("second\n")
        assert [await held(bench, one) for one in ("Bearer first", "Bearer second")] == [401, 200]
        token.write_text("")
        assert await held(bench, "Bearer ") == 401
        assert (await get(bench, "/metrics"))[0] == 200


async def held(bench: Bench, authorization: str) -> int:
    """The status of a page for whoever sends this."""
    url = f"http://127.0.0.1:{bench.forwarder.admin_port}/"
    async with aiohttp.ClientSession() as session, session.get(url, headers={"Authorization": authorization}) as answer:
        return answer.status
