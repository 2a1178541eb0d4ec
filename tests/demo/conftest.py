"""What the tests of the demo share."""

from collections.abc import AsyncIterator

import pytest

from shadow.demo.openrouter import OpenRouter
from shadow.demo.provider import StandIn


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    """A stand-in for OpenRouter that leaves every pause out."""
    behaviour = OpenRouter()
    async with StandIn(behaviour, early=behaviour.early, pace=0) as running:
        yield running
