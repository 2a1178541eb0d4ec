import asyncio
import multiprocessing
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from functools import partial
from pathlib import Path

import pytest

from shadow.store.errors import StoreError, Trouble
from shadow.store.files import log_of
from shadow.store.limits import Limits
from shadow.store.rows import exchange_row
from shadow.store.writer import Writer
from shadow.store.writes import Write
from tests.store.child import until_killed
from tests.store.samples import recorded

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.store.child"])
CHILD = (sys.executable, "-m", "tests.store.child")
NAMESPACES = ("unshare", "--user", "--map-root-user", "--mount")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shadow.db"


@asynccontextmanager
async def writing(path: Path, limits: Limits | None = None) -> AsyncIterator[Writer]:
    writer = await Writer.open(path, limits or Limits())
    try:
        yield writer
    finally:
        await writer.close()


def exchanges(first: int, count: int = 1) -> Write:
    return Write(exchanges=[exchange_row(recorded(number)) for number in range(first, first + count)])


def count(path: Path) -> int:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM exchanges").fetchone()[0])


async def test_what_waits_is_committed_together(path: Path) -> None:
    """Callers that wait at the same time share a commit, up to the bound of a group."""
    groups: list[int] = []
    async with writing(path, Limits(group_rows=4)) as writer:
        transact = writer._transact

        async def counted(work: partial[object]) -> object:
            groups.append(len(work.keywords["group"]))
            return await transact(work)

        writer._transact = counted  # type: ignore[method-assign, assignment]
        await asyncio.gather(*(writer.submit(exchanges(number)) for number in range(10)))
    assert groups == [4, 4, 2]


async def test_what_one_caller_brings_is_one_commit(path: Path) -> None:
    """A batch beyond the bound is not torn apart: it is acknowledged as a whole."""
    async with writing(path, Limits(group_rows=4)) as writer:
        assert len(await writer.submit(exchanges(0, 10))) == 10


async def test_a_caller_that_goes_away_changes_nothing(path: Path) -> None:
    """When a caller is cancelled while it waits, its rows are stored and the others are answered."""
    async with writing(path) as writer:
        gone = asyncio.create_task(writer.submit(exchanges(0)))
        stays = asyncio.create_task(writer.submit(exchanges(1)))
        await asyncio.sleep(0)
        gone.cancel()
        assert len(await stays) == 1
    assert count(path) == 2


async def test_work_that_breaks_is_undone(path: Path) -> None:
    """A mistake in a chore is a StoreError for its caller, leaves no rows, and the writer goes on."""

    def breaks(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO exchanges (exchange_id, outcome, method, path) VALUES (x'01', '', '', '')")
        raise LookupError("a mistake")

    async with writing(path) as writer:
        with pytest.raises(StoreError) as raised:
            await writer.chore(breaks)
        assert len(await writer.submit(exchanges(0))) == 1
    assert (raised.value.trouble, count(path)) == (Trouble.FAILED, 1)
    assert "LookupError in " in str(raised.value)
    assert "a mistake" not in str(raised.value)


async def test_promise_48_a_reader_cannot_make_the_log_grow_without_bound(path: Path) -> None:
    """While someone reads an old snapshot the log grows to its bound and no further; then nothing is stored until
    the reader goes."""
    limits = Limits(log_restart_bytes=200_000, log_max_bytes=400_000, checkpoint_wait_ms=1)
    one_group = 200_000
    async with writing(path, limits) as writer:
        await writer.submit(exchanges(0))
        with closing(reader_of(path)) as reader:
            with pytest.raises(StoreError) as raised:
                await until_refused(writer)
            assert raised.value.trouble is Trouble.READER_HOLDS_LOG
            assert writer.trouble is Trouble.READER_HOLDS_LOG
            assert log_of(path).stat().st_size < limits.log_max_bytes + one_group
            reader.execute("COMMIT")
        assert len(await writer.submit(exchanges(100_000))) == 1
        assert writer.trouble is None
        assert log_of(path).stat().st_size < one_group


async def test_promise_48_the_log_is_cut_back_although_readers_overlap(path: Path) -> None:
    """Short readers of which one is always there do not keep the log from being emptied."""
    limits = Limits(log_restart_bytes=100_000, checkpoint_pause_s=0)
    async with writing(path, limits) as writer:
        await writer.submit(exchanges(0))
        enough = threading.Event()
        reading = asyncio.create_task(asyncio.to_thread(read_on_and_on, path, enough))
        sizes = []
        for first in range(1, 1500, 50):
            await writer.submit(exchanges(first, 50))
            sizes.append(log_of(path).stat().st_size)
        enough.set()
        await reading
    assert max(sizes) < 5 * limits.log_restart_bytes


def read_on_and_on(path: Path, enough: threading.Event) -> None:
    """Readers in a chain: the next has begun before the last one ends."""
    with closing(reader_of(path)) as last:
        while not enough.is_set():
            with closing(reader_of(path)):
                last.execute("COMMIT")
                last.execute("BEGIN")
                last.execute("SELECT count(*) FROM exchanges").fetchone()


def reader_of(path: Path) -> sqlite3.Connection:
    """A connection that holds a snapshot."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM exchanges").fetchone()
    return connection


async def until_refused(writer: Writer) -> None:
    for first in range(1, 10_000, 50):
        await writer.submit(exchanges(first, 50))


def overwritten(path: Path) -> None:
    """Garbage in the middle of the file, and no log that would heal it."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))


async def test_promise_46_damage_while_running_is_survived(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """When the database is damaged under a running recorder, it is set aside, said so, and the next rows are stored."""
    async with writing(path) as writer:
        await writer.submit(exchanges(0, 500))
        await writer.empty_log()
        await writer.chore(partial(execute, "PRAGMA shrink_memory"))  # else it works on with what it remembers
        overwritten(path)
        troubles = []
        for first in range(1000, 1010):
            try:
                await writer.submit(exchanges(first))
            except StoreError as error:
                troubles.append(error.trouble)
    assert troubles == [Trouble.DAMAGED]
    assert "was set aside" in caplog.text
    assert count(path) == 9


async def test_a_database_that_is_removed_is_made_again(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Rows do not vanish into a file that nobody can open any more."""
    async with writing(path) as writer:
        await writer.submit(exchanges(0))
        for file in path.parent.iterdir():
            file.unlink()
        await writer.submit(exchanges(1))
        assert count(path) == 1
    assert "is gone" in caplog.text


async def test_a_directory_that_comes_and_goes_is_survived(tmp_path: Path) -> None:
    """While the volume is away every caller is told so; when it is back, rows are stored again."""
    disk, nothing, volume = tmp_path / "disk", tmp_path / "nothing", tmp_path / "volume"
    disk.mkdir()
    nothing.touch()
    path = volume / "shadow.db"
    point(volume, disk)
    async with writing(path, Limits(checkpoint_pause_s=0)) as writer:
        await writer.submit(exchanges(0))
        point(volume, nothing)
        for number in range(1, 3):
            with pytest.raises(StoreError) as raised:
                await writer.submit(exchanges(number))
            assert raised.value.trouble is Trouble.FAILED
            assert not await writer.empty_log()
        point(volume, disk)
        await writer.submit(exchanges(3))
    assert count(path) == 2


def point(link: Path, target: Path) -> None:
    """Have a link lead somewhere else, at once: the writer, which tries all the while, finds the one or the other."""
    fresh = link.with_suffix(".fresh")
    fresh.symlink_to(target)
    fresh.replace(link)


async def test_trouble_is_logged_when_it_begins_and_ends(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A store in trouble says so once, not for every batch, and once more when it is well again."""
    async with writing(path) as writer:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            await writer.chore(partial(execute, "PRAGMA busy_timeout = 0"))
            other.execute("BEGIN IMMEDIATE")
            for number in range(3):
                with pytest.raises(StoreError):
                    await writer.submit(exchanges(number))
            other.execute("COMMIT")
        await writer.submit(exchanges(0))
    said = [record.levelname for record in caplog.records if "rows" in record.message]
    assert said == ["ERROR", "WARNING"]


def execute(statement: str, connection: sqlite3.Connection) -> None:
    connection.execute(statement)


def test_promise_43_fifty_kills_lose_and_double_nothing(path: Path) -> None:
    """SIGKILL under load, again and again: every acknowledged exchange is there once, with its replay and its bodies,
    and the database is whole after each, or the next start would set it aside."""
    acknowledged: set[str] = set()
    chance = random.Random(43)  # noqa: S311 (when the kill comes)
    for number in range(50):
        acknowledged |= killed_after(path, chance.randrange(40), chance.random() / 100, first=number * 100_000)
    assert not list(path.parent.glob("*.set-aside-*"))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        exchanges, replays, kept = (
            [row.hex() for (row,) in connection.execute(f"SELECT exchange_id FROM {table} ORDER BY 1")]  # noqa: S608
            for table in ("exchanges", "replays", "bodies")
        )
    assert {one.replace("-", "") for one in acknowledged} <= set(exchanges)
    assert sorted(set(exchanges)) == exchanges == replays == kept


def killed_after(path: Path, commits: int, then_s: float, first: int) -> set[str]:
    """What a process with a store of its own acknowledged before it was killed: so many acknowledgements after its
    first, and then somewhere on the way to the next ones. It is forked from one that has everything loaded, or fifty
    starts would take a minute."""
    reading, writing = PROCESSES.Pipe(duplex=False)
    child = PROCESSES.Process(target=until_killed, args=(path, first, writing))
    child.start()
    writing.close()
    acknowledged = {one for _ in range(commits + 1) for one in reading.recv()}
    time.sleep(then_s)
    child.kill()
    with suppress(EOFError, OSError):
        while True:
            acknowledged |= set(reading.recv())
    child.join()
    return acknowledged


def test_promise_45_a_file_that_may_not_grow_is_survived(path: Path) -> None:
    """When the system refuses to write, the caller is told, and with room again everything is stored once."""
    done = run(*CHILD, str(path), "--until-full", "--file-bytes", "300000")
    assert (done.stdout.splitlines(), done.returncode) == (["failed", "True ok"], 0), done.stderr


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (our own commands)


def namespaces_allowed() -> bool:
    return bool(shutil.which("unshare")) and not run(*NAMESPACES, "true").returncode


@pytest.mark.skipif(not namespaces_allowed(), reason="needs Linux user namespaces, to mount a small disk")
@pytest.mark.parametrize("mode", ["--until-full", "--prune-when-full"])
def test_promise_45_a_full_disk_is_survived(tmp_path: Path, mode: str) -> None:
    """On a disk without room the caller is told so; with room again, be it made by deleting old rows on that very
    disk, everything is stored once."""
    script = (
        f"mount -t tmpfs -o size=16m none {tmp_path} && head -c 3M /dev/zero > {tmp_path}/ballast"
        f" && exec {' '.join(CHILD)} {tmp_path}/shadow.db {mode}"
    )
    done = run(*NAMESPACES, "sh", "-c", script)
    assert (done.stdout.splitlines(), done.returncode) == (["disk_full", "True ok"], 0), done.stderr


async def test_a_crash_of_the_task_is_logged(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A mistake that ends the writer closes the store, and is told where all errors are: nobody awaits its task."""

    async def breaks(_: Writer) -> None:
        raise LookupError("a row")

    monkeypatch.setattr(Writer, "_turn", breaks)
    writer = await Writer.open(path, Limits())
    with pytest.raises(StoreError):
        await writer.submit(exchanges(0))
    await asyncio.wait([writer._task])
    await asyncio.sleep(0)
    assert "the task store-writer crashed: LookupError in " in caplog.text
