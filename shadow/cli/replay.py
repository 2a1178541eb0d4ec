"""`shadow replay`: stored, consented requests to a candidate that was added later."""

import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from shadow.cli.ends import EXIT_INTERRUPTED, EXIT_STORE, EXIT_USAGE, fail, read
from shadow.cli.options import Moment, config_option

if TYPE_CHECKING:
    from shadow.config import Config


# What a run's end is in words; of one that is done there is nothing more to say.
ENDINGS: Final = {
    "done": "",
    "stopped": "stopped: what was left waits for another time",
    "unwatched": "ended: this command was not heard of for a minute",
    "over_budget": "ended: the candidate's budget of the day has no room for more; go on tomorrow",
    "keyless": "ended: the candidate's key cannot be read",
    "failed": "ended: the store could not be read or written; the recorder's log says more",
}

SLOWEST: Final = 0.001  # as the recorder's own, whose room --help does not load


@click.command()
@config_option()
@click.option("--candidate", required=True, help="Where to.")
@click.option("--since", type=Moment(), help="Only exchanges from this time on: ISO 8601, or an age such as 7d.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many replays.")
@click.option("--rate", type=click.FloatRange(min=SLOWEST), help="At most so many replays a second.")
def replay(config_path: Path, candidate: str, since: datetime | None, limit: int | None, rate: float | None) -> None:
    """Replay kept requests to a candidate, under its budget and as its tenants consent.

    Requests are kept where `capture.bodies` says so. What the candidate has been sent before is not sent again. The
    recorder that runs does the work, and Ctrl-C has it begin nothing more; where none runs, this command does it.

    \b
    shadow replay -c shadow.yaml --candidate ferry --since 7d --limit 500
    """
    import asyncio

    from shadow.cli.recorder import AwayError, RecorderError
    from shadow.store.errors import StoreError

    config = read(config_path)
    order = {
        "candidate": candidate,
        "since": None if since is None else since.timestamp(),
        "limit": limit,
        "rate": rate,
    }
    try:
        run, interrupted = asyncio.run(_replay(config, order))
    except RecorderError as error:
        fail(str(error), EXIT_STORE if isinstance(error, AwayError) else EXIT_USAGE)
    except (StoreError, OSError) as error:
        fail(f"{error}; what runs with this store must be asked on its admin port", EXIT_STORE)
    for line in summary(run):
        click.echo(line)
    if interrupted:
        sys.exit(EXIT_INTERRUPTED)
    if run["state"] == "failed":
        sys.exit(EXIT_STORE)


async def _replay(config: "Config", order: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The run once it is over, and whether it was interrupted."""
    import asyncio

    from shadow.cli.recorder import ASK_EVERY_S, recorder

    interrupt = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupt.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, interrupt.set)
    async with recorder(config) as it:
        run = await it.ask("POST", "/-/replay", order)
        stopped = False
        while run["state"] == "running":
            _show(run, stopping=stopped)
            if interrupt.is_set() and not stopped:
                stopped, run = True, await it.ask("POST", "/-/replay/stop")
            await asyncio.sleep(ASK_EVERY_S)
            run = await it.ask("GET", "/-/replay")
        _show(run, last=True)
    return run, stopped


def _show(run: dict[str, Any], *, stopping: bool = False, last: bool = False) -> None:
    """One line on a terminal, written over; nothing in a pipe."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{progress(run, stopping=stopping)}", err=True, nl=last)


def progress(run: dict[str, Any], *, stopping: bool = False) -> str:
    """How far a run is, in one line."""
    seen = sum(run["ended"].values()) + sum(run["left"].values())
    line = f"{run['candidate']}: {seen} of {run['found']}, {run['ended'].get('completed', 0)} completed"
    if stopping:
        return f"{line}, finishing what was sent"
    return f"{line}, waiting: {run['waits_for']}" if run["waits_for"] else line


def summary(run: dict[str, Any]) -> list[str]:
    """What became of everything, in lines."""
    lines = [f"{run['found']} kept requests were not replayed to {run['candidate']} yet"]
    lines += [f"  {count:6} {end}" for end, count in sorted(run["ended"].items())]
    lines += [f"  {count:6} left: {reason}" for reason, count in sorted(run["left"].items())]
    rest = run["found"] - sum(run["ended"].values()) - sum(run["left"].values())
    lines += [f"  {rest:6} not begun"] if rest else []
    unknown = f", of {run['cost_unknown']} unknown" if run["cost_unknown"] else ""
    lines.append(f"cost: ${run['cost_usd']}{unknown}")
    ending = ENDINGS.get(run["state"], run["state"])
    return [*lines, ending] if ending else lines
