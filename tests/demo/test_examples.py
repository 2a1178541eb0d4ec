"""The examples run as their documents say."""

import asyncio
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from shadow.configfile import parse
from shadow.demo.catalogue import THRIFTY
from shadow.demo.provider import StandIn
from tests.end_to_end.sidecar import running

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


@dataclass(frozen=True)
class Example:
    """A program that asks through the sidecar: what runs it, and what must be there for that."""

    file: str
    program: str
    needs: Path

    @property
    def path(self) -> Path:
        return EXAMPLES / self.file

    @property
    def ready(self) -> bool:
        return self.needs.exists() and shutil.which(self.program) is not None


CLIENTS = ROOT / ".venv-clients/bin/python"
LITELLM = ROOT / ".venv-litellm/bin/python"
PROGRAMS = (
    Example("curl/chat.sh", "curl", Path("/bin/sh")),
    Example("langchain/chat.py", str(CLIENTS), CLIENTS),
    Example("litellm_sdk/chat.py", str(LITELLM), LITELLM),
    Example("openai_node/chat.js", "node", EXAMPLES / "openai_node/node_modules"),
    Example("openai_python/chat.py", sys.executable, Path(sys.executable)),
    Example("openrouter_sdk/chat.py", str(CLIENTS), CLIENTS),
    Example("openrouter_sdk_node/chat.js", "node", EXAMPLES / "openrouter_sdk_node/node_modules"),
    Example("vercel_ai_sdk/chat.js", "node", EXAMPLES / "vercel_ai_sdk/node_modules"),
)
BASE_URLS = ("OPENAI_BASE_URL", "OPENROUTER_BASE_URL", "OPENROUTER_API_BASE")  # as the clients have it


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


def test_every_example_is_run() -> None:
    """A directory without a program here would be one that nobody tries."""
    found = {path.parent.name for path in EXAMPLES.glob("*/README.md")} - {"quickstart"}
    assert {one.path.parent.name for one in PROGRAMS} == found


@pytest.mark.parametrize("example", PROGRAMS, ids=lambda one: one.path.parent.name)
async def test_an_example_runs(example: Example, stand_in: StandIn, tmp_path: Path) -> None:
    """Through a sidecar it ends well and says something; every request was a good one, of a streamed answer too, and
    the sidecar knows all of them with tenant, feature, tokens and cost."""
    if not example.ready:
        pytest.skip(f"its client is not here: .ci/components installs {example.needs.relative_to(ROOT)}")
    command = (example.path,) if example.path.suffix == ".sh" else (example.program, example.path)
    async with running(tmp_path, stand_in.url) as sidecar:
        bases = dict.fromkeys(BASE_URLS, f"{sidecar.url}/api/v1")
        process = await asyncio.create_subprocess_exec(
            *command,
            env=os.environ | bases | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        told, complaint = await process.communicate()
        assert (process.returncode, complaint) == (0, b"")
        assert len(told.splitlines()) >= 3
        await sidecar.stop()  # what was asked is stored by then
        rows = await sidecar.export()
    assert len(rows) == len(stand_in.received) >= 3
    assert {(row["tenant"], row["feature"], row["outcome"], row["status"]) for row in rows} == {
        ("acme", "chat", "complete", 200)
    }
    assert {row["stream"] for row in rows} == {0, 1}
    assert all(row["cost_nano_usd"] and row["output_tokens"] for row in rows)


@pytest.mark.parametrize("example", PROGRAMS, ids=lambda one: one.path.parent.name)
def test_an_example_changes_one_line(example: Example) -> None:
    """The base URL stands on a line of its own, and the one before says what it was; its README shows that line."""
    lines = example.path.read_text().splitlines()
    [at] = [number for number, line in enumerate(lines) if "127.0.0.1" in line]
    assert "https://openrouter.ai/api/v1" in lines[at - 1]
    readme = example.path.with_name("README.md").read_text()
    assert len(re.findall(r"```\w+\n[^\n]*http://127\.0\.0\.1:8080/api/v1[^\n]*\n```", readme)) == 1


@pytest.mark.parametrize("lock", sorted(EXAMPLES.glob("*/package-lock.json")), ids=lambda path: path.parent.name)
def test_a_lock_names_no_registry(lock: Path) -> None:
    """Whoever installs has a registry of their own; versions and digests are what is locked."""
    assert '"resolved"' not in lock.read_text()
    assert '"integrity"' in lock.read_text()
