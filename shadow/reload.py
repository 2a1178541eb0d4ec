"""Takes a changed configuration over while the service runs: read anew, compared, told of, handed on.

It is read by a process of its own: YAML of thousands of tenants takes seconds, and this one forwards. A configuration
with mistakes changes nothing.
"""

import asyncio
import pickle
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shadow.changes import Change, changes, taken_over
from shadow.config import Config
from shadow.events import Event
from shadow.log import tell

READ_S: Final = 60.0  # a registry of 50,000 tenants takes a third of it
TOLD_MOST: Final = 50  # changes of one reload, each in a line of the log; then how many more there are

Adopt = Callable[[Config], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What came of a reload: what differed, or in `problems` why the configuration was refused."""

    changes: tuple[Change, ...] = ()
    problems: str = ""

    def __str__(self) -> str:
        if self.problems:
            return f"The configuration is refused, and the old one stays:\n{self.problems}"
        if not self.changes:
            return "Nothing has changed.\n"
        live = [str(one) for one in self.changes if one.live]
        later = [f"{one} (at the next start)" for one in self.changes if not one.live]
        return "".join(f"{line}\n" for line in (*live, *later))


class Reloading:
    """The configuration in force, and how it is replaced by what the file in `path` says now."""

    def __init__(self, config: Config, path: Path) -> None:
        self.config = config
        self.adopters: list[Adopt] = []  # called in order, one at a time, with what is in force from now on
        self._path = path
        self._turn = asyncio.Lock()

    async def reload(self) -> Reloaded:
        """Read the file and take over what can be taken over. One at a time; never raises."""
        async with self._turn:
            wanted = await self._read()
            if isinstance(wanted, str):
                tell(Event.RELOAD_REFUSED, problems=wanted)
                return Reloaded(problems=wanted)
            found = changes(self.config, wanted)
            _tell_of(found)
            if any(one.live for one in found):
                self.config = taken_over(self.config, wanted)
                for adopt in self.adopters:
                    await adopt(self.config)
            return Reloaded(found)

    async def _read(self) -> Config | str:
        """The configuration in the file, or what is wrong with it."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "shadow.configfile", self._path),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(READ_S):
                out, told = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            return f"{self._path} could not be read within {READ_S:g} s\n"
        if process.returncode:
            return told.decode(errors="replace")
        config: Config = pickle.loads(out)  # noqa: S301 (of a child of ours, over a pipe)
        return config


def _tell_of(found: tuple[Change, ...]) -> None:
    for one in found[:TOLD_MOST]:
        if one.live:
            tell(Event.CONFIG_CHANGED, change=one)
        else:
            tell(Event.CONFIG_WAITS, change=one)
    if len(found) > TOLD_MOST:
        tell(Event.CONFIG_CHANGED_MORE, count=len(found) - TOLD_MOST)
    if not found:
        tell(Event.CONFIG_UNCHANGED)
