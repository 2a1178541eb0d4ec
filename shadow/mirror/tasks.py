"""Background tasks that are neither lost nor silent."""

import asyncio
import logging
import traceback
from collections.abc import Coroutine
from typing import Any

logger = logging.getLogger("shadow.mirror")


def spawn(work: Coroutine[Any, Any, None], kept: set[asyncio.Task[None]]) -> asyncio.Task[None]:
    """Run `work` in the background. Its task stays in `kept` until it ends; a crash is logged."""
    task = asyncio.get_running_loop().create_task(work)
    kept.add(task)
    task.add_done_callback(kept.discard)
    task.add_done_callback(_report)
    return task


def where(error: BaseException) -> str:
    """An error as its type and place, without its text: that may quote a body or a key."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown place"
    return f"{type(error).__name__} in {place}"


def _report(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        logger.error("a background task crashed: %s", where(error))
