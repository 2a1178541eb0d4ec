"""What the recorder answers on its socket: the inbox, its metrics, and the pages that the admin port passes on."""

import asyncio
from functools import partial

from aiohttp import web

from shadow.exposition import style_for
from shadow.mirror.mirror import Mirror
from shadow.record.erasures import Erasures
from shadow.record.inbox import Inbox
from shadow.record.metrics import Metrics
from shadow.record.reports import Reports


def application(
    inbox: Inbox, mirror: Mirror, metrics: Metrics, reports: Reports, erasures: Erasures, largest_batch: int
) -> web.Application:
    """The recorder's HTTP application; a body beyond `largest_batch` is answered with 413."""

    async def expose(request: web.Request) -> web.Response:
        style = style_for(request.headers.get("Accept", ""))
        metrics.show(mirror.states(), paused=mirror.paused, unsettled=mirror.unsettled)
        page = await asyncio.to_thread(metrics.expose, style)  # up to 0.4 s, while candidates are being timed
        return web.Response(body=page, headers={"Content-Type": style.content_type})

    async def pause(_: web.Request) -> web.Response:
        mirror.pause()
        return web.Response(text="Replays are paused. Traffic is forwarded and recorded as before.\n")

    async def resume(_: web.Request) -> web.Response:
        mirror.resume()
        return web.Response(text="Replays are running.\n")

    app = web.Application(client_max_size=largest_batch)
    app.router.add_post("/exchanges", inbox.receive)
    app.router.add_get("/metrics", expose)
    app.router.add_get("/", partial(reports.page, style="text"))
    app.router.add_get("/report.json", partial(reports.page, style="json"))
    app.router.add_post("/-/pause", pause)
    app.router.add_post("/-/resume", resume)
    app.router.add_post("/-/erase", erasures.begin)
    app.router.add_get("/-/erase", erasures.show)
    return app
