"""New connections: through proxies, races between addresses, and what a failure means."""

import asyncio
import socket
from pathlib import Path

import pytest

from shadow.egress import Proxy
from shadow.forward.dial import Address, DialError, Dialler, _Addresses, race
from shadow.forward.refusals import FAILED, TLS_FAILED, UNREACHABLE
from shadow.forward.upstream import Upstream
from tests.forward.conftest import running


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def test_request_through_a_proxy_names_the_upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An http upstream is asked of the proxy by its whole URL, the target as it came, with the proxy's credentials."""
    async with running(tmp_path) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.origin.url.replace("http://", "http://user:pass@"))
        (tmp_path / "behind").mkdir()
        async with running(tmp_path / "behind", upstream={"url": "http://upstream.example/base"}) as bench:
            answer = await bench.ask(b"GET /a%2Fb?c HTTP/1.1\r\nHost: sidecar\r\n\r\n")
    assert answer.endswith(b"\r\n\r\nok")
    assert proxy.origin.requests[0].startswith(
        b"GET http://upstream.example/base/a%2Fb?c HTTP/1.1\r\nHost: upstream.example\r\n"
    )
    assert b"\r\nProxy-Authorization: Basic " in proxy.origin.requests[0]


def address(port: int, host: str = "127.0.0.1") -> Address:
    return (socket.AF_INET, socket.SOCK_STREAM, 0, "", (host, port))


async def test_the_race_is_won_by_an_address_that_accepts() -> None:
    """One that refuses is passed over at once, whatever its head start."""
    with socket.create_server(("127.0.0.1", 0)) as open_, socket.create_server(("127.0.0.1", 0)) as closed:
        port, nobody = open_.getsockname()[1], closed.getsockname()[1]
        closed.close()
        won = await race([address(nobody), address(port)], head_start_s=60)
        assert won.getpeername()[1] == port
        won.close()


async def test_the_race_goes_on_while_an_address_is_silent() -> None:
    """One that never answers holds the next up for its head start only."""
    with socket.create_server(("127.0.0.1", 0)) as open_:
        port = open_.getsockname()[1]
        won = await race([address(9, "192.0.2.1"), address(port)], head_start_s=0.01)
        assert won.getpeername()[1] == port
        won.close()


async def test_a_race_nobody_wins_is_lost() -> None:
    """The first address's error is the one that is told."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        await race([address(nobody), address(nobody)], head_start_s=60)


async def test_addresses_of_both_families_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """IPv6 first, then IPv4, so that a family that leads nowhere costs one head start (RFC 8305, section 4)."""
    four = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (host, 80)) for host in ("192.0.2.1", "192.0.2.2")]
    six = [(socket.AF_INET6, socket.SOCK_STREAM, 0, "", ("2001:db8::1", 80, 0, 0))]

    async def found(*_args: object, **_kinds: object) -> list[Address]:
        return [*four, *six]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found, raising=False)
    assert await _Addresses("up.example", 80).get() == [six[0], four[0], four[1]]


async def test_the_other_family_is_reached_where_one_is_not() -> None:
    """A name with an IPv6 address on which nobody listens is reached by its IPv4 one."""
    with socket.create_server(("127.0.0.1", 0)) as open_:
        port = open_.getsockname()[1]
        nobody: Address = (socket.AF_INET6, socket.SOCK_STREAM, 0, "", ("::1", port, 0, 0))
        won = await race([nobody, address(port)], head_start_s=60)
        assert won.family is socket.AF_INET
        won.close()


async def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    """And is looked up again by the next attempt."""
    dialler = Dialler("http://no-such-host.invalid", timeout_s=5)
    for _ in range(2):
        with pytest.raises(DialError) as failed:
            await dialler.connect(Upstream)
        assert failed.value.refusal is UNREACHABLE


async def test_a_name_that_cannot_be_looked_up_is_told_as_a_failure() -> None:
    """What no resolver takes, because a part of it is empty, raises no error of a connection: clients hear of it."""
    with pytest.raises(DialError) as failed:
        await Dialler("https://openrouter..ai", timeout_s=5).connect(Upstream)
    assert failed.value.refusal is FAILED


async def test_a_silent_address_is_unreachable_in_time() -> None:
    """The time-out covers name, connection and TLS together."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(DialError) as failed:
            await Dialler(url, timeout_s=0.05).connect(Upstream)
    assert failed.value.refusal is UNREACHABLE


@pytest.mark.parametrize(
    ("answer", "reached"),
    [(b"HTTP/1.1 200 Connected\r\n\r\n", True), (b"HTTP/1.1 403 No\r\n\r\n", False), (b"HTTP/1.1 200", False)],
)
async def test_tls_goes_through_a_tunnel(answer: bytes, reached: bool) -> None:
    """The proxy is asked to connect to the upstream by name; only then does TLS begin."""
    asked = asyncio.get_running_loop().create_future()

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        hello = await reader.read(1) if reached else b""
        asked.set_result((head, hello))
        writer.close()

    async with await asyncio.start_server(proxy, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        dialler = Dialler("https://up.example", 5, Proxy("127.0.0.1", port, "u", "p"))
        with pytest.raises(DialError) as failed:
            await dialler.connect(Upstream)
        head, hello = await asked
    assert head == (
        b"CONNECT up.example:443 HTTP/1.1\r\nHost: up.example:443\r\nProxy-Authorization: Basic dTpw\r\n\r\n"
    )
    assert hello == (b"\x16" if reached else b"")  # the first byte of a TLS record
    assert failed.value.refusal in (UNREACHABLE, TLS_FAILED)
