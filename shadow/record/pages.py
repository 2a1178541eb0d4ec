"""What the recorder answers on its socket: the inbox, its metrics, and the pages that the admin port passes on."""

from typing import Final

from aiohttp import web

from shadow.record.inbox import Inbox
from shadow.record.metrics import Metrics

METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def application(inbox: Inbox, metrics: Metrics, largest_batch: int) -> web.Application:
    """The recorder's HTTP application; a body beyond `largest_batch` is answered with 413."""

    async def expose(_: web.Request) -> web.Response:
        return web.Response(body=metrics.expose(), headers={"Content-Type": METRICS_TYPE})

    app = web.Application(client_max_size=largest_batch)
    app.router.add_post("/exchanges", inbox.receive)
    app.router.add_get("/metrics", expose)
    return app
