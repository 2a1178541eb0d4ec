"""Background tasks that neither vanish nor fail in silence."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from shadow.events import Event
from shadow.log import tell, where

T = TypeVar("T")

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


def _report(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        tell(Event.TASK_CRASHED, task=task.get_name(), error=where(error))
