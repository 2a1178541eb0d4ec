"""What the recorder answers on its socket: the inbox, its metrics, and the pages that the admin port passes on."""

import asyncio
from functools import partial

from aiohttp import web

from shadow.exposition import style_for
from shadow.mirror.mirror import Mirror
from shadow.record.erasures import Erasures
from shadow.record.inbox import Inbox
from shadow.record.metrics import Metrics
from shadow.record.pause import Pause
from shadow.record.reports import Reports, style_of
from shadow.record.run import ordered
from shadow.record.stored import RefusedError, StoredReplays


def application(
    inbox: Inbox,
    mirror: Mirror,
    pause: Pause,
    metrics: Metrics,
    reports: Reports,
    erasures: Erasures,
    replays: StoredReplays,
    largest_batch: int,
) -> web.Application:
    """The recorder's HTTP application; a body beyond `largest_batch` is answered with 413."""

    async def expose(request: web.Request) -> web.Response:
        style = style_for(request.headers.get("Accept", ""))
        metrics.show(mirror.states(), paused=mirror.paused, unsettled=mirror.unsettled)
        page = await asyncio.to_thread(metrics.expose, style)  # up to 0.4 s, while candidates are being timed
        return web.Response(body=page, headers={"Content-Type": style.content_type})

    async def report(request: web.Request) -> web.Response:
        return await reports.page(request, style_of(request.headers.get("Accept", "")))

    async def begin_pause(_: web.Request) -> web.Response:
        pause.begin()
        return web.Response(text="Replays are paused. Traffic is forwarded and recorded as before.\n")

    async def end_pause(_: web.Request) -> web.Response:
        pause.end()
        return web.Response(text="Replays are running.\n")

    async def begin(request: web.Request) -> web.Response:
        try:
            return web.json_response(replays.begin(ordered(await request.read())), status=202)
        except RefusedError as error:
            return web.Response(status=409, text=f"{error}\n")
        except ValueError:
            return web.Response(status=400, text="Ask with a JSON object: candidate, and since, limit, rate if any.\n")

    async def progress(_: web.Request) -> web.Response:
        run = replays.progress()
        return web.Response(status=404, text="Nothing was begun.\n") if run is None else web.json_response(run)

    async def stop(_: web.Request) -> web.Response:
        replays.stop()
        return await progress(_)

    app = web.Application(client_max_size=largest_batch)
    app.router.add_post("/exchanges", inbox.receive)
    app.router.add_get("/metrics", expose)
    app.router.add_get("/", report)
    app.router.add_get("/report.json", partial(reports.page, style="json"))
    app.router.add_post("/-/pause", begin_pause)
    app.router.add_post("/-/resume", end_pause)
    app.router.add_post("/-/erase", erasures.begin)
    app.router.add_get("/-/erase", erasures.show)
    app.router.add_post("/-/replay", begin)
    app.router.add_get("/-/replay", progress)
    app.router.add_post("/-/replay/stop", stop)
    return app
