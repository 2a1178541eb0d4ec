"""How fast `shadow serve` is ready, and what both processes hold when idle.

    python tests/benchmarks/bench_service.py

Ready: from the start of the process to the first 200 on /-/ready. Idle: resident set of forwarder and recorder, and
their proportional set, which counts a page that both share once.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import click

from tests.end_to_end.sidecar import Sidecar, running

ROUNDS = 5
SETTLE_S = 2.0  # the recorder is ready a little after the forwarder
CANDIDATE = {"name": "ferry", "url": "http://127.0.0.1:9/v1", "models": {"*": "x"}}


async def main() -> None:
    """Start and stop the service a few times and print the medians."""
    ready, forwarder, recorder, shared = zip(*[await measured() for _ in range(ROUNDS)], strict=True)
    click.echo(f"ready after          {statistics.median(ready):6.2f} s")
    click.echo(f"forwarder, resident  {statistics.median(forwarder):6.1f} MB")
    click.echo(f"recorder, resident   {statistics.median(recorder):6.1f} MB")
    click.echo(f"both, resident sum   {statistics.median(map(sum, zip(forwarder, recorder, strict=True))):6.1f} MB")
    click.echo(f"both, shared once    {statistics.median(shared):6.1f} MB")


async def measured() -> tuple[float, float, float, float]:
    """Seconds until ready, then megabytes: forwarder, recorder, both with shared pages counted once."""
    with tempfile.TemporaryDirectory() as directory:
        started = time.perf_counter()
        settings = {"consent_default": "allow", "candidates": [CANDIDATE]}
        async with running(Path(directory), "http://127.0.0.1:9", **settings) as sidecar:
            ready = time.perf_counter() - started
            await asyncio.sleep(SETTLE_S)
            pids = await processes(sidecar)
            return ready, memory(pids[0], "Rss"), memory(pids[1], "Rss"), sum(memory(pid, "Pss") for pid in pids)


async def processes(sidecar: Sidecar) -> tuple[int, int]:
    """The ids of forwarder and recorder."""
    return sidecar.process.pid, await sidecar.recorder_pid()


def memory(pid: int, kind: str) -> float:
    """One figure of a process's memory, in megabytes (10⁶ bytes)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    [line] = [line for line in lines if line.startswith(f"{kind}:")]
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    asyncio.run(main())
