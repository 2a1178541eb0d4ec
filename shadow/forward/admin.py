"""The admin port: health, readiness and metrics are the forwarder's own; every other page is the recorder's."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from shadow.exposition import style_for
from shadow.forward.access import READING, Access
from shadow.forward.metrics import Metrics
from shadow.forward.recorder_client import DOWN, RecorderClient
from shadow.reload import Reloaded

COMMANDS: Final = "/-/"  # all else that changes anything is the handoff's, which nobody may use from outside
PASSED_TO_RECORDER: Final = ("Accept", "Content-Type", "If-None-Match")
PASSED_BACK: Final = ("Cache-Control", "Content-Type", "ETag", "Location")
PAGE_REQUEST_MAX_BYTES: Final = 1 << 20  # commands of a few bytes

Reload = Callable[[], Awaitable[Reloaded]]


class Admin:
    """The pages of the admin port.

    `ready` tells whether the data port accepts, `access` who may see the rest, `reload` has the configuration read
    anew.
    """

    def __init__(
        self,
        access: Access,
        metrics: Metrics,
        recorder: RecorderClient,
        ready: Callable[[], bool],
        reload: Reload,
    ) -> None:
        self._access = access
        self._metrics = metrics
        self._recorder = recorder
        self._ready = ready
        self._reload = reload

    def application(self) -> web.Application:
        app = web.Application(client_max_size=PAGE_REQUEST_MAX_BYTES)
        app.router.add_get("/-/healthy", self._healthy)
        app.router.add_get("/-/ready", self._readiness)
        app.router.add_get("/metrics", self._expose)
        app.router.add_post("/-/reload", self._reloading)
        app.router.add_route("*", "/{page:.*}", self._page)
        return app

    async def _healthy(self, _request: web.Request) -> web.Response:
        return web.Response(text="healthy\n")

    async def _readiness(self, _request: web.Request) -> web.Response:
        return web.Response(text="ready\n") if self._ready() else web.Response(status=503, text="not ready\n")

    async def _expose(self, request: web.Request) -> web.Response:
        """Both registries in one page; with the recorder down, the forwarder's alone, which says so."""
        if (refused := self._access.refuse_metrics(request)) is not None:
            return refused
        style = style_for(request.headers.get("Accept", ""))
        try:
            theirs = await self._recorder.metrics(style)
        except DOWN:
            theirs = b""
        self._metrics.recorder_up.set(1 if theirs else 0)
        page = style.joined(self._metrics.expose(style), theirs)
        return web.Response(body=page, headers={"Content-Type": style.content_type})

    async def _reloading(self, request: web.Request) -> web.Response:
        if (refused := self._access.refuse(request)) is not None:
            return refused
        found = await self._reload()
        return web.Response(status=400 if found.problems else 200, text=str(found))

    async def _page(self, request: web.Request) -> web.StreamResponse:
        if request.method not in READING and not request.raw_path.startswith(COMMANDS):
            return web.Response(status=404, text="There is no such page.\n")
        if (refused := self._access.refuse(request)) is not None:
            return refused
        headers = {name: request.headers[name] for name in PASSED_TO_RECORDER if name in request.headers}
        try:
            answer = await self._recorder.page(request.method, request.raw_path, headers, await request.read())
        except DOWN:
            return web.Response(status=503, text="The recorder does not answer. Traffic is forwarded all the same.\n")
        try:
            passed = {name: answer.headers[name] for name in PASSED_BACK if name in answer.headers}
            return web.Response(status=answer.status, headers=passed, body=await answer.read())
        except DOWN:
            return web.Response(status=503, text="The recorder stopped in the middle of its answer.\n")
        finally:
            answer.release()
