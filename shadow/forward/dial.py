"""New connections to the upstream: found, raced, through a proxy where the environment names one, and verified."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from shadow.egress import PORTS, Proxy, trusting
from shadow.events import Event
from shadow.forward.refusals import FAILED, TLS_FAILED, UNREACHABLE, Refusal
from shadow.log import tell, where

HEAD_START_S: Final = 0.25  # of one address over the next (RFC 8305, section 5)
ADDRESSES_S: Final = 10.0  # how long addresses of a name are used before they are looked up again
MAX_PROXY_ANSWER: Final = 16 << 10

P = TypeVar("P", bound=asyncio.Protocol)
Address = tuple[Any, ...]  # what getaddrinfo gives


class DialError(Exception):
    """No connection came about. `refusal` is what the client is told instead."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


class Dialler:
    """Connects to the one configured upstream. The destination never depends on a request."""

    def __init__(self, url: str, timeout_s: float, proxy: Proxy | None = None, extra_ca: Path | None = None) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or PORTS[parts.scheme]
        self._timeout_s = timeout_s
        self._proxy = proxy
        self._tls = trusting(extra_ca) if parts.scheme == "https" else None
        if self._tls is not None:
            self._tls.set_alpn_protocols(["http/1.1"])
        self._addresses = _Addresses(proxy.host if proxy else self._host, proxy.port if proxy else self._port)

    @property
    def reading_proxy(self) -> Proxy | None:
        """The proxy, where it reads the requests; through any other goes TLS that it cannot read."""
        return self._proxy if self._tls is None else None

    async def connect(self, protocol: Callable[[], P]) -> P:
        """A connection, ready to be written to, spoken to by a new protocol. Raises DialError."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._connect(protocol)
        except ssl.SSLError as error:  # verification included
            raise DialError(TLS_FAILED) from error
        except OSError as error:  # names that do not resolve and time-outs included
            raise DialError(UNREACHABLE) from error
        except Exception as error:  # such as a name that no resolver can be asked for; a client waits for an answer
            tell(Event.CONNECTION_BROKE, error=where(error))
            raise DialError(FAILED) from error

    async def _connect(self, protocol: Callable[[], P]) -> P:
        loop = asyncio.get_running_loop()
        sock = await race(await self._addresses.get(), HEAD_START_S)
        try:
            if self._proxy is not None and self._tls is not None:
                await self._tunnel(sock, self._proxy)
            server = self._host if self._tls is not None else None
            _, spoken_by = await loop.create_connection(protocol, sock=sock, ssl=self._tls, server_hostname=server)
        except BaseException:
            sock.close()
            raise
        return spoken_by

    async def _tunnel(self, sock: socket.socket, proxy: Proxy) -> None:
        """Have the proxy connect on (RFC 9110, section 9.3.6). Raises OSError where it will not."""
        loop = asyncio.get_running_loop()
        authority = f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"
        lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
        if proxy.authorization is not None:
            lines.append(f"Proxy-Authorization: {proxy.authorization}")
        await loop.sock_sendall(sock, ("\r\n".join(lines) + "\r\n\r\n").encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):  # nothing follows: the upstream's side of TLS speaks second
            data = await loop.sock_recv(sock, MAX_PROXY_ANSWER)
            answer += data
            if not data or len(answer) > MAX_PROXY_ANSWER:
                raise ConnectionError("the proxy's answer broke off")
        if answer.split(b" ", 2)[1:2] != [b"200"]:
            raise ConnectionError("the proxy did not connect")


async def race(addresses: list[Address], head_start_s: float) -> socket.socket:
    """A socket connected to the first address that accepts; each gets a head start over the next (RFC 8305).

    Raises the OSError of the first address where none accepts.
    """
    attempts: list[asyncio.Task[socket.socket]] = []
    waiting = list(addresses)
    try:
        while True:
            if waiting:
                attempts.append(asyncio.create_task(_attempt(waiting.pop(0))))
            running = [attempt for attempt in attempts if not attempt.done()]
            if not running:
                raise (attempts and attempts[0].exception()) or OSError("no address")
            done, _ = await asyncio.wait(
                running, timeout=head_start_s if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for attempt in done:
                if attempt.exception() is None:
                    attempts.remove(attempt)
                    return attempt.result()
    finally:
        for attempt in attempts:
            attempt.add_done_callback(_discard)
            attempt.cancel()


async def _attempt(address: Address) -> socket.socket:
    family, kind, protocol, _, target = address
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, target)
    except BaseException:
        sock.close()
        raise
    return sock


def _discard(attempt: "asyncio.Task[socket.socket]") -> None:
    """One that lost the race, perhaps by connecting second."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()


class _Addresses:
    """The addresses of one name, IPv6 and IPv4 in turn. Lookups that coincide are one; a failed one is not kept."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._found: asyncio.Task[list[Address]] | None = None
        self._fresh_until = 0.0

    async def get(self) -> list[Address]:
        """Raises OSError where the name has none."""
        now = asyncio.get_running_loop().time()
        if self._found is None or now >= self._fresh_until or self._failed(self._found):
            self._found = asyncio.create_task(self._look_up())
            self._found.add_done_callback(self._failed)  # its error is told to whoever asked, if anyone still does
            self._fresh_until = now + ADDRESSES_S
        return await asyncio.shield(self._found)

    def _failed(self, found: "asyncio.Task[list[Address]]") -> bool:
        return found.done() and (found.cancelled() or found.exception() is not None)

    async def _look_up(self) -> list[Address]:
        loop = asyncio.get_running_loop()
        found: list[Address] = list(await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM))
        six = [address for address in found if address[0] == socket.AF_INET6]
        four = [address for address in found if address[0] == socket.AF_INET]
        shorter = min(len(six), len(four))
        turns = [address for pair in zip(six, four, strict=False) for address in pair]
        return turns + six[shorter:] + four[shorter:]
