"""A pause is a person's: it ends when a person ends it."""

from pathlib import Path

from shadow.record.pause import Pause


class Mirror:
    """Something that can be paused."""

    paused = False

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False


def test_a_recorder_that_comes_after_is_paused_too(tmp_path: Path) -> None:
    """Whether the one before crashed or gave way to a new configuration."""
    first, second, third = Mirror(), Mirror(), Mirror()
    socket = tmp_path / "recorder.sock"
    Pause(first, socket).begin()
    pause = Pause(second, socket)
    assert (first.paused, second.paused) == (True, True)
    pause.end()
    Pause(third, socket)
    assert (second.paused, third.paused) == (False, False)


def test_to_end_a_pause_that_is_none_is_harmless(tmp_path: Path) -> None:
    """As an operator does to be sure."""
    mirror = Mirror()
    Pause(mirror, tmp_path / "recorder.sock").end()
    assert not mirror.paused
