"""Background tasks that neither vanish nor fail in silence."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

log = logging.getLogger("shadow.forward")

_running: Final[set[asyncio.Task[Any]]] = set()  # the event loop itself holds only weak references


def spawn(work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
    """Run `work` beside the caller, keep it referenced until it ends, and log the crash if it crashes."""
    task = asyncio.get_running_loop().create_task(work, name=name)
    _running.add(task)
    task.add_done_callback(_ended)
    return task


def _ended(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("the task %s crashed: %s", task.get_name(), type(error).__name__, exc_info=error)
