"""OpenAI-compatible servers that are other people's programs, on loopback, as candidates: LiteLLM and llama.cpp.

Both answer without any network: LiteLLM with prepared texts in the place of a provider, llama.cpp with a tiny model
that is written on the spot. Neither is needed by the sidecar; tests skip where one is not installed.
"""

import importlib.util
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.end_to_end.sidecar import PATIENCE_S, Sidecar, dumped, eventually, free_addresses

LITELLM: Final = Path(__file__).parents[2] / ".venv-litellm" / "bin" / "litellm"

requires_litellm = pytest.mark.skipif(
    not LITELLM.exists(), reason="LiteLLM is not here: .ci/components installs it into .venv-litellm"
)
requires_llama_cpp = pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None or importlib.util.find_spec("gguf") is None,
    reason="llama.cpp is not here: pip install -e '.[components]'",
)

# Whatever would leave this machine meets a closed port at once. No telemetry, no price list from elsewhere.
OFFLINE: Final = {
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": "127.0.0.1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "PYTHONWARNINGS": "ignore",
}
CHAT: Final = "/api/v1/chat/completions"


@dataclass(frozen=True)
class Gateway:
    """A running one. `url` is what a candidate's `url` would be."""

    url: str
    key: str


@contextmanager
def litellm(directory: Path, models: Mapping[str, Mapping[str, Any]]) -> Iterator[Gateway]:
    """LiteLLM's proxy with these models, by the name that requests give; each is its `litellm_params`."""
    key, [address] = "sk-litellm-master", free_addresses(1)
    listed = [{"model_name": name, "litellm_params": {"api_key": "none", **of}} for name, of in models.items()]
    config = directory / "litellm.yaml"
    settings = {"model_list": listed, "general_settings": {"master_key": key}, "router_settings": {"num_retries": 0}}
    config.write_text(yaml.safe_dump(settings))
    host, port = address.split(":")
    with _child(directory / "litellm.log", LITELLM, "--config", config, "--host", host, "--port", port) as process:
        _await(process, directory / "litellm.log", f"http://{address}/health/liveliness")
        yield Gateway(f"http://{address}/v1", key)


@contextmanager
def llama_cpp(directory: Path) -> Iterator[Gateway]:
    """llama.cpp's server with a tiny random model."""
    key, said = "sk-llama", directory / "llama.log"
    with _child(said, sys.executable, "-m", "tests.end_to_end.llama_server", directory, key) as process:
        url = _first_line(process, said)
        yield Gateway(f"{url}/v1", key)


@contextmanager
def _child(log: Path, *command: object) -> Iterator[subprocess.Popen[bytes]]:
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 (the programs above)
            [str(one) for one in command], stdout=out, stderr=out, env=environment | OFFLINE
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(process: subprocess.Popen[bytes], log: Path, url: str) -> None:
    """Return once the URL answers."""
    while not _answers(url):
        _still_there(process, log)
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:  # noqa: S310 (loopback, from free_addresses)
            return bool(answer.status == 200)
    except OSError:
        return False


def _first_line(process: subprocess.Popen[bytes], log: Path) -> str:
    """What the process says first: where it listens."""
    while b"http://" not in (said := log.read_bytes()) or not said.endswith(b"\n"):
        _still_there(process, log)
        time.sleep(0.01)
    return next(line for line in said.decode().splitlines() if line.startswith("http://"))


def _still_there(process: subprocess.Popen[bytes], log: Path) -> None:
    if process.poll() is not None:
        raise RuntimeError(f"it ended at once:\n{log.read_text()}")


def arm(name: str, gateway: Gateway, model: str, **settings: Any) -> dict[str, Any]:
    """A candidate's configuration: everything is replayed to one model of a gateway, with the key in `KEY`."""
    defaults = {"api_key_env": "KEY", "models": {"*": model}, "sample": {"rate": 1.0}}
    return {"name": name, "url": gateway.url, **defaults, **settings}


async def replayed(http: Any, sidecar: Sidecar, tenant: str, **fields: Any) -> dict[str, dict[str, Any]]:
    """The rows of a call's replays by arm, once all of them have ended. The call is the tenant's first."""
    asked = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "When will it ship?"}], **fields}
    headers = {"Content-Type": "application/json", "X-Tenant-Id": tenant}
    async with http.post(f"{sidecar.url}{CHAT}", data=dumped(asked), headers=headers) as answer:
        assert answer.status == 200
        await answer.read()

    def ended() -> list[dict[str, Any]] | None:
        rows = sidecar.rows(REPLAYS, tenant)
        return rows if rows and all(row["outcome"] is not None for row in rows) else None

    return {row["arm"]: row for row in await eventually(ended)}


REPLAYS: Final = "SELECT r.* FROM replays r JOIN exchanges e USING (exchange_id) WHERE e.tenant = ?"
