"""`python -m shadow.demo` starts stand-ins by hand."""

import asyncio
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import orjson
import pytest
from click.testing import CliRunner

from shadow.demo.__main__ import main
from shadow.demo.scenarios import SCENARIOS

BODY = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}


@asynccontextmanager
async def started(*arguments: str) -> AsyncIterator[str]:
    """A stand-in in a process of its own; its URL. Ends it as Ctrl-C does, and expects a good end."""
    command = (sys.executable, "-m", "shadow.demo", *arguments)
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    told = (await process.stderr.readline()).decode()
    found = re.search(r"http://127\.0\.0\.1:\d+", told)
    assert found, told
    yield found[0]
    process.send_signal(signal.SIGINT)
    assert await process.wait() == 0


async def asked(url: str) -> bytes:
    """The body of the answer to a chat completion."""
    async with aiohttp.ClientSession() as session, session.post(url, json=BODY) as answer:
        return await answer.read()


@pytest.mark.parametrize("arguments", [("openrouter", "--pace", "0"), ("candidate", "openai", "--pace", "0")])
async def test_it_serves_until_interrupted(arguments: tuple[str, ...]) -> None:
    """It says where it listens, answers, and Ctrl-C ends it without a word."""
    async with started(*arguments) as url:
        answer = orjson.loads(await asked(f"{url}/api/v1/chat/completions"))
    assert answer["object"] == "chat.completion"


async def test_it_serves_recordings(tmp_path: Path) -> None:
    """From a file of JSON lines, those of one host."""
    row = {
        "name": "a", "host": "a.example.com", "path": "/v1/chat/completions", "request_body": BODY, "status": 200,
        "response_headers": {"content-type": "text/plain"}, "response_body": "recorded",
    }  # fmt: skip
    rows = (row, {**row, "name": "b", "host": "b.example.com", "response_body": "not this one"})
    file = tmp_path / "exchanges.jsonl"
    file.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    async with started("recorded", str(file), "--host", "a.example.com") as url:
        assert await asked(f"{url}/v1/chat/completions") == b"recorded"


def test_it_lists_every_scenario() -> None:
    """Each on a line with what it is about."""
    listed = CliRunner().invoke(main, ["scenarios"]).output.splitlines()
    for scenario in SCENARIOS.values():
        assert any(line.startswith(f"{scenario.name} ") and line.endswith(scenario.about) for line in listed)


def test_a_port_in_use_is_told() -> None:
    """In one line, with its number."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(main, ["openrouter", "--port", port])
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: cannot listen on port {port}: ")
