"""Room on the disk that is kept for the day when it is full: to delete rows, SQLite has to write first."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from shadow.events import Event
from shadow.log import tell

RESERVE_BYTES: Final = 8 << 20  # several steps of retention, each half a megabyte in the log


class Reserve:
    """A file of no content beside the database in `path`."""

    def __init__(self, path: Path, size: int = RESERVE_BYTES) -> None:
        self._file = path.with_name(f"{path.name}-reserve")
        self._size = size

    def keep(self) -> None:
        """Take the room, where there is as much."""
        if self._file.exists():
            return
        try:
            descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self._size)
            finally:
                os.close(descriptor)
        except OSError as error:
            self.release()
            tell(Event.RESERVE_MISSING, path=self._file, reason=error.strerror)

    def release(self) -> None:
        """Give the room back to the disk."""
        with suppress(OSError):
            self._file.unlink(missing_ok=True)
