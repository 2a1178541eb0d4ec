"""The way upstream: proxies of the environment, and what broken connections mean."""

from pathlib import Path

import aiohttp
import pytest

from shadow.forward.refusals import DISCONNECTED, GARBLED, TIMED_OUT, TLS_FAILED, UNREACHABLE, Refusal
from shadow.forward.upstream import _refusal, egress_proxy
from tests.forward.conftest import running


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_proxy_of_the_urls_scheme_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTPS_PROXY is for https alone."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    found = (egress_proxy("https://openrouter.ai"), egress_proxy("http://openrouter.ai"))
    assert found == ("http://proxy.example:3128", None)


def test_proxy_without_a_scheme_is_an_http_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """`proxy:3128` is how many write it."""
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    assert egress_proxy("https://openrouter.ai") == "http://proxy.example:3128"


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


@pytest.mark.parametrize("excluded", ["openrouter.ai", ".openrouter.ai", "*", "x.example, openrouter.ai"])
def test_no_proxy_excludes_hosts(monkeypatch: pytest.MonkeyPatch, excluded: str) -> None:
    """NO_PROXY lists the hosts that are reached directly."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", excluded)
    assert egress_proxy("https://openrouter.ai") is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (aiohttp.ConnectionTimeoutError(), UNREACHABLE),
        (aiohttp.SocketTimeoutError(), TIMED_OUT),
        (aiohttp.ServerDisconnectedError(), DISCONNECTED),
        (aiohttp.ClientOSError(104, "reset"), DISCONNECTED),
        (aiohttp.ClientConnectorDNSError(None, OSError(-2, "unknown")), UNREACHABLE),  # type: ignore[arg-type]
        (aiohttp.ClientConnectorSSLError(None, OSError(1, "tls")), TLS_FAILED),  # type: ignore[arg-type]
        (aiohttp.ClientResponseError(None, ()), GARBLED),  # type: ignore[arg-type]
    ],
)
def test_errors_become_refusals(error: Exception, expected: Refusal) -> None:
    """Each way in which upstream fails has its own word, for the client and for the record."""
    assert _refusal(error) is expected
