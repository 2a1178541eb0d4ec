"""An operator's pause of replays. It outlives the recorder: what a person stopped, no crash and no reload resumes."""

from pathlib import Path
from typing import Protocol


class Mirror(Protocol):
    """What is paused."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...


class Pause:
    """The pause, remembered as a file beside the recorder's socket: for as long as the service runs, and no longer."""

    def __init__(self, mirror: Mirror, socket: Path) -> None:
        self._mirror = mirror
        self._marker = socket.with_name("paused")
        if self._marker.exists():
            mirror.pause()

    def begin(self) -> None:
        self._mirror.pause()
        self._marker.touch()

    def end(self) -> None:
        self._marker.unlink(missing_ok=True)
        self._mirror.resume()
