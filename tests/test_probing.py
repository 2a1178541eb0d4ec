"""What `shadow check --probe` finds, on real sockets."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from shadow import probing
from shadow.config import Candidate, ClickHouse, Config, Control, Storage, Upstream
from shadow.probing import Found, probe, probe_directory
from shadow.store.clickhouse.client import Client
from shadow.store.clickhouse.migrations import prepare
from tests.clickhouse import Database

KEY = "sk-canary-of-the-probe"


class Provider:
    """Answers anything with `status` and `body`, and keeps what it was asked."""

    def __init__(self) -> None:
        self.status, self.body = 200, '{"data": [{"id": "gpt-4o-mini"}]}'
        self.asked: list[web.BaseRequest] = []
        self.url = ""

    async def answer(self, request: web.BaseRequest) -> web.Response:
        self.asked.append(request)
        return web.Response(status=self.status, text=self.body, headers={"Location": "http://127.0.0.1:9/"})


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    one = Provider()
    runner = web.ServerRunner(web.Server(one.answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    one.url = f"http://127.0.0.1:{site.port}"
    yield one
    await runner.cleanup()


def config(url: str, directory: Path, **models: str | None) -> Config:
    """The same endpoint as the upstream and as the only candidate."""
    (directory / "key").write_text(KEY)
    ferry = Candidate(name="ferry", url=url, api_key_file=directory / "key", models=models or {"a": "gpt-4o-mini"})
    return Config(
        upstream=Upstream(url=url),
        consent_default="deny",
        candidates=(ferry,),
        store=Storage(path=directory / "shadow.db"),
    )


async def found(config: Config) -> list[Found]:
    return [one async for one in probe(config)]


async def test_all_is_well(provider: Provider, tmp_path: Path) -> None:
    """The upstream answers, the candidate takes its key and lists the mapped model, the store has room."""
    upstream, candidate, store = await found(config(provider.url, tmp_path))
    assert (upstream.well, candidate.well, store.well) == (True, True, True)
    assert upstream.said.startswith("answers (200)")
    assert candidate.said == "takes the key, and lists every model of the map"
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


async def test_the_key_goes_to_the_candidate_alone(provider: Provider, tmp_path: Path) -> None:
    """The upstream is asked without one."""
    await found(config(provider.url, tmp_path))
    assert [(one.path, one.headers.get("Authorization")) for one in provider.asked] == [
        ("/", None),
        ("/models", f"Bearer {KEY}"),
    ]


@pytest.mark.parametrize(
    ("status", "body", "well", "said"),
    [
        (401, "{}", False, "refuses the key (401)"),
        (403, "{}", False, "refuses the key (403)"),
        (404, "{}", True, "answers (404), and lists no models"),
        (302, "", True, "answers (302)"),
        (200, "<html>", True, "answers (200), and lists no models"),
        (200, '{"data": [{"id": "other"}]}', False, "does not list gpt-4o-mini: look at `models`"),
    ],
)
async def test_what_a_candidate_answers(
    provider: Provider, tmp_path: Path, status: int, body: str, well: bool, said: str
) -> None:
    """A refused key and a model that is not there are mistakes; an endpoint without a list of models is not."""
    provider.status, provider.body = status, body
    _, candidate, _ = await found(config(provider.url, tmp_path))
    assert (candidate.well, said in candidate.said) == (well, True), candidate.said


@pytest.mark.parametrize(
    ("status", "said", "well"),
    [
        (200, "takes the key", True),
        (401, "refuses the key (401): look at api_key_env or api_key_file", False),
        (404, "answers (404), and not as OpenRouter", True),
    ],
)
async def test_the_control_is_asked_about_its_key(
    provider: Provider, tmp_path: Path, status: int, said: str, well: bool
) -> None:
    """OpenRouter lists its models to everybody, so that only the key's own page tells whether it is taken."""
    provider.status = status
    control = Control(url=provider.url, api_key_file=tmp_path / "key")
    _, _, one, _ = await found(replace(config(provider.url, tmp_path), control=control))
    assert (one.what, one.said, one.well) == (f"control {provider.url}", said, well)
    assert [(one.path, one.headers.get("Authorization")) for one in provider.asked][-1] == ("/key", f"Bearer {KEY}")


async def test_models_that_are_not_replayed_need_not_be_there(provider: Provider, tmp_path: Path) -> None:
    """`null` in the model map is no model."""
    _, candidate, _ = await found(config(provider.url, tmp_path, a="gpt-4o-mini", b=None))
    assert candidate.well


async def test_nobody_there(tmp_path: Path, nobody: str) -> None:
    """A refused connection is told as such."""
    upstream, candidate, _ = await found(config(f"http://{nobody}", tmp_path))
    assert (upstream.well, candidate.well) == (False, False)
    assert upstream.said.startswith("no connection: ")


async def test_a_proxy_password_is_not_shown(tmp_path: Path, nobody: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the egress proxy is what fails, its address stays out of the answer."""
    monkeypatch.setenv("http_proxy", f"http://user:hunter2@{nobody}")
    for one in await found(config("http://upstream.example", tmp_path)):
        assert "hunter2" not in one.said


def test_a_directory_that_takes_no_files() -> None:
    """A store in a place that cannot be written to says what to change."""
    found = probe_directory(Path("/proc/shadow"))
    assert (found.well, found.said.endswith("; change `store.path`")) == (False, True)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too little room is told before rows are lost for it."""
    monkeypatch.setattr(probing, "FREE_LEAST", 1 << 80)
    found = probe_directory(tmp_path / "not" / "there" / "yet")
    assert (found.well, found.said.startswith("only ")) == (False, True)


async def of_clickhouse(provider: Provider, directory: Path, settings: ClickHouse) -> Found:
    asked = config(provider.url, directory)
    return (await found(replace(asked, store=replace(asked.store, clickhouse=settings))))[-1]


async def test_clickhouse_is_asked_for_its_tables(
    provider: Provider, tmp_path: Path, clickhouse_database: Database
) -> None:
    """Before and after they are made; the probe makes nothing."""
    settings = clickhouse_database.settings
    before = await of_clickhouse(provider, tmp_path, settings)
    assert (before.well, before.said) == (True, "answers; the first start makes the tables")
    by_hand = await of_clickhouse(provider, tmp_path, replace(settings, create_tables=False))
    assert (by_hand.well, "shadow schema --clickhouse" in by_hand.said) == (False, True)
    client = Client(settings, 10)
    await prepare(client, create=True)
    await client.close()
    after = await of_clickhouse(provider, tmp_path, settings)
    assert (after.well, after.said) == (True, f"has the tables in {settings.database}")


async def test_a_clickhouse_that_is_not_there_is_told(provider: Provider, tmp_path: Path) -> None:
    """With its URL and why."""
    told = await of_clickhouse(provider, tmp_path, ClickHouse(url="http://127.0.0.1:1"))
    assert told == Found(
        "ClickHouse http://127.0.0.1:1", well=False, said="http://127.0.0.1:1 cannot be reached: ClientConnectorError"
    )
