"""Background tasks that are neither lost nor silent."""

import asyncio

from shadow.mirror.tasks import spawn, where


async def test_a_task_is_kept_until_it_ends():
    """The loop holds only a weak reference; the set holds a strong one."""
    kept: set[asyncio.Task[None]] = set()
    go = asyncio.Event()

    async def work() -> None:
        await go.wait()

    task = spawn(work(), kept)
    assert kept == {task}
    go.set()
    await task
    await asyncio.sleep(0)
    assert kept == set()


async def test_a_crash_is_logged_without_its_text(caplog):
    """Type and place say enough; the text may quote a body."""

    async def work() -> None:
        raise ValueError("the secret prompt")

    task = spawn(work(), set())
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert "ValueError" in caplog.text
    assert "test_tasks.py" in caplog.text
    assert "secret" not in caplog.text


async def test_a_cancelled_task_is_no_crash(caplog):
    """Stopping is not failing."""
    task = spawn(asyncio.sleep(60), set())
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert caplog.text == ""


def test_an_error_that_was_never_raised_has_no_place():
    """It is named all the same."""
    assert where(ValueError("x")) == "ValueError in an unknown place"
