"""A configuration that is read again: what is taken over, what is refused, what is told."""

import asyncio
import os
import pickle
import select
from pathlib import Path

import pytest
import yaml

from shadow.changes import SHOWN_MOST, TOLD_MOST
from shadow.config import Config
from shadow.configfile import parse, read
from shadow.reload import Reloading, Renewed
from shadow.rereading import PIECE

TEXT = """
upstream: {url: https://openrouter.ai}
consent_default: deny
candidates: [{name: ferry, url: "https://gateway.example.com/v1", models: {"*": m}, sample: {rate: 0.05}}]
registry: tenants.yaml
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "tenants.yaml").write_text("tenants: {acme: {plan: pro}}")
    (tmp_path / "shadow.yaml").write_text(TEXT)
    return tmp_path / "shadow.yaml"


@pytest.fixture
def in_force(path: Path) -> Path:
    """What the file says at the beginning."""
    kept = path.with_name("config.pickle")
    kept.write_bytes(pickle.dumps(parse(read(path), path.parent)))
    return kept


@pytest.fixture
def adopted() -> list[Renewed]:
    """What was handed on."""
    return []


@pytest.fixture
def reloading(path: Path, in_force: Path, adopted: list[Renewed]) -> Reloading:
    async def adopt(renewed: Renewed) -> None:
        renewed.config.replace(in_force)
        adopted.append(renewed)

    one = Reloading(path, in_force)
    one.adopters.append(adopt)
    return one


def rate(in_force: Path) -> float:
    config: Config = pickle.loads(in_force.read_bytes())  # noqa: S301 (written above)
    return config.candidates[0].sample.rate


async def test_nothing_new(reloading: Reloading, adopted: list[Renewed]) -> None:
    """Nobody is disturbed for a file that says what it said."""
    assert str(await reloading.reload()) == "Nothing has changed.\n"
    assert adopted == []


async def test_what_is_live_is_handed_on(
    reloading: Reloading, path: Path, in_force: Path, adopted: list[Renewed]
) -> None:
    """A rate and a tenant of the registry's own file are in force at once; the next reload starts from there."""
    path.write_text(TEXT.replace("0.05", "0.5"))
    (path.parent / "tenants.yaml").write_text("tenants: {acme: {plan: free}}")
    told = str(await reloading.reload())
    assert told.splitlines() == [
        "registry.tenants.acme.plan: pro → free",
        "candidates.ferry.sample.rate: 0.05 → 0.5",
    ]
    assert (len(adopted), rate(in_force)) == (1, 0.5)
    assert str(await reloading.reload()) == "Nothing has changed.\n"


async def test_the_rest_waits(reloading: Reloading, path: Path, adopted: list[Renewed]) -> None:
    """A port is not moved under clients: it is told, and told again until the next start."""
    path.write_text(TEXT + "listen: 127.0.0.1:1\n")
    for _ in range(2):
        assert str(await reloading.reload()) == "listen: 127.0.0.1:8080 → 127.0.0.1:1 (at the next start)\n"
    assert adopted == []


async def test_mistakes_change_nothing(
    reloading: Reloading, path: Path, in_force: Path, adopted: list[Renewed], caplog: pytest.LogCaptureFixture
) -> None:
    """All of them are told, with their key paths, and the old configuration stays."""
    path.write_text(TEXT.replace("0.05", "5") + "unheard_of: 1\n")
    found = await reloading.reload()
    assert set(found.problems.splitlines()) == {
        "unheard_of: unknown key",
        "candidates.0.sample.rate: must be at most 1",
    }
    assert "the old one stays" in caplog.text
    assert (adopted, rate(in_force)) == ([], 0.05)


async def test_a_file_that_is_gone(reloading: Reloading, path: Path, adopted: list[Renewed]) -> None:
    """As when a mount is replaced just then: it is told, and the old configuration stays."""
    path.unlink()
    assert "cannot be read" in (await reloading.reload()).problems
    assert adopted == []


async def test_many_changes_are_some_lines(reloading: Reloading, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A registry of thousands that is replaced does not flood the log; the rest is counted."""
    caplog.set_level("INFO")
    tenants = ", ".join(f"t{number}: {{}}" for number in range(TOLD_MOST + 9))
    (path.parent / "tenants.yaml").write_text(f"tenants: {{acme: {{plan: pro}}, {tenants}}}")
    assert str(await reloading.reload()).count("added") == TOLD_MOST + 9
    assert caplog.text.count("the configuration has changed: registry.tenants.t") == TOLD_MOST
    assert "in 9 more places" in caplog.text


async def test_owners_come_in_pieces(reloading: Reloading, path: Path, adopted: list[Renewed]) -> None:
    """All keys of a large registry are known afterwards; the answer to who asked stays within its bound."""
    tenants = {f"t{number}": {"keys": [f"{number:032x}"]} for number in range(PIECE + SHOWN_MOST + 1)}
    (path.parent / "tenants.yaml").write_text(yaml.safe_dump({"tenants": tenants}))
    told = str(await reloading.reload()).splitlines()
    assert (len(told), told[-1]) == (SHOWN_MOST + 1, f"and {PIECE + 2} more")
    assert adopted[0].owners == {keys["keys"][0]: name for name, keys in tenants.items()}


async def test_many_mistakes_are_some_lines(reloading: Reloading, path: Path) -> None:
    """A registry that is wrong throughout does not flood the log either."""
    wrong = ", ".join(f"t{number}: {{plan: 1}}" for number in range(TOLD_MOST + 9))
    (path.parent / "tenants.yaml").write_text(f"tenants: {{{wrong}}}")
    problems = (await reloading.reload()).problems.splitlines()
    assert (len(problems), problems[-1]) == (TOLD_MOST + 1, "and 9 more")


async def test_a_stop_ends_the_reading(reloading: Reloading, path: Path) -> None:
    """A service that stops leaves no process behind that still reads: here one that waits for a pipe's other end."""
    path.unlink()
    os.mkfifo(path)
    task = asyncio.create_task(reloading.reload())
    descriptor = await asyncio.to_thread(os.open, path, os.O_WRONLY)  # returns once it is read
    try:
        task.cancel()
        await asyncio.wait([task])
        poll = select.poll()
        poll.register(descriptor, 0)  # tells of errors alone: nobody reads
        assert await asyncio.to_thread(poll.poll, 10_000) == [(descriptor, select.POLLERR)]
    finally:
        os.close(descriptor)
