"""A real sidecar on loopback: `python -m shadow serve` as a child process, and what can be seen of it from outside."""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import yaml

T = TypeVar("T")

PATIENCE_S = 30.0  # how long a test waits for what must happen; never asserted, only to end a broken run


class Sidecar:
    """One running `shadow serve`. `url` takes client traffic, `admin` is the admin port."""

    def __init__(self, process: asyncio.subprocess.Process, directory: Path, config: dict[str, Any]) -> None:
        self.process = process
        self.directory = directory
        self.config_path = directory / "shadow.yaml"
        self.store = directory / "shadow.db"
        self.url = f"http://{config['listen']}"
        self.admin = f"http://{config['admin']['listen']}"
        self.log = directory / "log"

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """What a query of the store gives now, from a connection of its own."""
        if not self.store.exists():
            return []
        connection = sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)
        try:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query, values)]
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise
        finally:
            connection.close()

    async def recorder_pid(self) -> int:
        """The process id of the recorder: the child of the forwarder."""

        def child() -> int | None:
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            return int(children[0]) if children else None

        return await eventually(child)

    async def stop(self) -> int:
        """SIGTERM, and the exit code once it has drained."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), PATIENCE_S)

    async def export(self, table: str = "exchanges") -> list[dict[str, Any]]:
        """All rows of one table."""
        return await asyncio.to_thread(self.rows, f"SELECT * FROM {table}")  # noqa: S608 (names of our own tables)


async def eventually(probe: Callable[[], T | None]) -> T:
    """What `probe` gives as soon as it gives something true; a broken run ends with TimeoutError."""
    async with asyncio.timeout(PATIENCE_S):
        while not (found := probe()):  # noqa: ASYNC110 (what is awaited happens in other processes)
            await asyncio.sleep(0.02)
        return found


@asynccontextmanager
async def running(
    directory: Path,
    upstream: str,
    /,
    environment: dict[str, str] | None = None,
    prefix: tuple[str, ...] = (),
    **settings: Any,
) -> AsyncIterator[Sidecar]:
    """A sidecar in front of `upstream`, ready to take traffic, with `settings` over the smallest configuration; started
    by the command in `prefix`, which must become it."""
    listen, admin = free_addresses(2)
    config = {"listen": listen, "admin": {"listen": admin}, "upstream": {"url": upstream}, "drain_s": 5, **settings}
    (directory / "shadow.yaml").write_text(yaml.safe_dump(config))
    with (directory / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(*prefix, sys.executable, "-m", "shadow", "serve", "-c", directory / "shadow.yaml"),
            stdout=log,
            stderr=log,
            env=os.environ | (environment or {}),
        )
    sidecar = Sidecar(process, directory, config)
    try:
        await _ready(sidecar)
        yield sidecar
    finally:
        if process.returncode is None:
            await sidecar.stop()


async def _ready(sidecar: Sidecar) -> None:
    async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession() as session:
        while True:
            if sidecar.process.returncode is not None:
                raise RuntimeError(f"the sidecar ended at once:\n{sidecar.log.read_text()}")
            try:
                async with session.get(f"{sidecar.admin}/-/ready") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.02)


def free_addresses(count: int) -> list[str]:
    """Loopback addresses that nothing listens on at this moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return addresses


def metric(text: str, name: str, **labels: str) -> float:
    """The sum of a metric's samples that carry these labels, from the text of /metrics."""
    total = 0.0
    for line in text.splitlines():
        wanted = all(f'{key}="{value}"' in line for key, value in labels.items())
        if wanted and line.startswith((f"{name}{{", f"{name} ")):
            total += float(line.rpartition(" ")[2])
    return total


def dumped(value: object) -> bytes:
    """A JSON body the way clients write it: compact, not escaped."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
