"""Who may see the recorder's pages and give commands: whoever has the token, and without one, this pod alone.

A browser on this machine is not this pod. Pages that it shows may ask for any address: browsers say so in
`Sec-Fetch-Site` (Fetch Metadata Request Headers, W3C), older ones in `Origin`. Or such a page comes under a name of its
own that leads here (DNS rebinding): on loopback, metrics are not for it either.
"""

from hmac import compare_digest
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from shadow.config import Admin
from shadow.values import is_loopback

READING: Final = frozenset({"GET", "HEAD"})
OWN_PAGES: Final = frozenset({"none", "same-origin"})  # typed or scripted, and what a page of this port asks for

OTHERS_REACH_IT: Final = "Other machines reach this port: set admin.token_file, and who holds it is served this page.\n"
ANOTHER_SITE: Final = "A page of another site asked for this in your browser.\n"
ANOTHER_NAME: Final = "Ask for localhost or 127.0.0.1: this port listens to this machine alone.\n"


class Access:
    """The rule, for one configuration."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin

    def refuse(self, request: web.Request) -> web.Response | None:
        """The answer to whoever may not; None for whoever may. The token is read anew, so that it can rotate."""
        if self._admin.token_file is None:
            reason = self._reason(request)
            return None if reason is None else web.Response(status=403, text=reason)
        try:
            token = self._admin.token_file.read_text().strip()
        except OSError:
            return web.Response(status=503, text="The file of the token cannot be read.\n")
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if token and compare_digest(given.encode(), token.encode()):
            return None
        return web.Response(status=401, text="This page asks for the token.\n", headers={"WWW-Authenticate": "Bearer"})

    def refuse_metrics(self, request: web.Request) -> web.Response | None:
        """The answer to a page of another site that asks for metrics; None for everybody else."""
        if not self._admin.listen.loopback or _is_here(request.host):
            return None
        return web.Response(status=403, text=ANOTHER_NAME)

    def _reason(self, request: web.Request) -> str | None:
        """Why whoever has no token may not; None where none is asked for."""
        if not self._admin.listen.loopback:
            return OTHERS_REACH_IT
        if request.method not in READING and _is_of_another_site(request):
            return ANOTHER_SITE
        return None if _is_here(request.host) else ANOTHER_NAME


def _is_of_another_site(request: web.Request) -> bool:
    """Whether a page of one asked, by what the browser says of it. What is no browser says nothing."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in OWN_PAGES
    own = f"http://{request.host}"
    return request.headers.get("Origin", own) != own


def _is_here(host: str) -> bool:
    """Whether a Host header names this machine by a name that nobody else can give it."""
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False
