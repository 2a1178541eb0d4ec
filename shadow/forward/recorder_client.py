"""The way to the recorder: HTTP over its Unix socket. Every failure is a ClientError, OSError or TimeoutError."""

from pathlib import Path
from typing import Final

import aiohttp
from yarl import URL

from shadow.exposition import Style

ACCEPTED: Final = 204
BATCH_TIMEOUT_S: Final = 30  # a commit takes milliseconds; a recorder that hangs is asked again after this
PAGE_TIMEOUT_S: Final = 30  # a report over many rows
METRICS_TIMEOUT_S: Final = 2  # a scrape must not time out because the recorder hangs
DOWN: Final = (aiohttp.ClientError, OSError, TimeoutError)
AWAY: Final = (aiohttp.ClientConnectorError, TimeoutError)  # of those: whatever it died of, it was not this request


class RecorderClient:
    """A client of the recorder's socket."""

    def __init__(self, socket_path: Path) -> None:
        self.session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(str(socket_path)),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def add(self, batch: bytes) -> int:
        """Hand over frames. Returns the status: 204 once they are committed."""
        timeout = aiohttp.ClientTimeout(total=BATCH_TIMEOUT_S)
        async with self.session.post(_url("/exchanges"), data=batch, timeout=timeout) as response:
            await response.read()
            return response.status

    async def metrics(self, style: Style) -> bytes:
        """The recorder's metrics in this style. Raises ClientPayloadError where it answers anything but them."""
        timeout = aiohttp.ClientTimeout(total=METRICS_TIMEOUT_S)
        headers = {"Accept": style.content_type}
        async with self.session.get(_url("/metrics"), timeout=timeout, headers=headers) as response:
            page = await response.read()
            if response.status != 200 or response.headers.get("Content-Type") != style.content_type:
                raise aiohttp.ClientPayloadError("these are no metrics")
            if not style.whole(page):
                raise aiohttp.ClientPayloadError("the page is cut short")
            return page

    async def page(self, method: str, target: str, headers: dict[str, str], body: bytes) -> aiohttp.ClientResponse:
        """Whatever the recorder answers to a request for one of its pages; the caller releases it."""
        timeout = aiohttp.ClientTimeout(total=PAGE_TIMEOUT_S)
        return await self.session.request(
            method, _url(target), headers=headers, data=body or None, timeout=timeout, allow_redirects=False
        )

    async def close(self) -> None:
        await self.session.close()


def _url(target: str) -> URL:
    return URL(f"http://recorder{target}", encoded=True)
