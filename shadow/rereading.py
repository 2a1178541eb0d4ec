"""The part of a reload that takes long, in a process of its own: the forwarder's loop has clients to serve.

`python -m shadow.rereading PATH IN_FORCE` reads the configuration in the file PATH and compares it with the pickled one
in IN_FORCE. It prints pickles, each small: what was found and, where a running service takes any of it over, who owns
which key, piece by piece. What is to be in force from then on is pickled beside IN_FORCE. A configuration with mistakes
is told on standard error, and ends it with 2.
"""

import os
import pickle
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from shadow.changes import TOLD_MOST, changes, found, taken_over
from shadow.config import Config
from shadow.configfile import ConfigError, parse, read

NICENESS: Final = 10  # seconds of YAML must not compete with clients
PIECE: Final = 1000  # keys in one pickle: half a millisecond


def wanted_beside(in_force: Path) -> Path:
    """Where what is to be in force is pickled."""
    return in_force.with_suffix(".wanted")


def _pieces(config: Config) -> Iterator[dict[str, str]]:
    owners = iter(config.registry.owners.items())
    while piece := dict(islice(owners, PIECE)):
        yield piece


def _told(error: ConfigError) -> str:
    more = len(error.problems) - TOLD_MOST
    lines = [*map(str, error.problems[:TOLD_MOST]), *([f"and {more} more"] if more > 0 else ())]
    return "".join(f"{line}\n" for line in lines)


def main(path: Path, in_force: Path) -> int:
    """What this module does as a program; its exit code."""
    os.nice(NICENESS)
    running: Config = pickle.loads(in_force.read_bytes())  # noqa: S301 (the service's own, in its private directory)
    try:
        wanted = parse(read(path), path.parent.absolute())
    except ConfigError as error:
        sys.stderr.write(_told(error))
        return 2
    one = found(changes(running, wanted))
    printed: list[Any] = [one]
    if one.live:
        renewed = taken_over(running, wanted)
        wanted_beside(in_force).write_bytes(pickle.dumps(renewed))
        printed += _pieces(renewed)
    for part in printed:
        pickle.dump(part, sys.stdout.buffer)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
