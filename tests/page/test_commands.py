"""`--format html` of both commands."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from shadow import page
from shadow.cli import main
from tests.page.traffic import one_pair
from tests.report.population import store

COMMANDS = ("report", "inventory")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return store(tmp_path / "shadow.db", one_pair())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_page_is_written(database: Path, command: str) -> None:
    """Into a file of its own."""
    out = database.with_name("page.html")
    ended = CliRunner().invoke(main, [command, f"--db={database}", "--format=html", f"--out={out}"])
    assert (ended.exit_code, ended.output) == (0, "")
    assert out.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("command", COMMANDS)
def test_what_to_install_is_said(database: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the packages that make a page are missing; the other formats need none of them."""
    monkeypatch.setattr(page, "INSTALLED", False)
    ended = CliRunner().invoke(main, [command, f"--db={database}", "--format=html"])
    assert ended.exit_code == 2
    assert "pip install 'shadow-sidecar[report]'" in ended.output
    assert CliRunner().invoke(main, [command, f"--db={database}", "--format=markdown"]).exit_code == 0
