"""Has what deleted rows left in the file and its log overwritten (`shadow.store.scrub`), a step at a time.

Between two steps commits have their turn. Each needs the log empty: a reader of an old snapshot is waited for.
"""

import asyncio
import sys
from functools import partial
from pathlib import Path
from typing import Final

from shadow.store.errors import StoreError, Trouble
from shadow.store.limits import Limits
from shadow.store.writer import Writer

LOG_WAIT_S: Final = 1.0  # between two attempts to empty the log
LOG_ATTEMPTS: Final = 60


async def overwrite(path: Path, writer: Writer, limits: Limits) -> None:
    """Overwrite all of a database's unallocated space. Nobody may move its pages meanwhile. Raises StoreError."""
    first, total = 1, 1
    while first <= total:
        total = await _step(path, writer, first, limits.scrub_pages)
        first += limits.scrub_pages


async def _step(path: Path, writer: Writer, first: int, count: int) -> int:
    """Some pages; how many there are in all."""
    for _ in range(LOG_ATTEMPTS):
        total = await writer.apart(partial(_scrub, path, first, count))
        if total is not None:
            return total
        await asyncio.sleep(LOG_WAIT_S)
    raise StoreError(Trouble.READER_HOLDS_LOG, "a reader of an old snapshot keeps the log from being emptied")


async def _scrub(path: Path, first: int, count: int) -> int:
    command = (sys.executable, "-m", "shadow.store.scrub", path, str(first), str(count))
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, told = await process.communicate()
    if process.returncode:
        why = told.decode(errors="replace").strip().rpartition("\n")[2]
        raise StoreError(Trouble.FAILED, f"what deleted rows left could not be overwritten: {why}")
    return int(out)
