"""The way out of the pod: the proxy that the environment names for a URL, and whom to trust, alike for all that leaves.

HTTPS_PROXY and HTTP_PROXY, by the URL's scheme, and NO_PROXY, each also in lower case, which wins: there is no standard
beyond what curl and Python's urllib agree on. Nothing else is read: aiohttp's `trust_env` would take keys out of
~/.netrc, too.
"""

import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit

PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """An egress proxy, spoken to in plain HTTP. `user` and `password` are those of its URL, unescaped; never shown."""

    host: str
    port: int
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def authorization(self) -> str | None:
        """The value of Proxy-Authorization (RFC 7617); None for a proxy without a user."""
        if not self.user:
            return None
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    @property
    def url(self) -> str:
        """The proxy as aiohttp takes it, user and password included."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@" if self.user else ""
        return f"http://{user}{host}:{self.port}"


def egress_proxy(url: str, environment: Mapping[str, str]) -> Proxy | None:
    """The proxy for a URL; None where it is reached directly.

    Raises ValueError, with what to do, for a proxy that cannot be spoken to: it is not left out in silence.
    """
    parts = urlsplit(url)
    named = _variable(environment, f"{parts.scheme}_proxy")
    if not named or _excluded(parts.hostname or "", parts.port or PORTS[parts.scheme], environment):
        return None
    try:
        proxy = urlsplit(named if "://" in named else f"http://{named}")
        port = proxy.port or PORTS["http"]
    except ValueError:
        proxy, port = urlsplit(""), 0  # urllib's own sentence may quote the password
    if proxy.scheme != "http" or not proxy.hostname:
        raise ValueError(
            f"{parts.scheme.upper()}_PROXY: only http:// proxies can be used; name one as http://HOST:PORT, "
            "or list in NO_PROXY what is reached without it"
        )
    return Proxy(proxy.hostname, port, unquote(proxy.username or ""), unquote(proxy.password or ""))


def trusting(extra_ca: Path | None) -> ssl.SSLContext:
    """TLS verified by the system's authorities and an own one, in PEM. OpenSSL reads SSL_CERT_FILE and SSL_CERT_DIR.

    Raises OSError where the file cannot be read or holds no certificate.
    """
    context = ssl.create_default_context()
    if extra_ca is not None:
        context.load_verify_locations(extra_ca)
    return context


def _variable(environment: Mapping[str, str], name: str) -> str:
    """Lower case first; one that is there and empty turns the other off."""
    return environment.get(name, environment.get(name.upper(), "")).strip()


def _excluded(host: str, port: int, environment: Mapping[str, str]) -> bool:
    """Whether NO_PROXY lists the host: `*`, a name, which covers what is under it, or either with a port."""
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    for entry in _variable(environment, "no_proxy").lower().split(","):
        name = entry.strip().lstrip(".")
        if name == "*" or name.strip("[]") == host or name == authority:
            return True
        if name and (host.endswith(f".{name}") or authority.endswith(f".{name}")):
            return True
    return False
