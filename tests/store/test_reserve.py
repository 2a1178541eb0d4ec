import errno
import os
from pathlib import Path

import pytest

from shadow.store.reserve import Reserve


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shadow.db"


@pytest.fixture
def file(path: Path) -> Path:
    return path.with_name("shadow.db-reserve")


def test_room_is_taken_for_good(path: Path, file: Path) -> None:
    """The room is allocated on the disk, not only promised, and its file is private."""
    Reserve(path, 100_000).keep()
    taken = file.stat()
    assert (taken.st_size, taken.st_mode & 0o777) == (100_000, 0o600)
    assert taken.st_blocks * 512 >= 100_000


def test_room_is_given_back(path: Path, file: Path) -> None:
    """Released room is the disk's again, and may be released twice."""
    reserve = Reserve(path, 100_000)
    reserve.keep()
    reserve.release()
    reserve.release()
    assert not file.exists()


def test_room_is_taken_once(path: Path, file: Path) -> None:
    """What an earlier run keeps is kept."""
    Reserve(path, 1000).keep()
    Reserve(path, 2000).keep()
    assert file.stat().st_size == 1000


def test_a_full_disk_keeps_no_half_reserve(
    path: Path, file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where there is no room, nothing is left behind, and the log says so."""

    def refuses(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuses)
    Reserve(path).keep()
    assert not file.exists()
    assert "no room could be reserved" in caplog.text
