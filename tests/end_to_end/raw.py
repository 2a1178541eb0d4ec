"""Raw HTTP on both sides of a running sidecar: a client in front, an upstream behind, each says what it is told.

Everything blocks, with time-outs, in the one thread of the test, so that a test reads in the order in which things
happen: the client sends, the upstream reads, the upstream answers, the client reads.
"""

import contextlib
import http.client
import os
import select
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self, TypeVar

import yaml

from tests.end_to_end.sidecar import PATIENCE_S, free_addresses, metric

T = TypeVar("T")

READ_S = 10.0  # how long a read waits for what must come; never asserted, only to end a broken run
HOST = b"Host: sidecar.example\r\n"


class Peer:
    """One end of a connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(READ_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ahead = b""

    def send(self, data: bytes) -> Self:
        """Say exactly this."""
        self.sock.sendall(data)
        return self

    def some(self) -> bytes:
        """What is here, or comes next; empty at an orderly end. Raises ConnectionResetError at any other."""
        ahead, self._ahead = self._ahead, b""
        return ahead or self.sock.recv(1 << 16)

    def exactly(self, count: int) -> bytes:
        """The next `count` bytes."""
        return self._take(lambda data: count if len(data) >= count else None)

    def until(self, mark: bytes) -> bytes:
        """All up to and including `mark`."""
        return self._take(lambda data: at + len(mark) if (at := data.find(mark)) >= 0 else None)

    def head(self) -> bytes:
        """A head, its empty line included."""
        return self.until(b"\r\n\r\n")

    def message(self) -> bytes:
        """A head and its body, by Content-Length or chunked without trailers."""
        head = self.head()
        lower = head.lower()
        if b"\r\ntransfer-encoding: chunked" in lower:
            return head + self.until(b"0\r\n\r\n")
        length = lower.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
        return head + self.exactly(int(length or 0))

    def rest(self) -> bytes:
        """All until the orderly end. Raises ConnectionResetError at any other."""
        data = b""
        while more := self.some():
            data += more
        return data

    def ended(self) -> bool:
        """Whether the other side ends the connection, one way or another, before it says anything."""
        try:
            return self.some() == b""
        except ConnectionResetError:
            return True

    def silent(self, for_s: float = 0.2) -> bool:
        """Whether nothing comes, for a while: true of a broken sidecar only by chance."""
        return not self._ahead and not readable(self.sock, for_s)

    def finish(self) -> Self:
        """Send no more; go on reading."""
        self.sock.shutdown(socket.SHUT_WR)
        return self

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """End the connection with a reset."""
        with contextlib.suppress(OSError):  # it may be closed already
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _take(self, end_of: Callable[[bytearray], int | None]) -> bytes:
        data = bytearray()
        while (end := end_of(data)) is None:
            more = self.some()
            if not more:
                raise EOFError(f"the connection ended after {bytes(data[-200:])!r}")
            data += more
        self._ahead = bytes(data[end:])
        return bytes(data[:end])


class Wire:
    """A sidecar, its clients and its upstream."""

    def __init__(self, directory: Path, listener: socket.socket, **settings: Any) -> None:
        self._directory = directory
        self.store = directory / "shadow.db"
        self._listener = listener
        self._upstreams: dict[int, Peer] = {}  # by descriptor
        self._epoll = select.epoll()
        self._epoll.register(listener.fileno(), select.EPOLLIN)
        self._clients: list[Peer] = []
        data, admin = free_addresses(2)
        self.port, self.admin_port = (int(address.rpartition(":")[2]) for address in (data, admin))
        upstream = {"url": f"http://127.0.0.1:{listener.getsockname()[1]}"} | settings.pop("upstream", {})
        config = {"listen": data, "admin": {"listen": admin}, "upstream": upstream, "drain_s": 5, **settings}
        (directory / "shadow.yaml").write_text(yaml.safe_dump(config))
        self.process: subprocess.Popen[bytes]

    def start(self, environment: dict[str, str] | None = None) -> None:
        """Start the sidecar, and return once it is ready."""
        command = [sys.executable, "-m", "shadow", "serve", "-c", str(self._directory / "shadow.yaml")]
        with (self._directory / "log").open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603 (our own program)
                command, stdout=log, stderr=log, env=os.environ | (environment or {})
            )
        eventually(lambda: self.admin("/-/ready")[0] == 200)

    @property
    def log(self) -> str:
        return (self._directory / "log").read_text()

    def client(self, data: bytes = b"") -> Peer:
        """A new client, which has said `data`."""
        peer = Peer(socket.create_connection(("127.0.0.1", self.port), READ_S))
        self._clients.append(peer)
        return peer.send(data)

    def upstream(self) -> Peer:
        """The connection on which the sidecar says something to the upstream next."""
        if (peer := self._speaking(READ_S)) is None:
            raise TimeoutError("nothing reached the upstream")
        return peer

    def untouched(self, for_s: float = 0.2) -> bool:
        """Whether nothing reaches the upstream, for a while."""
        return self._speaking(for_s) is None

    def exchange(self, request: bytes, answer: bytes) -> tuple[bytes, bytes]:
        """One request and its answer: what the upstream received, and what the client did until the end."""
        client = self.client(request)
        upstream = self.upstream()
        received = upstream.message()
        upstream.send(answer).finish()
        client.finish()
        return received, client.rest()

    def admin(self, path: str) -> tuple[int, str]:
        """Status and text of a page of the admin port; (0, "") while nothing listens there."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=READ_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that carry these labels."""
        return metric(self.admin("/metrics")[1], name, **labels)

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """What a query of the store gives now; nothing while there is no store."""
        if not self.store.exists():
            return []
        with contextlib.closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as store:
            store.row_factory = sqlite3.Row
            try:
                return [dict(row) for row in store.execute(query, values)]
            except sqlite3.OperationalError:  # not laid out yet, or being replaced
                return []

    def count(self, table: str, where: str = "TRUE") -> int:
        """How many rows a table has now; 0 while there is no store."""
        return sum(row["n"] for row in self.rows(f"SELECT count(*) AS n FROM {table} WHERE {where}"))  # noqa: S608

    def memory_mb(self) -> float:
        """Resident memory of the forwarder."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / 1e6

    def recorder_pid(self) -> int:
        """The process id of the recorder: the forwarder's child."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return int(eventually(lambda: children.read_text().split())[0])

    def hang_up(self) -> None:
        """End all connections of both sides, those not accepted yet included: first the clients', so that the sidecar
        has nothing left to send upstream."""
        for peer in self._clients:
            peer.reset()
        eventually(lambda: self.process.poll() is not None or self.metric("shadow_requests_in_flight") == 0)
        while readable(self._listener, 0):
            self._accept()
        for peer in self._upstreams.values():
            peer.close()
        self._clients.clear()
        self._upstreams.clear()

    def stop(self) -> int:
        """SIGTERM, and the exit code once the sidecar has drained."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def _speaking(self, for_s: float) -> Peer | None:
        """The next upstream connection with something to read; those that ended are let go."""
        deadline = time.monotonic() + for_s
        while (left := deadline - time.monotonic()) > 0:
            for descriptor, _ in self._epoll.poll(left, 1):
                if descriptor == self._listener.fileno():
                    self._accept()
                elif self._speaks(peer := self._upstreams[descriptor]):
                    return peer
                else:
                    peer.close()  # and epoll forgets it
        return None

    def _speaks(self, peer: Peer) -> bool:
        with contextlib.suppress(ConnectionResetError):
            return peer.sock.recv(1, socket.MSG_PEEK) != b""
        return False

    def _accept(self) -> None:
        peer = Peer(self._listener.accept()[0])
        self._upstreams[peer.sock.fileno()] = peer
        self._epoll.register(peer.sock.fileno(), select.EPOLLIN)


@contextlib.contextmanager
def serving(script: Callable[[Peer], None]) -> Iterator[str]:
    """A provider that follows a script on every connection, in threads of its own; gives its URL."""

    def accept() -> None:
        while True:
            try:
                peer = Peer(listener.accept()[0])
            except OSError:
                return
            threading.Thread(target=follow, args=(peer,), daemon=True).start()

    def follow(peer: Peer) -> None:
        with contextlib.suppress(OSError, EOFError), contextlib.closing(peer):
            script(peer)

    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def wired(directory: Path, environment: dict[str, str] | None = None, **settings: Any) -> Iterator[Wire]:
    """A sidecar between a raw client and a raw upstream, with `settings` over the smallest configuration."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        wire = Wire(directory, listener, **settings)
        try:
            wire.start(environment)
            yield wire
        finally:
            wire.hang_up()
            if wire.process.poll() is None:
                wire.stop()


def eventually(probe: Callable[[], T]) -> T:
    """What `probe` gives as soon as it gives something true; a broken run ends with TimeoutError."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if found := probe():
            return found
        time.sleep(0.02)
    raise TimeoutError("it never came true")


def readable(sock: socket.socket, within_s: float) -> bool:
    """Whether there is something to read or accept."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(within_s * 1000))


def post(body: bytes = b"", *headers: bytes, target: bytes = b"/api/v1/chat/completions") -> bytes:
    """A POST with a body of known length."""
    lines = b"".join(header + b"\r\n" for header in headers)
    return b"POST %b HTTP/1.1\r\n%b%bContent-Length: %d\r\n\r\n%b" % (target, HOST, lines, len(body), body)


def get(target: bytes = b"/", *headers: bytes, method: bytes = b"GET") -> bytes:
    """A request without a body."""
    lines = b"".join(header + b"\r\n" for header in headers)
    return b"%b %b HTTP/1.1\r\n%b%b\r\n" % (method, target, HOST, lines)


def answer(body: bytes = b"", *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """An answer with a body of known length."""
    lines = b"".join(header + b"\r\n" for header in headers)
    return b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status, lines, len(body), body)


def chunk(data: bytes) -> bytes:
    """A chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def body_of(message: bytes) -> bytes:
    """What follows the head."""
    return message.partition(b"\r\n\r\n")[2]
