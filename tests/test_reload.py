"""A configuration that is read again: what is taken over, what is refused, what is told."""

from pathlib import Path

import pytest

from shadow.config import Config
from shadow.configfile import parse, read
from shadow.reload import TOLD_MOST, Reloading

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
def adopted() -> list[Config]:
    """What was handed on."""
    return []


@pytest.fixture
def reloading(path: Path, adopted: list[Config]) -> Reloading:
    """The configuration in force is what the file says at the beginning."""

    async def adopt(config: Config) -> None:
        adopted.append(config)

    one = Reloading(parse(read(path), path.parent), path)
    one.adopters.append(adopt)
    return one


async def test_nothing_new(reloading: Reloading, adopted: list[Config]) -> None:
    """Nobody is disturbed for a file that says what it said."""
    assert str(await reloading.reload()) == "Nothing has changed.\n"
    assert adopted == []


async def test_what_is_live_is_handed_on(reloading: Reloading, path: Path, adopted: list[Config]) -> None:
    """A rate and a tenant of the registry's own file are in force at once; the next reload starts from there."""
    path.write_text(TEXT.replace("0.05", "0.5"))
    (path.parent / "tenants.yaml").write_text("tenants: {acme: {plan: free}}")
    told = str(await reloading.reload())
    assert told.splitlines() == [
        "registry.tenants.acme.plan: pro → free",
        "candidates.ferry.sample.rate: 0.05 → 0.5",
    ]
    assert [one.candidates[0].sample.rate for one in adopted] == [0.5]
    assert (await reloading.reload()).changes == ()


async def test_the_rest_waits(reloading: Reloading, path: Path, adopted: list[Config]) -> None:
    """A port is not moved under clients: it is told, and told again until the next start."""
    path.write_text(TEXT + "listen: 127.0.0.1:1\n")
    for _ in range(2):
        assert str(await reloading.reload()) == "listen: 127.0.0.1:8080 → 127.0.0.1:1 (at the next start)\n"
    assert adopted == []


async def test_mistakes_change_nothing(
    reloading: Reloading, path: Path, adopted: list[Config], caplog: pytest.LogCaptureFixture
) -> None:
    """All of them are told, with their key paths, and the old configuration stays."""
    path.write_text(TEXT.replace("0.05", "5") + "unheard_of: 1\n")
    found = await reloading.reload()
    assert set(found.problems.splitlines()) == {
        "unheard_of: unknown key",
        "candidates.0.sample.rate: must be at most 1",
    }
    assert "the old one stays" in caplog.text
    assert (adopted, reloading.config.candidates[0].sample.rate) == ([], 0.05)


async def test_a_file_that_is_gone(reloading: Reloading, path: Path, adopted: list[Config]) -> None:
    """As when a mount is replaced just then: it is told, and the old configuration stays."""
    path.unlink()
    assert "cannot be read" in (await reloading.reload()).problems
    assert adopted == []


async def test_many_changes_are_some_lines(reloading: Reloading, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A registry of thousands that is replaced does not flood the log; the rest is counted."""
    caplog.set_level("INFO")
    tenants = ", ".join(f"t{number}: {{}}" for number in range(TOLD_MOST + 9))
    (path.parent / "tenants.yaml").write_text(f"tenants: {{acme: {{plan: pro}}, {tenants}}}")
    assert len((await reloading.reload()).changes) == TOLD_MOST + 9
    assert caplog.text.count("the configuration has changed: registry.tenants.t") == TOLD_MOST
    assert "in 9 more places" in caplog.text
