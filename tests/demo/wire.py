"""A client that keeps what it hears to the byte, and reads it with h11 where it is HTTP."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import h11
import orjson

from shadow.demo.provider import StandIn
from shadow.demo.scenarios import Ask

PATIENCE_S = 20.0  # ends a broken run; never asserted


@dataclass
class Heard:
    """An answer. `raw` is every byte that came; `fault` is `reset`, `closed` (too early), `malformed`, or None."""

    raw: bytes = b""
    status: int | None = None
    reason: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    fault: str | None = None

    @property
    def body(self) -> bytes:
        """The body, without its framing."""
        return b"".join(self.chunks)

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return orjson.loads(self.body)

    @property
    def data(self) -> list[Any]:
        """The events of a well-formed stream: what is JSON as such, `[DONE]` as text."""
        blocks = [block for block in self.body.split(b"\n\n") if b"data: " in block]
        texts = [block.partition(b"data: ")[2] for block in blocks]
        return [text.decode() if text == b"[DONE]" else orjson.loads(text) for text in texts]

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        wanted = name.lower().encode()
        return next((value.decode("latin-1") for key, value in self.headers if key.lower() == wanted), None)


async def hear(stand_in: StandIn, ask: Ask) -> Heard:
    """Bring a scenario about, on a connection of its own, and take in the whole answer."""
    host = stand_in.url.removeprefix("http://")
    return (await converse(stand_in, ask.wire(host)))[0]


async def converse(stand_in: StandIn, sent: bytes, answers: int = 1, method: str = "POST") -> list[Heard]:
    """Send bytes and read so many answers off the same connection."""
    host, port = stand_in.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(sent)
        rest = b""
        heard = []
        for _ in range(answers):
            one, rest = await asyncio.wait_for(_read(reader, rest, method), PATIENCE_S)
            heard.append(one)
        return heard
    finally:
        writer.close()


async def _read(reader: asyncio.StreamReader, came: bytes, method: str) -> tuple[Heard, bytes]:
    """One answer, and the bytes that came after it."""
    heard = Heard()
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 22)
    connection.send(h11.Request(method=method, target="/", headers=[("host", "x"), ("upgrade", "any")]))
    connection.send(h11.EndOfMessage())
    if came:
        heard.raw += came
        connection.receive_data(came)
    while (event := _next(connection, heard)) is not None:
        if event is h11.NEED_DATA:
            await _more(reader, connection, heard)
            if heard.fault:
                break
        elif isinstance(event, h11.InformationalResponse) and event.status_code == 101:
            heard.status = 101
            break
        elif isinstance(event, h11.Response):
            heard.status, heard.reason = event.status_code, bytes(event.reason)
            heard.headers = [(bytes(name), bytes(value)) for name, value in event.headers.raw_items()]
        elif isinstance(event, h11.Data):
            if event.chunk_start or not heard.chunks:
                heard.chunks.append(b"")
            heard.chunks[-1] += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            break
    return heard, bytes(connection.trailing_data[0])


def _next(connection: h11.Connection, heard: Heard) -> Any:
    """The next thing that h11 reads; None where it cannot."""
    try:
        return connection.next_event()
    except h11.RemoteProtocolError as error:
        heard.fault = "closed" if "closed" in str(error) else "malformed"
        return None


async def _more(reader: asyncio.StreamReader, connection: h11.Connection, heard: Heard) -> None:
    try:
        data = await reader.read(1 << 16)
    except ConnectionResetError:
        heard.fault = "reset"
        return
    heard.raw += data
    connection.receive_data(data)
    if not data and heard.status is None:
        heard.fault = "closed"
