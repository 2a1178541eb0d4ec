import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from shadow.record.reports import Reports, style_of
from shadow.store.sqlite import SQLiteStore
from tests.store.samples import recorded

Get = Callable[[Reports, str], Awaitable[ClientResponse]]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Path]:
    """A database that a recorder has open."""
    path = tmp_path / "shadow.db"
    store = await SQLiteStore.open(path)
    await store.add([recorded(number, "ferry") for number in range(3)])
    yield path
    await store.close()


@pytest.fixture
async def get() -> AsyncIterator[Get]:
    clients = []

    async def get(reports: Reports, target: str) -> ClientResponse:
        app = web.Application()
        app.router.add_get("/", partial(reports.page, style="text"))
        app.router.add_get("/page", partial(reports.page, style="html"))
        app.router.add_get("/report.json", partial(reports.page, style="json"))
        client: TestClient[web.Request, web.Application] = TestClient(TestServer(app))
        clients.append(client)
        await client.start_server()
        return await client.get(target)

    yield get
    for client in clients:
        await client.close()


async def test_the_report_is_json(database: Path, get: Get) -> None:
    """Programs get what `shadow report --format json` prints, over rows that were committed just now."""
    answer = await get(Reports(database), "/report.json?by=tenant,feature&where=tenant=acme")
    assert (answer.status, answer.content_type) == (200, "application/json")
    assert (await answer.json())["traffic"]["exchanges"] == 3


async def test_the_report_is_text(database: Path, get: Get) -> None:
    """People get what `shadow report` prints."""
    answer = await get(Reports(database), "/")
    assert (answer.status, answer.content_type) == (200, "text/plain")
    assert "ferry" in await answer.text()


async def test_a_wrong_parameter_is_told(database: Path, get: Get) -> None:
    """What the command would refuse is a bad request, in the command's words."""
    answer = await get(Reports(database), "/report.json?since=yesterday")
    assert answer.status == 400
    assert "neither an ISO 8601 time nor an age" in await answer.text()


async def test_parameters_are_no_options(database: Path, get: Get) -> None:
    """A page cannot be made to write a file or read another database: all that is passed on are values."""
    elsewhere = database.with_name("elsewhere")
    target = f"/report.json?out={elsewhere}&db=/nowhere&candidate=--out%3D{elsewhere}"
    assert (await get(Reports(database), target)).status == 400
    assert not elsewhere.exists()


async def test_a_database_that_cannot_be_read_is_told(tmp_path: Path, get: Get) -> None:
    """Without a database there is no report, and the page says why."""
    answer = await get(Reports(tmp_path / "nowhere.db"), "/report.json")
    assert answer.status == 503
    assert "cannot be read" in await answer.text()


async def test_a_report_that_takes_too_long_is_given_up(
    database: Path, get: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page says so instead of hanging, and the process is gone."""
    monkeypatch.setattr("shadow.record.reports.TIME_S", 0.05)
    hanging = Reports(database, (sys.executable, "-c", "import signal; signal.pause()"))
    answer = await get(hanging, "/")
    assert answer.status == 503
    assert "takes too long" in await answer.text()


async def test_a_report_gives_way_from_its_first_moment(
    database: Path, get: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process loads modules for a tenth of a second before it could do so itself."""
    behind: list[int] = []
    monkeypatch.setattr("shadow.record.reports.stand_back", behind.append)
    answer = await get(Reports(database, (sys.executable, "-c", "import os; print(os.getpid())")), "/")
    assert behind == [int(await answer.text())]


@pytest.mark.parametrize(
    ("accept", "style"),
    [("text/html,application/xhtml+xml,*/*;q=0.8", "html"), ("*/*", "text"), ("text/plain", "text"), ("", "text")],
)
def test_browsers_get_a_page(accept: str, style: str) -> None:
    """Who asks for HTML gets it; curl and scripts get text, as before."""
    assert style_of(accept) == style


def test_without_the_extra_browsers_get_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report that can be read is better than a page that cannot be made."""
    monkeypatch.setattr("shadow.record.reports.INSTALLED", False)
    assert style_of("text/html") == "text"


async def test_the_report_is_a_page(database: Path, get: Get) -> None:
    """The same that `shadow report --format html` writes."""
    answer = await get(Reports(database), "/page")
    assert (answer.status, answer.content_type) == (200, "text/html")
    assert "How sure are we?" in await answer.text()
