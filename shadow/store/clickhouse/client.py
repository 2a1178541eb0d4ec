"""ClickHouse's HTTP interface: statements, rows in, sums out."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any, Final

import aiohttp
import orjson
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from shadow import USER_AGENT
from shadow.config import ClickHouse
from shadow.egress import egress_proxy, trusting
from shadow.store.clickhouse.errors import ClickHouseError, Refusal, refused

CONNECT_S: Final = 10.0
BROKEN: Final = (aiohttp.ClientError, HttpProcessingError, OSError, TimeoutError, ValueError)
# Numbers as numbers, and an error that comes late still with its status: the answer is held back until it is whole.
READING: Final = {"output_format_json_quote_64bit_integers": "0", "wait_end_of_query": "1"}


ROW: Final = b"\t\t["  # how a line of JSONCompact begins that is a row


class Client:
    """One server and one database on it, each call within `timeout_s`. Every method raises ClickHouseError.

    It connects when it is first used: a missing authority or proxy is trouble of that call, and may be mended.
    """

    def __init__(self, settings: ClickHouse, timeout_s: float) -> None:
        self._settings = settings
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_S)
        self._session: aiohttp.ClientSession | None = None

    @property
    def database(self) -> str:
        return self._settings.database

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def execute(self, statement: str) -> None:
        """Have a statement done."""
        await self._post(statement.encode(), {"wait_end_of_query": "1"})

    async def select(self, query: str, settings: Mapping[str, str] | None = None) -> list[list[Any]]:
        """The rows of a query that has few."""
        answer = await self._post(f"{query} FORMAT JSONCompact".encode(), {**READING, **(settings or {})})
        try:
            found: list[list[Any]] = orjson.loads(answer)["data"]
        except (ValueError, KeyError) as error:
            raise self._foreign() from error
        return found

    async def rows(self, query: str, settings: Mapping[str, str] | None = None) -> Iterator[list[Any]]:
        """The rows of a query, read one by one out of its answer: as objects they are ten times as large."""
        answer = await self._post(f"{query} FORMAT JSONCompact".encode(), {**READING, **(settings or {})})
        return self._read(BytesIO(answer))

    def _read(self, answer: BytesIO) -> Iterator[list[Any]]:
        """JSONCompact has a row a line, and all the rest elsewhere."""
        try:
            for line in answer:
                if line.startswith(ROW):
                    yield orjson.loads(line.strip(b"\t\n,"))
        except ValueError as error:
            raise self._foreign() from error

    def _foreign(self) -> ClickHouseError:
        return ClickHouseError(Refusal.FAILED, f"{self._settings.url} does not answer like ClickHouse")

    async def insert(
        self, table: str, columns: tuple[str, ...], compressed: bytes, settings: Mapping[str, str] | None = None
    ) -> None:
        """Add rows, RowBinary under gzip. Where it raises, they may be there all the same."""
        into = f"INSERT INTO {self.database}.{table} ({', '.join(columns)}) FORMAT RowBinary"
        await self._post(compressed, {"query": into, **(settings or {})}, {"Content-Encoding": "gzip"})

    async def _post(self, data: bytes, query: Mapping[str, str], headers: Mapping[str, str] | None = None) -> bytes:
        url = URL(f"{self._settings.url}/").with_query(query)
        try:
            credentials = self._credentials()
            session = await self._connected()
            async with session.post(
                url, data=data, headers={**(headers or {}), **credentials}, allow_redirects=False
            ) as response:
                answer = await response.read()
        except BROKEN as error:
            what = "does not answer in time" if isinstance(error, TimeoutError) else "cannot be reached"
            raise ClickHouseError(
                Refusal.UNREACHABLE, f"{self._settings.url} {what}: {type(error).__name__}"
            ) from error
        if response.status != 200:
            raise refused(response.status, answer)
        return answer

    def _credentials(self) -> dict[str, str]:
        """Headers with user and password as they are now: files may rotate."""
        try:
            user, password = self._settings.user(), self._settings.password()
        except (OSError, KeyError, UnicodeDecodeError) as error:
            raise ClickHouseError(Refusal.CREDENTIALS, "ClickHouse's user or password cannot be read") from error
        headers = {}
        if user is not None:
            headers["X-ClickHouse-User"] = user
        if password is not None:
            headers["X-ClickHouse-Key"] = password
        return headers

    async def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            trusted = await asyncio.to_thread(trusting, self._settings.ca_file)
            proxy = egress_proxy(self._settings.url, os.environ)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=trusted),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": USER_AGENT},
                timeout=self._timeout,
                proxy=proxy.url if proxy else None,
            )
        return self._session
