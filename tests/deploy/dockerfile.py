"""A Dockerfile's instructions, and how to follow them without a container engine.

Each stage is a copy of this machine in which changes stay apart: an overlay over its root, in a mount namespace of its
own. That is not the base image, but the steps are the file's own, under their own paths.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

Step = tuple[str, str]  # the instruction and what follows it
LIST = ("git", "ls-files", "--cached", "--others", "--exclude-standard")


@dataclass
class Stage:
    """One stage: its base, its steps in order, and what they say of running it."""

    base: str
    name: str
    steps: list[Step] = field(default_factory=list)

    def last(self, instruction: str) -> str:
        return [rest for each, rest in self.steps if each == instruction][-1]

    def words(self, instruction: str) -> list[str]:
        """An instruction in the form of a JSON list."""
        words: list[str] = json.loads(self.last(instruction))
        return words


def stages(path: Path) -> list[Stage]:
    """The stages of a file."""
    text = re.sub(r"^#.*\n", "", path.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found: list[Stage] = []
    for line in filter(str.strip, text.splitlines()):
        instruction, _, rest = line.strip().partition(" ")
        if instruction == "FROM":
            base, _, name = rest.partition(" AS ")
            found.append(Stage(base, name or str(len(found))))
        else:
            found[-1].steps.append((instruction, rest.strip()))
    return found


def context(root: Path, ignore: Path) -> list[str]:
    """The files of the build context, as .dockerignore leaves them. Its last pattern that matches decides."""
    patterns = [line for line in ignore.read_text().splitlines() if line and not line.startswith("#")]
    listed = subprocess.run(LIST, cwd=root, capture_output=True, text=True, check=True)  # noqa: S603
    return [name for name in listed.stdout.splitlines() if not _ignored(name, patterns)]


def _ignored(name: str, patterns: Sequence[str]) -> bool:
    ignored = False
    for pattern in patterns:
        wanted = pattern.removeprefix("!")
        parts = name.split("/")
        prefixes = ["/".join(parts[: n + 1]) for n in range(len(parts))]
        if wanted == "*" or any(fnmatch(prefix, wanted) for prefix in prefixes):
            ignored = not pattern.startswith("!")
    return ignored


class Followed:
    """The steps of a stage, followed in an overlay whose changes lie in `directory`."""

    def __init__(self, stage: Stage, directory: Path) -> None:
        self.stage = stage
        self._work, self._root, self.changes = (directory / stage.name / part for part in ("work", "root", "changes"))
        for place in (self._work, self._root, self.changes):
            place.mkdir(parents=True)
        # The interpreter may lie where only root goes; the base image's does not.
        self._open(Path(interpreter()).parent)

    def _open(self, place: Path) -> None:
        """Have a directory inside, and its parents, that anyone may pass through."""
        here = self.changes
        for part in place.parts[1:]:
            here /= part
            here.mkdir(mode=0o755, exist_ok=True)

    def follow(self, source: Path, files: Sequence[str], earlier: dict[str, "Followed"]) -> None:
        """Do what COPY and RUN say. `files` are those of the build context in `source`."""
        for instruction, rest in self.stage.steps:
            if instruction == "COPY":
                self._copy(rest.split(), source, files, earlier)
            elif instruction == "RUN":
                done = subprocess.run(self.building(["sh", "-euc", rest]), capture_output=True, text=True, check=False)  # noqa: S603
                assert done.returncode == 0, f"RUN {rest}\n{done.stdout}{done.stderr}"

    def _copy(self, words: list[str], source: Path, files: Sequence[str], earlier: dict[str, "Followed"]) -> None:
        if words[0].startswith("--from="):
            other, path, target = earlier[words[0].removeprefix("--from=")], words[1], words[2]
            shutil.copytree(other.changes / path.lstrip("/"), self.changes / target.lstrip("/"), symlinks=True)
            return
        *paths, target = words
        for path in paths:
            found = [name for name in files if name == path or name.startswith(f"{path}/")]
            assert found, f"COPY {path}: not in the build context"
            for name in found:
                inside = Path(name).name if name == path else Path(name).relative_to(path)
                place = self.changes / target.lstrip("/") / inside
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source / name, place)

    def building(self, words: Sequence[str]) -> list[str]:
        """A command that runs words inside, as root; what it changes is kept."""
        return self._command([], [str(self._root), "env", f"PATH={search_path()}", *words])

    def running(self, words: Sequence[str], user: str, path: str, volumes: dict[Path, str]) -> list[str]:
        """A command that runs words inside, as a user, with nothing of this environment, on a tree that is read-only
        but for `volumes`: each a directory of this machine, and where it is to be. `path` is searched first."""
        mounts = []
        for here, there in volumes.items():
            self._open(Path(there))
            mounts.append(f"mount --bind {here} {self._root}{there}")
        mounts.append(f"mount -o remount,ro {self._root}")
        environment = ["env", "-i", f"PATH={path}{search_path()}"]
        return self._command(mounts, [f"--userspec={user}", str(self._root), *environment, *words])

    def _command(self, mounts: list[str], chroot: list[str]) -> list[str]:
        overlay = f"lowerdir=/,upperdir={self.changes},workdir={self._work}"
        script = [
            f"mount -t overlay overlay -o {overlay} {self._root}",
            f"mount --bind /dev {self._root}/dev",
            f"mount -t proc proc {self._root}/proc",
            *mounts,
            'exec chroot "$@"',
        ]
        return ["unshare", "--mount", "sh", "-euc", "; ".join(script), "sh", *chroot]


def search_path() -> str:
    return f"{Path(interpreter()).parent}:{os.environ['PATH']}"


def interpreter() -> str:
    """The Python that stands in for the base image's: this one, outside of its virtual environment."""
    return os.path.realpath(sys.executable)
