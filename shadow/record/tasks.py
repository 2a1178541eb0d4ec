"""Background tasks that neither vanish nor fail in silence."""

import asyncio
import logging
import traceback
from collections.abc import Coroutine
from typing import Any, Final

log = logging.getLogger("shadow.record")

_running: Final[set[asyncio.Task[Any]]] = set()  # the event loop itself holds only weak references


def spawn(work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
    """Run `work` beside the caller, keep it referenced until it ends, and log the crash if it crashes."""
    task = asyncio.get_running_loop().create_task(work, name=name)
    _running.add(task)
    task.add_done_callback(_ended)
    return task


def _ended(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("the task %s crashed: %s", task.get_name(), where(error))


def where(error: BaseException) -> str:
    """An error as its type and place, without its text: that may quote a body."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} in {frames[-1].filename}:{frames[-1].lineno}" if frames else type(error).__name__
