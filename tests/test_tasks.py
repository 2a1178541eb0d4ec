"""Background tasks that neither vanish nor fail in silence."""

import asyncio

import pytest

from shadow.tasks import spawn


async def test_a_task_is_kept_until_it_ends() -> None:
    """The loop holds only a weak reference; the set holds a strong one."""
    kept: set[asyncio.Task[bool]] = set()
    go = asyncio.Event()
    task = spawn(go.wait(), "patient", kept)
    assert kept == {task}
    go.set()
    await task
    await asyncio.sleep(0)
    assert kept == set()


async def test_a_crash_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A task that breaks says its name, the error's type and its place, and not its text: that may quote a body."""

    async def breaks() -> None:
        raise ValueError("a prompt")

    await asyncio.wait([spawn(breaks(), "fragile")])
    await asyncio.sleep(0)
    assert "the task fragile crashed: ValueError in " in caplog.text
    assert "a prompt" not in caplog.text


async def test_a_cancelled_task_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    """Cancelling is no crash."""
    task = spawn(asyncio.Event().wait(), "patient")
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert caplog.text == ""
