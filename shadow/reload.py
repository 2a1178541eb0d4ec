"""Takes a changed configuration over while the service runs: read anew, compared, told of, handed on.

A process of its own reads and compares (`shadow.rereading`): YAML of thousands of tenants takes seconds, to unpickle
and compare them takes half a second, and this one forwards. What it needs comes in pieces, between which clients have
their turn. A configuration with mistakes changes nothing.
"""

import asyncio
import io
import pickle
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shadow.changes import Found
from shadow.events import Event
from shadow.log import tell
from shadow.rereading import wanted_beside

READ_S: Final = 180.0  # a registry of 50,000 tenants takes 20 s, and longer where clients need the processor


@dataclass(frozen=True, slots=True)
class Renewed:
    """What is in force from now on: the file of the pickled configuration, and the owner of every known key."""

    config: Path
    owners: Mapping[str, str]


Adopt = Callable[[Renewed], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What came of a reload: what differed, or in `problems` why the configuration was refused."""

    text: str = "Nothing has changed.\n"
    problems: str = ""

    def __str__(self) -> str:
        if self.problems:
            return f"The configuration is refused, and the old one stays:\n{self.problems}"
        return self.text


class Reloading:
    """Replaces the configuration in force, pickled in the file `in_force`, by what the file in `path` says now."""

    def __init__(self, path: Path, in_force: Path) -> None:
        # Called in order, one at a time, with what is in force from now on. One of them puts it into `in_force`.
        self.adopters: list[Adopt] = []
        self._path = path
        self._in_force = in_force
        self._turn = asyncio.Lock()

    async def reload(self) -> Reloaded:
        """Read the file and take over what can be taken over. One at a time; never raises."""
        async with self._turn:
            printed = await self._read()
            if isinstance(printed, str):
                tell(Event.RELOAD_REFUSED, problems=printed)
                return Reloaded(problems=printed)
            pickles = io.BytesIO(printed)
            found: Found = pickle.load(pickles)  # noqa: S301 (of a child of ours, over a pipe)
            _tell_of(found)
            if found.live:
                renewed = Renewed(wanted_beside(self._in_force), await _owners(pickles, len(printed)))
                for adopt in self.adopters:
                    await adopt(renewed)
            return Reloaded(found.text)

    async def _read(self) -> bytes | str:
        """What the child printed, or what is wrong with the configuration."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "shadow.rereading", self._path, self._in_force),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(READ_S):
                out, told = await process.communicate()
        except TimeoutError:
            return f"{self._path} could not be read within {READ_S:g} s\n"
        finally:
            if process.returncode is None:  # or the service stops meanwhile
                process.kill()
                await process.wait()
        return told.decode(errors="replace") if process.returncode else out


async def _owners(pickles: io.BytesIO, end: int) -> dict[str, str]:
    """Who owns which key: a new mapping, as requests are attributed by the old one meanwhile."""
    owners: dict[str, str] = {}
    while pickles.tell() < end:
        owners |= pickle.load(pickles)  # noqa: S301 (see above)
        await asyncio.sleep(0)
    return owners


def _tell_of(found: Found) -> None:
    for one in found.first:
        if one.live:
            tell(Event.CONFIG_CHANGED, change=one)
        else:
            tell(Event.CONFIG_WAITS, change=one)
    if found.more:
        tell(Event.CONFIG_CHANGED_MORE, count=found.more)
    if not found.first:
        tell(Event.CONFIG_UNCHANGED)
