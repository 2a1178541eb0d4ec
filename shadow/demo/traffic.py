"""The client side of the workload: the application that sends its calls and reads, or leaves, the answers."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import aiohttp

from shadow.demo.openrouter_wire import dumps
from shadow.demo.workload import Call


@dataclass(frozen=True, slots=True)
class Heard:
    """What came back. `status` is None where no answer came; `whole` is False where it broke off or was left."""

    call: Call
    status: int | None
    body: bytes
    whole: bool


async def send_all(
    base_url: str, calls: Sequence[Call], concurrency: int, progress: Callable[[Heard], None] = lambda _: None
) -> list[Heard]:
    """Send every call, so many at once, and read the answers. In their order; never retries or raises."""
    gate = asyncio.Semaphore(concurrency)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as session:

        async def one(call: Call) -> Heard:
            async with gate:
                heard = await _send(session, base_url, call)
            progress(heard)
            return heard

        return await asyncio.gather(*map(one, calls))


async def _send(session: aiohttp.ClientSession, base_url: str, call: Call) -> Heard:
    status, body = None, bytearray()
    headers = {"Content-Type": "application/json", **call.headers}
    try:
        async with session.post(base_url + call.path, data=dumps(call.body), headers=headers) as answer:
            status = answer.status
            read = 0
            async for chunk in answer.content.iter_any():
                body += chunk
                read += 1
                if read == call.leaves_after:
                    answer.close()
                    return Heard(call, status, bytes(body), whole=False)
    except (aiohttp.ClientError, TimeoutError):
        return Heard(call, status, bytes(body), whole=False)
    return Heard(call, status, bytes(body), whole=True)
