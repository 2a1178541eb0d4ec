"""The examples run as their documents say."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
import yaml

from shadow.configfile import parse
from shadow.demo.catalogue import THRIFTY
from shadow.demo.provider import StandIn

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_quickstart_is_valid() -> None:
    """Its configuration needs nothing but its own directory."""
    config = parse((EXAMPLES / "quickstart/shadow.yaml").read_text(), EXAMPLES / "quickstart", {})
    assert config.registry.tenants["acme"].consent == ("local",)


def test_the_quickstart_prices_what_the_stand_in_serves() -> None:
    """The models that it maps to are those of the stand-in, at the stand-in's prices."""
    [local] = parse((EXAMPLES / "quickstart/shadow.yaml").read_text(), EXAMPLES / "quickstart", {}).candidates
    prices = {name: (each[0].input, each[0].output) for name, each in local.prices.items()}
    assert prices == {model.name: (model.input_usd, model.output_usd) for model in THRIFTY}
    assert set(local.models.values()) == set(prices)


def test_the_ports_of_the_quickstart_are_those_of_its_readme() -> None:
    """Who follows the README starts stand-ins where the configuration looks for them."""
    readme = (EXAMPLES / "quickstart/README.md").read_text()
    tree = yaml.safe_load((EXAMPLES / "quickstart/shadow.yaml").read_text())
    assert f"openrouter --port {tree['upstream']['url'].rpartition(':')[2]}" in readme
    assert f"--port {tree['candidates'][0]['url'].rpartition(':')[2].removesuffix('/v1')}" in readme
    assert f"http://{tree['listen']}/api/v1/chat/completions" in readme


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*/*.py")), ids=lambda path: path.parent.name)
async def test_an_example_runs(example: Path, stand_in: StandIn) -> None:
    """It ends well, says something, and every request it made was a good one."""
    environment = os.environ | {"OPENAI_BASE_URL": f"{stand_in.url}/api/v1"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, example), env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    told, complaint = await process.communicate()
    assert (process.returncode, complaint) == (0, b"")
    assert len(told.splitlines()) >= 3
    assert len(stand_in.received) >= 3
    assert all(received.head.header("x-tenant-id") == "acme" for received in stand_in.received)


def test_the_openai_example_changes_one_line() -> None:
    """The base URL stands on a line of its own, and the line before says what it was."""
    lines = (EXAMPLES / "openai_python/chat.py").read_text().splitlines()
    [at] = [number for number, line in enumerate(lines) if line.startswith("BASE_URL = ")]
    assert "https://openrouter.ai/api/v1" in lines[at - 1]
    assert sum("127.0.0.1" in line for line in lines) == 1
