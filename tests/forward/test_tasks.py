"""Background tasks."""

import asyncio

import pytest

from shadow.forward.tasks import spawn


async def test_crash_is_logged_with_the_tasks_name(caplog: pytest.LogCaptureFixture) -> None:
    """A task that nobody awaits does not fail in silence."""

    async def crash() -> None:
        raise LookupError("gone")

    task = spawn(crash(), "sweeper")
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert "the task sweeper crashed: LookupError" in caplog.text


async def test_cancelled_task_is_no_crash(caplog: pytest.LogCaptureFixture) -> None:
    """Stopping a task is not an error."""
    task = spawn(asyncio.sleep(60), "sleeper")
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert caplog.text == ""
