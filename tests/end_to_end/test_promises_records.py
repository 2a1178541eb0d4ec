"""P5, promises 44 to 49 from outside: what a kill, a full disk, a damaged database and a report do to the records."""

import asyncio
import resource
from pathlib import Path

import aiohttp

from shadow.demo.provider import StandIn
from tests.end_to_end.sidecar import Sidecar, eventually, metric, running
from tests.end_to_end.test_faults import ANSWER, IDS, answering, ask

LARGER_THAN_THE_LOG = 16_384  # bytes: the recorder's lines still find room, the database's pages none


async def metrics(http: aiohttp.ClientSession, sidecar: Sidecar) -> str:
    async with http.get(f"{sidecar.admin}/metrics") as answer:
        return (await answer.read()).decode()


async def until(http: aiohttp.ClientSession, sidecar: Sidecar, value: int, name: str, **labels: str) -> None:
    """Wait until a metric has reached a value."""
    while metric(await metrics(http, sidecar), name, **labels) < value:  # noqa: ASYNC110 (other processes do it)
        await asyncio.sleep(0.02)


async def test_promise_44_a_kill_of_the_whole_sidecar_loses_what_was_not_acknowledged(
    http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """SIGKILL of the forwarder, which takes the recorder along: what was handed over within `handoff.max_delay_ms` is
    there after the next start, once; nothing but what finished since then is missing."""
    async with StandIn(answering) as upstream:
        async with running(tmp_path, upstream.url) as sidecar:
            for _ in range(20):
                assert await ask(http, sidecar) == (200, ANSWER)
            await until(http, sidecar, 20, "shadow_handoff_exchanges_total", result="acknowledged")
            recorder = await sidecar.recorder_pid()
            await asyncio.gather(*(ask(http, sidecar) for _ in range(5)))
            sidecar.process.kill()
            await sidecar.process.wait()
            await eventually(lambda: not Path(f"/proc/{recorder}/cmdline").exists() or None)
        async with running(tmp_path, upstream.url) as sidecar:
            assert await ask(http, sidecar) == (200, ANSWER)
            await until(http, sidecar, 1, "shadow_handoff_exchanges_total", result="acknowledged")
            stored = [row["exchange_id"] for row in sidecar.rows(IDS)]
    assert 21 <= len(stored) == len(set(stored)) <= 26


async def test_promise_45_a_full_disk_is_told_and_survived(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    """No room for the store: clients are served, the handoff holds what they did, a metric and a line of the log say
    what is the matter, and with room again everything is stored."""
    async with StandIn(answering) as upstream, running(tmp_path, upstream.url) as sidecar:
        assert await ask(http, sidecar) == (200, ANSWER)
        await eventually(lambda: len(sidecar.rows(IDS)) == 1 or None)
        recorder = await sidecar.recorder_pid()
        before = resource.prlimit(recorder, resource.RLIMIT_FSIZE, (LARGER_THAN_THE_LOG, resource.RLIM_INFINITY))
        assert await asyncio.gather(*(ask(http, sidecar) for _ in range(20))) == [(200, ANSWER)] * 20
        await until(http, sidecar, 1, "shadow_store_errors_total")
        assert metric(await metrics(http, sidecar), "shadow_handoff_bytes") > 0
        assert "store_troubled" in sidecar.log.read_text()
        resource.prlimit(recorder, resource.RLIMIT_FSIZE, before)
        await eventually(lambda: len(sidecar.rows(IDS)) == 21 or None)


async def test_promise_46_a_useless_database_is_told_and_replaced(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    """Garbage in the store's place: it is kept under a name with the time, a metric and a line of the log say so, and
    clients are served and recorded."""
    (tmp_path / "shadow.db").write_bytes(b"no database at all" * 1000)
    async with StandIn(answering) as upstream, running(tmp_path, upstream.url) as sidecar:
        assert await ask(http, sidecar) == (200, ANSWER)
        await until(http, sidecar, 1, "shadow_handoff_exchanges_total", result="acknowledged")
        assert len(sidecar.rows(IDS)) == 1
        await until(http, sidecar, 1, "shadow_store_set_aside")
        assert "store_set_aside" in sidecar.log.read_text()
    [kept] = tmp_path.glob("shadow.db.set-aside-*")
    assert kept.read_bytes() == b"no database at all" * 1000


async def test_promise_49_one_connection_writes_and_checkpoints(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    """The recorder has the database open once, also while a report is read; the forwarder does not. The log names the
    release of SQLite."""
    async with StandIn(answering) as upstream, running(tmp_path, upstream.url) as sidecar:
        assert await ask(http, sidecar) == (200, ANSWER)
        await eventually(lambda: len(sidecar.rows(IDS)) == 1 or None)
        async with http.get(f"{sidecar.admin}/report.json") as answer:
            assert answer.status == 200
        recorder = await sidecar.recorder_pid()
        assert opened(recorder, sidecar.store) == 1
        assert opened(sidecar.process.pid, sidecar.store) == 0
        assert "SQLite 3." in sidecar.log.read_text()


def opened(pid: int, path: Path) -> int:
    """How many descriptors a process has of a file."""
    return sum(link.readlink() == path for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink())
