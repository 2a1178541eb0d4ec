"""Who else takes part in `bench_forward`, each a process of its own: `python -m tests.benchmarks.forward_roles ROLE …`.

origin PORT                    an upstream: one JSON answer, or events that carry the time at which they were sent
passthrough PORT ORIGIN_PORT   aiohttp's server and client with nothing between them
flood PORT                     a candidate whose answers never end, as fast as they are taken
streams PORT COUNT RATE SECONDS   event streams as a client; prints what arrived, and how late, as JSON
"""

import asyncio
import json
import re
import sys
import time
from typing import Any

import aiohttp
import uvloop
from aiohttp import web

BODY = json.dumps(
    {
        "id": "gen-1",
        "model": "openai/gpt-4o-mini",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "word " * 80}}],
        "usage": {"prompt_tokens": 300, "completion_tokens": 80, "total_tokens": 380, "cost": 0.00012},
    }
).encode()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = b'data: {"id":"gen-1","sent_at":%d,"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n'
SENT_AT = re.compile(rb'"sent_at":(\d+)')
PADDING = b"x" * 150
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
RHYTHM = re.compile(rb'"stream":(\d+),"interval_ms":(\d+)')


class Origin(asyncio.Protocol):
    """Answers every request; one whose body says `"stream":N,"interval_ms":M` gets N events, M ms apart."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.pending = b""
        self.left = 0

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.left = 0

    def data_received(self, data: bytes) -> None:
        self.pending += data
        while (end := self.pending.find(b"\r\n\r\n") + 4) >= 4:
            length = LENGTH.search(self.pending, 0, end)
            whole = end + (int(length[1]) if length else 0)
            if len(self.pending) < whole:
                return
            request, self.pending = self.pending[:whole], self.pending[whole:]
            if rhythm := RHYTHM.search(request, end):
                self.transport.write(STREAM)
                self.left, self.interval_s = int(rhythm[1]), int(rhythm[2]) / 1000
                self.due = asyncio.get_running_loop().time()
                self.say()
            else:
                self.transport.write(ANSWER)

    def say(self) -> None:
        """One event, or the last."""
        if self.left <= 0:
            if not self.transport.is_closing():
                self.transport.write(b"0\r\n\r\n")
            return
        self.left -= 1
        event = EVENT % (time.monotonic_ns(), PADDING)
        self.transport.write(b"%x\r\n%b\r\n" % (len(event), event))
        self.due += self.interval_s
        asyncio.get_running_loop().call_at(self.due, self.say)


class Flood(asyncio.Protocol):
    """Answers whatever comes with events without end."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.flowing = False

    def data_received(self, data: bytes) -> None:  # noqa: ARG002
        if not self.flowing:
            self.transport.write(STREAM)
            self.resume_writing()

    def pause_writing(self) -> None:
        self.flowing = False

    def resume_writing(self) -> None:
        self.flowing = True
        self.say()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.flowing = False

    def say(self) -> None:
        if self.flowing:
            event = EVENT % (0, PADDING)
            self.transport.write(b"%x\r\n%b\r\n" % (len(event) * 100, event * 100))
            asyncio.get_running_loop().call_soon(self.say)


class Listener(asyncio.Protocol):
    """A client of one stream."""

    def __init__(self, request: bytes, lags_us: list[float]) -> None:
        self.request, self.lags_us = request, lags_us
        self.ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        self.lags_us.extend((now - int(sent)) / 1000 for sent in SENT_AT.findall(data))
        self.tail = (self.tail + data)[-5:]
        if self.tail == b"0\r\n\r\n":
            self.transport.close()
            self.ended.set_result(True)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if not self.ended.done():
            self.ended.set_result(False)


async def serve(protocol: Any, port: int) -> None:
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


async def passthrough(port: int, origin: int) -> None:
    """What forwarding costs with stock parts."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
    )

    async def forward(request: web.BaseRequest) -> web.StreamResponse:
        url = f"http://127.0.0.1:{origin}{request.raw_path}"
        async with session.request(request.method, url, data=await request.read()) as answer:
            response = web.StreamResponse(status=answer.status)
            if (length := answer.headers.get("Content-Length")) is not None:
                response.headers["Content-Length"] = length
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response

    await serve(web.Server(forward, access_log=None), port)


async def streams(port: int, count: int, rate: float, seconds: float) -> None:
    """Open `count` streams over a second, `rate` events a second each, for so long."""
    events = int(rate * seconds)
    body = b'{"model":"openai/gpt-4o-mini","stream":%d,"interval_ms":%d}' % (events, 1000 / rate)
    request = b"POST /api/v1/chat/completions HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
    request += b"Authorization: Bearer sk-bench\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    lags_us: list[float] = []
    loop = asyncio.get_running_loop()
    listeners = []
    for _ in range(count):
        _, listener = await loop.create_connection(lambda: Listener(request, lags_us), "127.0.0.1", port)
        listeners.append(listener)
        await asyncio.sleep(1 / count)
    ended = await asyncio.wait_for(asyncio.gather(*(listener.ended for listener in listeners)), 60 + seconds * 3)
    lags_us.sort()
    found = {
        "failed": ended.count(False),
        "events": len(lags_us),
        "missing": count * events - len(lags_us),
        "lag_p50_us": lags_us[len(lags_us) // 2],
        "lag_p99_us": lags_us[len(lags_us) * 99 // 100],
    }
    print(json.dumps(found))  # noqa: T201


def main() -> None:
    role, *numbers = sys.argv[1:]
    match role:
        case "origin":
            uvloop.run(serve(Origin, int(numbers[0])))
        case "flood":
            uvloop.run(serve(Flood, int(numbers[0])))
        case "passthrough":
            uvloop.run(passthrough(int(numbers[0]), int(numbers[1])))
        case "streams":
            uvloop.run(streams(int(numbers[0]), int(numbers[1]), float(numbers[2]), float(numbers[3])))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
