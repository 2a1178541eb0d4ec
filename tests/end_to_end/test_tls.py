"""The upstream over TLS: verified always, by the system's authorities or one of the operator's own."""

import ssl
from pathlib import Path

import aiohttp
import pytest
import trustme

from shadow.demo.provider import StandIn
from shadow.demo.script import Close, Script, Send, head, whole
from tests.end_to_end.sidecar import running
from tests.end_to_end.test_faults import ANSWER, CHAT, JSON, QUESTION, answering, ask


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An authority that no system trusts."""
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """A server's side of TLS for the loopback address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    """The authority's certificate, in a file beside the configuration."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return "ca.pem"


async def test_an_own_authority_is_trusted(
    http: aiohttp.ClientSession, tmp_path: Path, tls: ssl.SSLContext, ca_file: str
) -> None:
    """With `upstream.ca_file`, a certificate of that authority is accepted; the bytes are those of any upstream."""
    async with (
        StandIn(answering, tls=tls) as upstream,
        running(tmp_path, upstream.url, upstream={"url": upstream.url, "ca_file": ca_file}) as sidecar,
    ):
        assert await ask(http, sidecar) == (200, ANSWER)
        assert upstream.received[0].body == QUESTION


async def test_an_unknown_authority_is_refused(
    http: aiohttp.ClientSession, tmp_path: Path, tls: ssl.SSLContext
) -> None:
    """Without it the request goes nowhere: a marked 502, and the upstream has seen no byte of it."""
    async with (
        StandIn(answering, tls=tls) as upstream,
        running(tmp_path, upstream.url) as sidecar,
        http.post(f"{sidecar.url}{CHAT}", data=QUESTION) as answer,
    ):
        assert (answer.status, answer.headers["X-Shadow-Error"]) == (502, "upstream_tls_failed")
        assert upstream.received == []


@pytest.mark.parametrize(
    "script",
    [
        (Send(head(200, (*JSON, ("content-length", "1000"))) + b"{"), Close()),
        (Send(head(200, (*JSON, ("transfer-encoding", "chunked"))) + b"5\r\n{"), Close()),
    ],
    ids=["short-of-its-length", "inside-a-chunk"],
)
async def test_a_truncated_answer_stays_truncated(
    http: aiohttp.ClientSession, tmp_path: Path, tls: ssl.SSLContext, ca_file: str, script: Script
) -> None:
    """A break behind TLS is a break in front of the sidecar, never a clean end."""
    async with (
        StandIn(lambda _: script, tls=tls) as upstream,
        running(tmp_path, upstream.url, upstream={"url": upstream.url, "ca_file": ca_file}) as sidecar,
        http.post(f"{sidecar.url}{CHAT}", data=QUESTION) as answer,
    ):
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


async def test_connections_are_kept(
    http: aiohttp.ClientSession, tmp_path: Path, tls: ssl.SSLContext, ca_file: str
) -> None:
    """A second request does not pay for a second handshake."""
    async with (
        StandIn(lambda _: whole(200, JSON, ANSWER), tls=tls) as upstream,
        running(tmp_path, upstream.url, upstream={"url": upstream.url, "ca_file": ca_file}) as sidecar,
    ):
        for _ in range(3):
            assert await ask(http, sidecar) == (200, ANSWER)
        assert upstream.connections == 1
