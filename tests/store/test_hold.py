"""One recorder a store, as the kernel sees to it."""

import subprocess
import sys
from pathlib import Path

import pytest

from shadow.store.errors import StoreError, Trouble
from shadow.store.hold import held

HOLD = """import sys, pathlib, shadow.store.hold as h
with h.held(pathlib.Path(sys.argv[1])): print(1, flush=True); input()"""


def test_another_process_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    """However it goes: one that is killed leaves nothing behind that would keep the next one out."""
    path = tmp_path / "new" / "shadow.db"
    command = (sys.executable, "-c", HOLD, path)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:  # noqa: S603 (our own)
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(StoreError, match="another recorder writes to") as refused, held(path):
            pass
        assert refused.value.trouble is Trouble.LOCKED
        other.kill()
    with held(path):
        pass


def test_it_can_be_taken_again(tmp_path: Path) -> None:
    """A recorder that stops lets the store go."""
    for _ in range(2):
        with held(tmp_path / "shadow.db"):
            pass


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """As an error of the store, with the file's name."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"shadow\.db\.lock cannot be opened"), held(tmp_path / "file" / "shadow.db"):
        pass
