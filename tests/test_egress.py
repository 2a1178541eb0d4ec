"""The proxy that the environment names for a URL."""

import pytest

from shadow.egress import Proxy, egress_proxy

OPENROUTER = "https://openrouter.ai"
PROXIED = {"HTTPS_PROXY": "http://proxy.example:3128"}
PROXY = Proxy("proxy.example", 3128)


def test_without_a_proxy_there_is_none() -> None:
    """The common case."""
    assert egress_proxy(OPENROUTER, {}) is None


def test_the_urls_scheme_chooses_the_variable() -> None:
    """HTTPS_PROXY is for https alone, HTTP_PROXY for http alone."""
    environment = {**PROXIED, "HTTP_PROXY": "http://plain.example:3128"}
    assert egress_proxy(OPENROUTER, environment) == PROXY
    assert egress_proxy("http://openrouter.ai", environment) == Proxy("plain.example", 3128)
    assert egress_proxy("http://openrouter.ai", PROXIED) is None


def test_lower_case_wins() -> None:
    """`https_proxy` goes before `HTTPS_PROXY`, and turns it off where it is empty."""
    environment = {"HTTPS_PROXY": "http://other.example", "https_proxy": "proxy.example:3128"}
    assert egress_proxy(OPENROUTER, environment) == PROXY
    assert egress_proxy(OPENROUTER, {**PROXIED, "https_proxy": ""}) is None


def test_a_proxy_without_a_scheme_is_an_http_proxy() -> None:
    """`proxy:3128` is how many write it."""
    assert egress_proxy(OPENROUTER, {"HTTPS_PROXY": "proxy.example:3128"}) == PROXY


@pytest.mark.parametrize(
    "excluded",
    ["openrouter.ai", ".openrouter.ai", "ai", "*", "x.example, *", "x.example,OpenRouter.AI ", "openrouter.ai:443"],
)
def test_no_proxy_excludes_hosts(excluded: str) -> None:
    """NO_PROXY lists what is reached directly: hosts, domains, either with a port, or everything."""
    assert egress_proxy(OPENROUTER, {**PROXIED, "NO_PROXY": excluded}) is None


@pytest.mark.parametrize("others", ["", ",", "router.ai", "api.openrouter.ai", "openrouter.ai:8443", "openrouter.ai.x"])
def test_no_proxy_excludes_no_others(others: str) -> None:
    """A name is matched by whole labels, a port exactly."""
    assert egress_proxy(OPENROUTER, {**PROXIED, "NO_PROXY": others}) == PROXY


@pytest.mark.parametrize("excluded", ["svc.cluster.local", "vllm.models.svc.cluster.local:8000", ".local:8000"])
def test_no_proxy_excludes_services_of_the_cluster(excluded: str) -> None:
    """What a pod's NO_PROXY usually lists."""
    environment = {"HTTP_PROXY": "http://proxy.example", "NO_PROXY": f"localhost,{excluded}"}
    assert egress_proxy("http://vllm.models.svc.cluster.local:8000/v1", environment) is None


@pytest.mark.parametrize("excluded", ["::1", "[::1]", "[::1]:9"])
def test_no_proxy_excludes_addresses(excluded: str) -> None:
    """An IPv6 address counts with and without its brackets."""
    assert egress_proxy("https://[::1]:9/v1", {**PROXIED, "NO_PROXY": excluded}) is None


def test_credentials_come_from_the_proxys_url() -> None:
    """User and password, unescaped, as Basic authorization; and escaped again where a URL is wanted."""
    proxy = egress_proxy(OPENROUTER, {"HTTPS_PROXY": "http://us%40er:pa%3Ass@proxy.example"})
    assert proxy == Proxy("proxy.example", 80, "us@er", "pa:ss")
    assert proxy is not None
    assert proxy.authorization == "Basic dXNAZXI6cGE6c3M="
    assert proxy.url == "http://us%40er:pa%3Ass@proxy.example:80"


def test_a_proxy_without_a_user_has_no_authorization() -> None:
    """Nothing is sent, not an empty user."""
    assert (PROXY.authorization, PROXY.url) == (None, "http://proxy.example:3128")


def test_a_proxy_at_an_address_has_a_url() -> None:
    """IPv6 addresses stand in brackets."""
    proxy = egress_proxy(OPENROUTER, {"HTTPS_PROXY": "http://[::1]:3128"})
    assert proxy == Proxy("::1", 3128)
    assert proxy is not None
    assert proxy.url == "http://[::1]:3128"


@pytest.mark.parametrize(
    "named",
    ["socks5://u:secret@proxy.example", "https://u:secret@proxy", "http://u:secret", "http://[secret", "http://"],
)
def test_a_proxy_that_cannot_be_used_is_refused(named: str) -> None:
    """A mistake to be told with what to do about it, and without the password."""
    with pytest.raises(ValueError, match=r"^HTTPS_PROXY: .* http://HOST:PORT") as refused:
        egress_proxy(OPENROUTER, {"HTTPS_PROXY": named})
    assert "secret" not in str(refused.value)


def test_a_proxy_is_not_asked_about_where_it_is_not_used() -> None:
    """One that could not be spoken to does no harm to what NO_PROXY lists."""
    assert egress_proxy(OPENROUTER, {"HTTPS_PROXY": "socks5://proxy", "NO_PROXY": "openrouter.ai"}) is None


def test_credentials_are_not_shown() -> None:
    """A record may end up in a log."""
    assert "secret" not in repr(Proxy("proxy", 80, "user", "secret"))
