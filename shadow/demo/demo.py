"""The whole thing at once: stand-ins for OpenRouter and two candidates, the sidecar, traffic, and the report.

Needs no network and no keys. The sidecar is started as anyone would start it, in processes of its own.
"""

import asyncio
import contextlib
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import IO, Final

import aiohttp
import click
from prometheus_client.parser import text_string_to_metric_families

from shadow.demo import settings
from shadow.demo.candidates import Candidate
from shadow.demo.catalogue import FLAKY, THRIFTY
from shadow.demo.misbehaving import fails_at_times
from shadow.demo.openrouter import OpenRouter
from shadow.demo.provider import StandIn
from shadow.demo.quirks import OPENAI, VLLM
from shadow.demo.settings import FLAKY_KEY, THRIFTY_KEY, Places
from shadow.demo.traffic import Heard, send_all
from shadow.demo.workload import FEATURES, TENANTS, Call, calls

CALLS: Final = 400  # enough for a comparison per tenant, few enough for a few seconds
CONCURRENCY: Final = 24
CANDIDATES: Final = 2
FLAKY_FAILS_ONE_IN: Final = 16
READY_WITHIN_S: Final = 20.0  # a loaded machine starts slowly; usually it is one second
SETTLED_WITHIN_S: Final = 20.0  # likewise; usually it is half a second
STOPPED_WITHIN_S: Final = 15.0
POLL_S: Final = 0.05


class DemoError(Exception):
    """The demo cannot go on; the text says why, and where to look."""


async def run(directory: Path, *, count: int = CALLS, seed: int = 0) -> None:
    """Run the demo with its files in `directory`, which must exist. Raises DemoError and OSError."""
    workload = calls(count, seed)
    async with _stand_ins() as (openrouter, thrifty, flaky):
        listen, admin = _free_addresses(2)
        places = Places(listen, admin, openrouter.url, thrifty.url, flaky.url)
        config = settings.write(directory, places)
        _tell(f"Three stand-in providers and a sidecar on {listen}; everything is in {directory}")
        async with _sidecar(config, admin, directory / "sidecar.log"):
            heard = await _drive(f"http://{listen}", workload)
            settled = await _settled(admin, len(workload))
    _tell(_summary(heard))
    if not settled:
        _tell("Not every replay has ended; the report shows those that have.")
    await _report(config)
    _tell(_closing(directory))


@contextlib.asynccontextmanager
async def _stand_ins() -> AsyncIterator[tuple[StandIn, StandIn, StandIn]]:
    behaviour = OpenRouter()
    flaky = fails_at_times(Candidate(OPENAI, FLAKY, key=FLAKY_KEY), FLAKY_FAILS_ONE_IN)
    async with (
        StandIn(behaviour, early=behaviour.early) as first,
        StandIn(Candidate(VLLM, THRIFTY, key=THRIFTY_KEY)) as second,
        StandIn(flaky) as third,
    ):
        yield first, second, third


@contextlib.asynccontextmanager
async def _sidecar(config: Path, admin: str, log: Path) -> AsyncIterator[None]:
    """The sidecar as a process of its own, ready; stopped by SIGTERM at the end."""
    with log.open("wb") as output:
        process = await _shadow("serve", "-c", config, output=output)
    try:
        await _ready(process, admin, log)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOPPED_WITHIN_S)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _shadow(*arguments: str | Path, output: IO[bytes] | None = None) -> asyncio.subprocess.Process:
    """`shadow` with these arguments, writing to `output` instead of where this process writes."""
    command = (sys.executable, "-m", "shadow", *map(str, arguments))
    return await asyncio.create_subprocess_exec(*command, stdout=output, stderr=output)


async def _ready(process: asyncio.subprocess.Process, admin: str, log: Path) -> None:
    try:
        async with asyncio.timeout(READY_WITHIN_S), aiohttp.ClientSession() as session:
            while process.returncode is None:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"http://{admin}/-/ready") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        pass
    raise DemoError(f"the sidecar did not become ready; see {log}")


async def _drive(base_url: str, workload: Sequence[Call]) -> list[Heard]:
    """Send the workload, with a bar on a terminal and nothing in a pipe."""
    label = f"{len(workload)} requests of {len(TENANTS)} tenants and {len(FEATURES)} features"
    bar = click.progressbar(length=len(workload), label=label, file=sys.stderr, hidden=not sys.stderr.isatty())
    with bar:
        return await send_all(base_url, workload, CONCURRENCY, lambda _: bar.update(1))


async def _settled(admin: str, count: int) -> bool:
    """Wait until every exchange is stored and has an outcome on every arm; False if that takes too long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLED_WITHIN_S), aiohttp.ClientSession() as session:
            while True:
                async with session.get(f"http://{admin}/metrics") as answer:
                    counted = _totals(await answer.text())
                if counted["shadow_exchanges"] >= count and counted["shadow_replays"] >= count * CANDIDATES:
                    return True
                await asyncio.sleep(POLL_S)
    return False


def _totals(metrics: str) -> Counter[str]:
    """The sum of each counter over its labels."""
    totals: Counter[str] = Counter()
    for family in text_string_to_metric_families(metrics):
        if family.type == "counter":
            totals[family.name] += int(sum(sample.value for sample in family.samples))
    return totals


async def _report(config: Path) -> None:
    process = await _shadow("report", "-c", config)
    if await process.wait():
        raise DemoError("the report could not be made; its reason is above")


def _summary(heard: Sequence[Heard]) -> str:
    failed = sum(1 for one in heard if one.status is None or one.status >= 400)
    left = sum(1 for one in heard if one.call.leaves_after and not one.whole)
    return f"{len(heard)} requests sent; {failed} were answered with an error, {left} were left by the client.\n"


def _closing(directory: Path) -> str:
    program = sys.argv[0] if Path(sys.argv[0]).name == "shadow" else f"{sys.executable} -m shadow"
    report = f"{program} report -c {directory / 'shadow.yaml'}"
    return (
        f"\nThe database lies in {directory / 'shadow.db'}. Try next:\n"
        f"  {report} --by tenant --by feature\n"
        f"  {report} --where tenant=acme --format json"
    )


def _free_addresses(count: int) -> list[str]:
    """Loopback addresses that nothing listens on at this moment."""
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [f"127.0.0.1:{one.getsockname()[1]}" for one in found]


def _tell(text: str) -> None:
    click.echo(text)
