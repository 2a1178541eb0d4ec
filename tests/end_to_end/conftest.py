"""What end-to-end tests share: a client session that adds nothing of its own."""

from collections.abc import AsyncIterator

import aiohttp
import pytest


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A plain client session that does not decompress: bytes are compared as they came."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session
