"""Waiting for what happens in other processes."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp

from tests.end_to_end.sidecar import PATIENCE_S


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Ask until the answer is yes; who cannot be reached yet has not said no. A broken run ends with TimeoutError."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                if await holds():
                    return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
