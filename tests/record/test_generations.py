from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from shadow.config import Upstream
from shadow.demo.provider import StandIn
from shadow.demo.request import Request
from shadow.demo.scenarios.endpoints import generation
from shadow.demo.script import Close, Headers, Reset, Script, Send, head, whole
from shadow.exchange import Attribution, Usage
from shadow.record.delayed_cost import Owed
from shadow.record.generations import MAX_BYTES, generations
from shadow.wire.generation import Generation

JSON: Headers = (("content-type", "application/json"),)
KEY = "sk-or-v1-secret"
FACTS = b'{"data": {"total_cost": 0.1}}'


def owed(generation_id: str = "gen-1", credential: str = KEY) -> Owed:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    names = (None, None)
    return Owed("id", generation_id, "/api/v1/generation", at, Attribution(), names, Usage(), credential)


async def ask(url: str, one: Owed) -> Generation | None:
    async with generations(Upstream(url=url)) as upstream:
        return await upstream.ask(one)


def answering(status: int = 200, body: bytes = FACTS, headers: Headers = JSON) -> Callable[[Request], Script]:
    return lambda _: whole(status, headers, body)


async def test_the_facts_are_asked_for_with_the_clients_key() -> None:
    """One GET beside the call, with the id escaped and the client's key; nothing else of the client's."""
    async with StandIn(answering()) as upstream:
        found = await ask(upstream.url, owed("gen-1&x=/../é"))
        [request] = upstream.received
    assert found is not None
    assert found.reported.cost == Decimal("0.1")
    assert request.head.method == "GET"
    assert request.head.target == "/api/v1/generation?id=gen-1%26x%3D%2F..%2F%C3%A9"
    assert request.head.header("authorization") == f"Bearer {KEY}"
    names = {name.decode().lower() for name, _ in request.head.headers}
    assert names == {"host", "accept", "accept-encoding", "user-agent", "authorization"}


async def test_a_base_in_the_upstreams_url_is_kept() -> None:
    """An upstream behind a path is asked behind that path."""
    async with StandIn(answering()) as upstream:
        await ask(f"{upstream.url}/behind", owed())
        assert upstream.received[0].head.path == "/behind/api/v1/generation"


async def test_late_facts_are_there_later() -> None:
    """Not found is nothing yet; the same question succeeds once the facts are in."""
    counts = iter(range(3))
    late = generation(cancelled=True)
    async with (
        StandIn(lambda request: late(request, next(counts))) as upstream,
        generations(Upstream(url=upstream.url)) as upstreams,
    ):
        found = [await upstreams.ask(owed()) for _ in range(3)]
    assert found[:2] == [None, None]
    assert found[2] is not None
    assert (found[2].reported.cost, found[2].cancelled) == (Decimal("0.0000102"), True)


@pytest.mark.parametrize(
    "answer",
    [
        answering(401),
        answering(404),
        answering(429),
        answering(500),
        answering(body=b"<html>"),
        answering(body=FACTS + b" " * MAX_BYTES),
        answering(headers=(*JSON, ("content-encoding", "gzip")), body=b"\x1f\x8b\x08"),
        lambda _: (Reset(),),
        lambda _: (Close(),),
        lambda _: (Send(head(200, (*JSON, ("content-length", "99"))) + FACTS), Close()),
        lambda _: (Send(b"nonsense\r\n\r\n"), Close()),
    ],
    ids=["401", "404", "429", "500", "html", "large", "gzip", "reset", "closed", "short", "nonsense"],
)
async def test_what_fails_is_nothing_yet(answer: Callable[[Request], Script]) -> None:
    """Errors, pages, resets and what is too large are None; nothing is raised."""
    async with StandIn(answer) as upstream:
        assert await ask(upstream.url, owed()) is None


async def test_a_redirect_is_not_followed() -> None:
    """The key goes to the configured upstream alone, whoever else is named."""
    async with StandIn(answering()) as elsewhere:
        moved = (("location", f"{elsewhere.url}/api/v1/generation?id=gen-1"),)
        async with StandIn(answering(302, b"", moved)) as upstream:
            assert await ask(upstream.url, owed()) is None
        assert elsewhere.received == []


async def test_nobody_there_is_nothing_yet(nobody: str) -> None:
    """A refused connection is no crash."""
    assert await ask(f"http://{nobody}", owed()) is None


async def test_what_cannot_be_a_header_is_not_sent() -> None:
    """A key that would break out of its header, and an id that no encoding takes, ask nothing."""
    async with StandIn(answering()) as upstream:
        assert await ask(upstream.url, owed(credential="k\r\nX-Other: 1")) is None
        assert await ask(upstream.url, owed("\ud800")) is None
        assert upstream.received == []


async def test_the_environments_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where egress goes through a proxy, this question does as well."""
    async with StandIn(answering()) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        found = await ask("http://openrouter.test", owed())
        assert proxy.received[0].head.target.startswith("http://openrouter.test/api/v1/generation")
    assert found is not None
