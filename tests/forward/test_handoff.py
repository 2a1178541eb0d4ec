"""Finished exchanges on their way to the recorder."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from unittest.mock import Mock

import aiohttp
import pytest

from shadow.exchange import Body
from shadow.forward.handoff import BATCH_BYTES, BATCH_FRAMES, DEATHS, DEATHS_ALONE, Handoff
from shadow.forward.metrics import HANDOFF_RESULTS, Metrics
from shadow.frames import Frame, unpack
from tests.packing import frame
from tests.record.samples import exchange

PATIENCE_S = 10


def named(name: str, size: int = 0) -> Frame:
    return frame(exchange(exchange_id=name, request_body=Body(bytes(size), b"", size)))


class Recorder:
    """Answers batches with the given statuses, then with 204; an exception in their place is raised. A batch with
    the `poison` is refused, and of one with the `deadly` exchange it dies."""

    def __init__(self, *answers: int | Exception, poison: str | None = None, deadly: str | None = None) -> None:
        self.answers = list(answers)
        self.poison = poison
        self.deadly = deadly
        self.batches: list[list[str]] = []
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def add(self, batch: bytes) -> int:
        names = [one.exchange_id for one in unpack(batch)]
        self.batches.append(names)
        self.asked.set()
        await self.gate.wait()
        if self.poison in names:
            return 400
        if self.deadly in names:
            raise aiohttp.ServerDisconnectedError
        answer = self.answers.pop(0) if self.answers else 204
        if isinstance(answer, Exception):
            raise answer
        return answer


@asynccontextmanager
async def handing(recorder: Recorder, max_bytes: int = 1 << 30, delay_s: float = 0.0) -> AsyncIterator[Handoff]:
    handoff = Handoff(recorder.add, Metrics(()), max_bytes, delay_s)
    handoff.start()
    yield handoff
    await handoff.close()


def results(handoff: Handoff) -> dict[str, float]:
    """The counts that are not 0."""
    registry = handoff._metrics.registry
    found = {
        name: registry.get_sample_value("shadow_handoff_exchanges_total", {"result": name}) for name in HANDOFF_RESULTS
    }
    return {name: count for name, count in found.items() if count}


async def test_exchanges_arrive_in_order_and_are_let_go() -> None:
    """Acknowledged exchanges are counted and hold no more bytes."""
    recorder = Recorder()
    async with handing(recorder) as handoff:
        for name in "abc":
            handoff.offer(named(name))
        await handoff.drain(PATIENCE_S)
        assert [name for batch in recorder.batches for name in batch] == ["a", "b", "c"]
        assert results(handoff) == {"acknowledged": 3}
        assert handoff._metrics.registry.get_sample_value("shadow_handoff_bytes") == 0


@pytest.mark.parametrize("refusal", [500, 503, 404, 200, OSError("gone"), TimeoutError()])
async def test_what_is_not_acknowledged_is_sent_again(refusal: int | Exception) -> None:
    """Anything but an acknowledgement leaves the exchange in the queue."""
    recorder = Recorder(refusal)
    async with handing(recorder) as handoff:
        handoff.offer(named("a"))
        await handoff.drain(PATIENCE_S)
        assert recorder.batches == [["a"], ["a"]]
        assert results(handoff) == {"acknowledged": 1}


async def test_full_handoff_drops_the_newest() -> None:
    """What is already held stays; what comes too late is counted."""
    recorder = Recorder()
    recorder.gate.clear()
    async with handing(recorder, max_bytes=2 * named("a").size) as handoff:
        for name in "abc":
            handoff.offer(named(name))
        recorder.gate.set()
        await handoff.drain(PATIENCE_S)
        assert {name for batch in recorder.batches for name in batch} == {"a", "b"}
        assert results(handoff) == {"acknowledged": 2, "dropped": 1}


async def test_refused_frame_is_singled_out() -> None:
    """One exchange that the recorder cannot read costs itself alone."""
    recorder = Recorder(poison="7")
    async with handing(recorder, delay_s=0.01) as handoff:
        for number in range(20):
            handoff.offer(named(str(number)))
        await handoff.drain(PATIENCE_S)
        assert results(handoff) == {"acknowledged": 19, "refused": 1}


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recorder that is away or has died is asked again at once."""
    monkeypatch.setattr("shadow.forward.handoff.FIRST_PAUSE_S", 0)


@pytest.mark.usefixtures("at_once")
async def test_exchange_that_kills_the_recorder_is_given_up() -> None:
    """It costs itself alone, and is counted: all others of its batch and behind it are stored."""
    recorder = Recorder(deadly="7")
    async with handing(recorder, delay_s=0.01) as handoff:
        for number in range(20):
            handoff.offer(named(str(number)))
        await handoff.drain(PATIENCE_S)
        assert results(handoff) == {"acknowledged": 19, "refused": 1}
        assert sum("7" in batch for batch in recorder.batches) == DEATHS + DEATHS_ALONE


@pytest.mark.usefixtures("at_once")
async def test_batches_are_full_again_behind_an_exchange_that_killed() -> None:
    """What was not in a batch of which the recorder died does not travel alone."""
    recorder = Recorder(deadly="0")
    async with handing(recorder) as handoff:
        handoff.offer(named("0"))
        await recorder.asked.wait()
        for number in range(1, 20):
            handoff.offer(named(str(number)))
        await handoff.drain(PATIENCE_S)
        for number in range(20, 40):
            handoff.offer(named(str(number)))
        await handoff.drain(PATIENCE_S)
        assert recorder.batches[-1] == [str(number) for number in range(20, 40)]


@pytest.mark.usefixtures("at_once")
async def test_recorder_that_dies_of_something_else_loses_nothing() -> None:
    """Killed again and again, but for one delivery in so many: everything is stored."""
    killed: list[int | Exception] = [ConnectionResetError()] * (DEATHS_ALONE - 1)
    recorder = Recorder(*[*killed, 204] * 5)
    async with handing(recorder) as handoff:
        for number in range(5):
            handoff.offer(named(str(number)))
        await handoff.drain(PATIENCE_S)
        assert results(handoff) == {"acknowledged": 5}


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("failure", [503, TimeoutError(), ConnectionRefusedError()], ids=["busy", "silent", "away"])
async def test_recorder_that_takes_nothing_has_all_its_time(failure: int | Exception) -> None:
    """No exchange is to blame for a recorder that hangs, has not started, or has no disk."""
    if isinstance(failure, ConnectionRefusedError):
        failure = aiohttp.ClientConnectorError(Mock(), failure)
    recorder = Recorder(*[failure] * (DEATHS + DEATHS_ALONE) * 2)
    async with handing(recorder) as handoff:
        handoff.offer(named("a"))
        await handoff.drain(PATIENCE_S)
        assert results(handoff) == {"acknowledged": 1}


async def test_full_batch_does_not_wait() -> None:
    """A batch of the largest count is sent at once, however long the delay."""
    recorder = Recorder()
    async with handing(recorder, delay_s=3600) as handoff:
        for number in range(BATCH_FRAMES + 1):
            handoff.offer(named(str(number)))
        await asyncio.wait_for(recorder.asked.wait(), PATIENCE_S)
        assert len(recorder.batches[0]) == BATCH_FRAMES


async def test_batch_is_bounded_in_bytes() -> None:
    """Large exchanges travel in small batches, and one larger than the bound travels alone."""
    recorder = Recorder()
    sizes: Sequence[int] = (BATCH_BYTES * 2, BATCH_BYTES // 2, BATCH_BYTES // 3, BATCH_BYTES // 2)
    async with handing(recorder, delay_s=3600) as handoff:
        for number, size in enumerate(sizes):
            handoff.offer(named(str(number), size))
        await handoff.drain(PATIENCE_S)
        assert recorder.batches == [["0"], ["1", "2"], ["3"]]


async def test_undelivered_exchanges_are_counted_at_the_end() -> None:
    """With no recorder to be had, draining gives up at its deadline and the loss is counted."""
    recorder = Recorder()
    recorder.gate.clear()
    async with handing(recorder) as handoff:
        handoff.offer(named("a"))
        await handoff.drain(0)
        await handoff.close()
        assert results(handoff) == {"abandoned": 1}
