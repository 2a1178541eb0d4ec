"""Reports for the admin pages, each computed by a process of its own.

A report reads many rows: in this process it would delay the timing of candidates. Nor may this process ever open its
own database a second time: to close any descriptor of it drops the writer's locks (https://sqlite.org/howtocorrupt.html,
"POSIX advisory locks canceled by a separate thread doing close()").
"""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from aiohttp import web
from multidict import MultiMapping

from shadow.page import INSTALLED
from shadow.priority import stand_back

OPTIONS: Final = ("candidate", "by", "since", "until", "where")  # as of `shadow report`
TIME_S: Final = 25.0  # the admin port waits a little longer
WRONG_USAGE: Final = 2  # the command's exit code
TYPES: Final = {"json": "application/json", "text": "text/plain", "html": "text/html"}
Style = Literal["json", "text", "html"]


class Reports:
    """Runs `shadow report` over a database, one at a time: a page that is reloaded must not take all processors."""

    def __init__(self, database: Path, command: tuple[str, ...] = (sys.executable, "-m", "shadow", "report")) -> None:
        self._database = database
        self._command = command
        self._turn = asyncio.Semaphore(1)

    async def page(self, request: web.Request, style: Style) -> web.Response:
        """The report that the query's parameters ask for; 400 where they are wrong, 503 where it takes too long."""
        options = [f"--{name}={value}" for name, value in asked(request.query)]
        if style == "html":
            options.append("--no-examples")  # who may see figures need not be who may read prompts
        try:
            async with asyncio.timeout(TIME_S), self._turn:
                code, out, told = await self._run(f"--db={self._database}", f"--format={style}", *options)
        except TimeoutError:
            return web.Response(status=503, text="The report takes too long for a page: run `shadow report`.\n")
        if code:
            return web.Response(status=400 if code == WRONG_USAGE else 503, body=told)
        return web.Response(body=out, content_type=TYPES[style], charset="utf-8")

    async def _run(self, *options: str) -> tuple[int, bytes, bytes]:
        """Exit code, output and complaints."""
        process = await asyncio.create_subprocess_exec(
            *(*self._command, *options),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        stand_back(process.pid)  # as it will by itself, but from its first moment on
        try:
            out, told = await process.communicate()
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        return await process.wait(), out, told


def style_of(accept: str) -> Style:
    """HTML for a browser, where it can be made; plain text for everything else."""
    return "html" if INSTALLED and "text/html" in accept else "text"


def asked(query: MultiMapping[str]) -> list[tuple[str, str]]:
    """The parameters that are options of the command, in order; others are left out."""
    return [(name, value) for name, value in query.items() if name in OPTIONS]
