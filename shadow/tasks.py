"""Background tasks that neither vanish nor fail in silence."""

import asyncio
import logging
import traceback
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

log = logging.getLogger("shadow.tasks")

_running: Final[set[asyncio.Task[Any]]] = set()  # the event loop itself holds only weak references


def spawn(
    work: Coroutine[Any, Any, T], name: str, kept: set[asyncio.Task[T]] | set[asyncio.Task[Any]] = _running
) -> asyncio.Task[T]:
    """Run `work` beside the caller, keep it referenced until it ends, and log the crash if it crashes.

    Its task is in `kept` while it runs: a caller that will wait for its tasks, or cancel them, gives a set of its own.
    """
    task = asyncio.get_running_loop().create_task(work, name=name)
    kept.add(task)
    task.add_done_callback(kept.discard)
    task.add_done_callback(_report)
    return task


def where(error: BaseException) -> str:
    """An error as its type and place, without its text: that may quote a body or a key."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} in {frames[-1].filename}:{frames[-1].lineno}" if frames else type(error).__name__


def _report(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("the task %s crashed: %s", task.get_name(), where(error))
