"""One recorder a store: whoever records holds it, and another process is told so.

A lock of the kernel's on a file beside the database: it goes with the process that has it, however that ends. It is not
on the database itself, whose locks SQLite would lose (https://sqlite.org/howtocorrupt.html, "POSIX advisory locks").
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shadow.store.errors import StoreError, Trouble


@contextmanager
def held(path: Path) -> Iterator[None]:
    """The database in `path` is this process's to write. Raises StoreError (LOCKED) where it is another's."""
    lock = path.with_name(f"{path.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(Trouble.FAILED, f"{lock} cannot be opened: {error.strerror}") from error
    try:
        _lock(descriptor, path)
        yield
    finally:
        os.close(descriptor)  # which lets it go


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StoreError(Trouble.LOCKED, f"another recorder writes to {path}") from error
    except OSError:
        return  # a file system without locks: there as everywhere before there was one
