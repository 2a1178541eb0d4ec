"""Real ClickHouse for tests: Debian's server (18.16) as a process, a current one in this process (chdb).

Each test has a database of its own. Where either is missing, tests that need it are skipped and say so.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError

import orjson

from shadow.config import ClickHouse

BINARY: Final = shutil.which("clickhouse-server", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin")))
MISSING: Final = "clickhouse-server is not installed: see .ci/components"
USER, PASSWORD = "shadow", "correct horse"
_numbers = count()

CONFIG: Final = """<yandex>
    <logger><level>warning</level><console>true</console></logger>
    <http_port>{http}</http_port>
    <tcp_port>{tcp}</tcp_port>
    <listen_host>127.0.0.1</listen_host>
    <path>{data}/</path>
    <tmp_path>{data}/tmp/</tmp_path>
    <users_config>{users}</users_config>
    <default_profile>default</default_profile>
    <default_database>default</default_database>
    <timezone>UTC</timezone>
    <mark_cache_size>67108864</mark_cache_size>
</yandex>
"""
USERS: Final = f"""<yandex>
    <profiles>
        <default><max_memory_usage>2000000000</max_memory_usage><max_threads>2</max_threads></default>
    </profiles>
    <users>
        <default><password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota></default>
        <{USER}><password>{PASSWORD}</password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota></{USER}>
    </users>
    <quotas><default></default></quotas>
</yandex>
"""


@dataclass
class Server:
    """A ClickHouse server on loopback with its files in `directory`. It may be stopped, killed and started again."""

    directory: Path
    http: int
    tcp: int
    data: Path
    around: tuple[str, ...] = ()  # a command that runs the server, in surroundings of its own
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http}"

    def start(self) -> None:
        assert BINARY is not None
        users, config = self.directory / "users.xml", self.directory / "config.xml"
        self.data.mkdir(exist_ok=True)
        users.write_text(USERS)
        config.write_text(CONFIG.format(http=self.http, tcp=self.tcp, data=self.data, users=users))
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen([*self.around, BINARY, f"--config-file={config}"], stdout=log, stderr=log)  # noqa: S603
        while self.process.poll() is None:
            with suppress(URLError, OSError), urllib.request.urlopen(f"{self.url}/ping", timeout=1):  # noqa: S310
                return
        raise AssertionError((self.directory / "log").read_text()[-2000:])

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def ask(self, query: str) -> list[list[Any]]:
        """The rows of a query, or none where it is a statement."""
        url = f"{self.url}/?output_format_json_quote_64bit_integers=0&wait_end_of_query=1&max_query_size=4000000"
        try:
            with urllib.request.urlopen(url, data=query.encode(), timeout=60) as answer:  # noqa: S310
                return rows(answer.read())
        except HTTPError as error:
            raise AssertionError(error.read().decode()) from error

    def database(self) -> "Database":
        return Database(self, f"shadow_{next(_numbers)}")


@dataclass(frozen=True)
class Database:
    """A database of a server that nobody else uses."""

    server: Server
    name: str

    @property
    def settings(self) -> ClickHouse:
        return ClickHouse(url=self.server.url, database=self.name)

    def ask(self, query: str) -> list[list[Any]]:
        """The rows of a query in which `DB.` stands for this database."""
        return self.server.ask(query.replace("DB.", f"{self.name}."))

    def count(self, table: str, final: str = "FINAL") -> int:
        """How many rows a reader sees; without FINAL also those that the engine has yet to replace."""
        return int(self.ask(f"SELECT count() FROM DB.{table} {final} FORMAT JSONCompact")[0][0])  # noqa: S608 (our own names)


def rows(answer: bytes) -> list[list[Any]]:
    return orjson.loads(answer)["data"] if answer.startswith(b"{") else []


@contextmanager
def running(directory: Path, around: tuple[str, ...] = ()) -> Iterator[Server]:
    """A server with its files in `directory`, stopped at the end."""
    server = Server(directory, free_port(), free_port(), directory / "data", around)
    server.start()
    try:
        yield server
    finally:
        server.stop(signal.SIGKILL)  # its data are of no use to anybody: to end it in order takes seconds


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Current:
    """A current ClickHouse in a process of its own: chdb takes signals and threads over."""

    def __init__(self, directory: Path) -> None:
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "tests.chdb_process", str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def ask(self, query: str) -> list[list[Any]]:
        """The rows of a query, or none where it is a statement."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(orjson.dumps(query) + b"\n")
        self._process.stdin.flush()
        answer = orjson.loads(self._process.stdout.readline())
        assert answer["error"] is None, answer["error"]
        return rows(answer["answer"].encode())

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
