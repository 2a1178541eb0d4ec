"""`python -m shadow.record --socket PATH`: the recorder's process, started by `shadow.service`.

Reads the parent's `Config`, pickled, from standard input, then serves on the socket until SIGTERM. It needs neither a
YAML parser nor a validator, and keeps their memory free. Exit codes: 0 stopped, 1 cannot start.
"""

import argparse
import asyncio
import ctypes
import gc
import os
import pickle
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import uvloop

from shadow.config import Config
from shadow.events import Event
from shadow.fingerprint import SecretError
from shadow.log import configure, tell
from shadow.record.memory import stay_within_container
from shadow.record.recorder import recording
from shadow.store.errors import StoreError
from shadow.store.hold import held

PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
NICENESS: Final = 10  # a tenth of the forwarder's share where both want the processor
GC_THRESHOLD: Final = 20_000  # containers; a batch makes as many, none in a cycle: by default it is searched 17 times
SWITCH_INTERVAL_S: Final = 0.0005  # bodies are read in a thread: the loop, which times candidates, takes over soon


def main() -> int:
    arguments = _arguments()
    _end_with_parent(arguments.parent)
    _give_way()
    stay_within_container()
    os.umask(0o077)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    configure("recorder")
    gc.collect()
    gc.freeze()  # what was imported stays: to look through it again takes 30 ms, during which no candidate is timed
    gc.set_threshold(GC_THRESHOLD)
    try:
        config: Config = pickle.load(sys.stdin.buffer)  # noqa: S301 (the parent wrote it, in a directory of its own)
        uvloop.run(_serve(config, arguments.socket))
    except (StoreError, SecretError, OSError) as error:
        tell(Event.RECORDER_UNSTARTED, reason=error)
        return 1
    return 0


async def _serve(config: Config, socket: Path) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with held(config.store.path):
        async with recording(config, socket):
            await stop.wait()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="shadow.record", description="The recorder; `shadow serve` starts it.")
    parser.add_argument("--socket", type=Path, required=True, help="the Unix socket to serve on")
    parser.add_argument("--parent", type=int, help="the process without which this one ends")
    return parser.parse_args()


def _end_with_parent(parent: int | None) -> None:
    """Have the kernel send SIGTERM when the parent dies: Linux only, elsewhere the recorder outlives it."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if parent is not None and os.getppid() != parent:
        sys.exit("the parent died before the recorder could start")


def _give_way() -> None:
    """To the process that forwards: the kernel ends this one first, and lets that one run first."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    with suppress(OSError):
        os.nice(NICENESS)


if __name__ == "__main__":
    sys.exit(main())
