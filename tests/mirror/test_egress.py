"""The way out of the pod."""

from shadow.mirror.egress import proxy_for


def test_without_a_proxy_there_is_none():
    """The common case."""
    assert proxy_for("https://candidate.example/v1") is None


def test_the_scheme_chooses_the_proxy(monkeypatch):
    """HTTPS_PROXY is for https addresses, HTTP_PROXY for the others."""
    monkeypatch.setenv("HTTPS_PROXY", "http://tls.proxy:3128")
    monkeypatch.setenv("HTTP_PROXY", "plain.proxy:3128")
    assert proxy_for("https://candidate.example/v1") == "http://tls.proxy:3128"
    assert proxy_for("http://candidate.example/v1") == "http://plain.proxy:3128"


def test_hosts_inside_are_reached_directly(monkeypatch):
    """NO_PROXY names hosts and domains."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "localhost,.svc.cluster.local")
    assert proxy_for("https://vllm.models.svc.cluster.local/v1") is None
    assert proxy_for("https://candidate.example/v1") == "http://proxy:3128"
