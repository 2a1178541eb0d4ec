"""What an operator or a node can do wrong to a pod: each is told with what to do about it, and no client notices."""

import asyncio
import os
import re
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from shadow.demo.provider import StandIn
from tests.end_to_end.sidecar import Sidecar, eventually, free_addresses, metric, running
from tests.end_to_end.test_faults import ANSWER, IDS, answering, ask, candidate, refused
from tests.store.test_writer import NAMESPACES, namespaces_allowed

FERRY = candidate("http://127.0.0.1:9/v1")
MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"drain": 5}, "drain: unknown key"),
    ({"store": {"path": "shadow.db", "size": 5}}, "store.size: unknown key"),
    (
        candidate("http://127.0.0.1:9/v1", api_key_env="NOWHERE"),
        "candidates.0.api_key_env: the environment variable NOWHERE is not set",
    ),
    (
        candidate("http://127.0.0.1:9/v1", api_key_file="no.key"),
        r"candidates.0.api_key_file: \S+/no.key cannot be read",
    ),
    ({"registry": "gone.yaml"}, r"registry: \S+/gone.yaml cannot be read: No such file or directory"),
    ({"registry": "folder"}, r"registry: \S+/folder cannot be read: Is a directory"),
    ({"registry": "broken.yaml"}, r"registry \(\S+/broken.yaml\): is not YAML: .+ \(line 1, column \d+\)"),
]
NAMES = ["key", "inner key", "variable", "secret file", "no registry", "registry a directory", "registry broken"]

# A clock that can be set: both processes import this before anything else, and read a file each time they are asked.
CLOCK = """
import pathlib, time
real, ahead = time.time, pathlib.Path({path!r})
time.time = lambda: real() + float(ahead.read_text())
"""
YEAR_S = 365 * 86_400


def registries(directory: Path) -> None:
    """What stands where a registry should."""
    (directory / "folder").mkdir()
    (directory / "broken.yaml").write_text("tenants: [acme")


@pytest.mark.parametrize(("settings", "told"), MISTAKES, ids=NAMES)
async def test_a_mistake_ends_the_start(settings: dict[str, Any], told: str, tmp_path: Path) -> None:
    """One sentence under the key's path and exit code 2, before anything listens or is written."""
    registries(tmp_path)
    before = {*tmp_path.iterdir(), tmp_path / "shadow.yaml"}
    listen, admin = free_addresses(2)
    config = {"listen": listen, "admin": {"listen": admin}, "upstream": {"url": "http://127.0.0.1:9"}, **settings}
    code, said = await refused(tmp_path, yaml.safe_dump(config))
    assert code == 2
    first, *rest = said.splitlines()
    assert first.startswith(f"shadow: {tmp_path}/shadow.yaml")
    assert re.fullmatch(told, "\n".join(rest).strip())
    assert {*tmp_path.iterdir()} == before


async def test_a_mistake_in_a_running_service_changes_nothing(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    """After SIGHUP each is told in the log in the same words, and clients are served as before."""
    registries(tmp_path)
    async with StandIn(answering) as upstream, running(tmp_path, upstream.url) as sidecar:
        good = sidecar.config_path.read_text()
        for number, (settings, told) in enumerate(MISTAKES, start=1):
            sidecar.config_path.write_text(yaml.safe_dump(yaml.safe_load(good) | settings))
            sidecar.process.send_signal(signal.SIGHUP)
            line = (await eventually(lambda wanted=number: refusals(sidecar)[wanted - 1 :]))[0]
            assert re.search(told, line.replace('\\"', '"'))
            assert await ask(http, sidecar) == (200, ANSWER)
        await eventually(lambda: len(sidecar.rows(IDS)) == len(MISTAKES) or None)


def refusals(sidecar: Sidecar) -> list[str]:
    """The lines of the log that tell of a refused configuration."""
    return [line for line in sidecar.log.read_text().splitlines() if '"event":"reload_refused"' in line]


async def test_an_admin_port_in_use_is_told(tmp_path: Path) -> None:
    """As one for clients is: a sentence with the address and both keys, and nothing is left behind."""
    async with StandIn(answering) as upstream:
        taken = upstream.url.removeprefix("http://")
        text = f"listen: {free_addresses(1)[0]}\nadmin: {{listen: '{taken}'}}\nupstream: {{url: '{upstream.url}'}}"
        code, told = await refused(tmp_path, text)
    assert code == 2
    assert re.search(rf"cannot listen on \S+ and {taken}: .*in use; change `listen` or `admin.listen`", told)
    assert "Traceback" not in told


DISKS = {
    "read-only": "mount -t tmpfs none {disk} && mount -o remount,ro {disk}",
    "full": "mount -t tmpfs -o size=64k none {disk} && (head -c 1M /dev/zero > {disk}/ballast || true) 2>/dev/null",
}
needs_mounts = pytest.mark.skipif(not namespaces_allowed(), reason="needs Linux user namespaces, to mount a disk")


def on(disk: Path, mounting: str) -> tuple[str, ...]:
    """A command that runs another where `disk` is mounted so."""
    disk.mkdir()
    return (*NAMESPACES, "sh", "-c", f'{mounting.format(disk=disk)} && exec "$@"', "sh")


@needs_mounts
@pytest.mark.parametrize("kind", DISKS)
async def test_a_store_without_a_place_stops_no_client(http: aiohttp.ClientSession, tmp_path: Path, kind: str) -> None:
    """On a disk that is read-only or full the recorder cannot start: the log says why and where, metrics that nothing
    is recorded, and clients are served; what they did waits in the forwarder."""
    disk = tmp_path / "disk"
    (tmp_path / "fingerprint.key").write_text("a secret")
    settings = {"store": {"path": f"{disk}/shadow.db"}, "fingerprint_key_file": "fingerprint.key"}
    async with (
        StandIn(answering) as upstream,
        running(tmp_path, upstream.url, prefix=on(disk, DISKS[kind]), **settings) as sidecar,
    ):
        assert await asyncio.gather(*(ask(http, sidecar) for _ in range(10))) == [(200, ANSWER)] * 10
        line = await eventually(lambda: told_once(sidecar, "recorder_unstarted"))
        assert str(disk) in line
        assert await ask(http, sidecar) == (200, ANSWER)
        async with http.get(f"{sidecar.admin}/metrics") as answer:
            page = await answer.text()
        assert metric(page, "shadow_recorder_up") == 0
        assert metric(page, "shadow_handoff_bytes") > 0
        assert "Traceback" not in sidecar.log.read_text()
        sidecar.process.kill()  # its end would wait for the recorder, with what it holds
        await sidecar.process.wait()


def told_once(sidecar: Sidecar, event: str) -> str | None:
    """The first line of the log about an event."""
    return next((line for line in sidecar.log.read_text().splitlines() if f'"event":"{event}"' in line), None)


@needs_mounts
@pytest.mark.parametrize(("kind", "why"), [("read-only", "Read-only file system"), ("full", "No space left on device")])
async def test_a_secret_without_a_place_ends_the_start(tmp_path: Path, kind: str, why: str) -> None:
    """Where the first start cannot keep the fingerprints' secret, it says so with the keys to change: with another one
    after each restart, one key would have many fingerprints."""
    disk = tmp_path / "disk"
    text = f"listen: {free_addresses(1)[0]}\nupstream: {{url: 'http://127.0.0.1:9'}}\nstore: {{path: {disk}/shadow.db}}"
    code, told = await refused(tmp_path, text, prefix=on(disk, DISKS[kind]))
    assert code == 2
    assert re.search(rf"{disk}/fingerprint.key: the secret .* neither read nor made: {why}; make .* writable", told)
    assert "Traceback" not in told


async def test_a_clock_that_leaps_reaches_no_client(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    """Set a year ahead, and two back, in both processes: clients are served, durations stay durations, and every
    exchange is stored under the time that the clock told."""
    ahead = tmp_path / "ahead"
    ahead.write_text("0")
    (tmp_path / "sitecustomize.py").write_text(CLOCK.format(path=str(ahead)))
    environment = {"PYTHONPATH": os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", "")))}
    async with StandIn(answering) as upstream, running(tmp_path, upstream.url, environment) as sidecar:
        for number, leap_s in enumerate((0, YEAR_S, -YEAR_S), start=1):
            ahead.write_text(str(leap_s))
            assert await ask(http, sidecar) == (200, ANSWER)
            await eventually(lambda wanted=number: len(sidecar.rows(IDS)) == wanted or None)
        rows = await sidecar.export()
    earlier, now, later = (row["started_at"] for row in sorted(rows, key=lambda row: row["exchange_id"]))
    assert [round((moment - now) / YEAR_S) for moment in (earlier, later)] == [-1, 1]
    assert all(0 < row["total_s"] < YEAR_S / 1000 for row in rows)
