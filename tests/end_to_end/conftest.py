"""What end-to-end tests share: a client session that adds nothing of its own."""

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from tests.end_to_end.raw import Wire, wired


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A plain client session that does not decompress: bytes are compared as they came."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


@pytest.fixture(scope="module")
def one_wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A sidecar between raw ends, with the smallest configuration, for all tests of a module."""
    with wired(tmp_path_factory.mktemp("wire")) as wire:
        yield wire


@pytest.fixture
def wire(one_wire: Wire) -> Iterator[Wire]:
    """The module's sidecar, without any connection left over from another test."""
    yield one_wire
    one_wire.hang_up()
