"""Real exchanges with OpenRouter through a running sidecar: same bytes, same objects, one row each, exact costs."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from openai import AsyncStream, Stream
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from shadow.demo.provider import StandIn
from shadow.demo.recorded import Recorded
from tests.end_to_end.sidecar import Sidecar, dumped, eventually, running
from tests.recorded import load, requires_recorded

pytestmark = requires_recorded

HOP_BY_HOP = {"connection", "content-length", "keep-alive", "transfer-encoding"}


@dataclass(frozen=True)
class Ways:
    """The same stand-in reached directly and through the sidecar."""

    direct: str
    sidecar: Sidecar
    stand_in: StandIn


@pytest.fixture
async def ways(tmp_path: Path) -> AsyncIterator[Ways]:
    """OpenRouter's recorded answers, with a sidecar in front and without."""
    async with StandIn(Recorded(load("openrouter.ai")), pace=0) as stand_in, running(tmp_path, stand_in.url) as sidecar:
        yield Ways(stand_in.url, sidecar, stand_in)


async def test_answers_are_byte_identical(ways: Ways, http: aiohttp.ClientSession) -> None:
    """Status, headers in order and every body byte of each recording arrive as the provider sent them."""
    for row in load("openrouter.ai"):
        seen = []
        for base in (ways.direct, ways.sidecar.url):
            headers = {"X-Scenario": row["name"], "Content-Type": "application/json"}
            async with http.post(base + row["path"], data=dumped(row["request_body"]), headers=headers) as answer:
                sent = [(name, value) for name, value in answer.raw_headers if name.decode().lower() not in HOP_BY_HOP]
                seen.append((answer.status, answer.reason, sent, await answer.read()))
        assert seen[0] == seen[1], row["name"]
        assert seen[1][3] == row["response_body"].encode(), row["name"]


async def test_requests_are_byte_identical(ways: Ways, http: aiohttp.ClientSession) -> None:
    """What the provider receives is what the client sent: target, headers in order and body, tags aside."""
    for row in load("openrouter.ai"):
        headers = {"X-Scenario": row["name"], "Content-Type": "application/json", "Authorization": "Bearer sk-or-v1-x"}
        for base in (ways.direct, ways.sidecar.url):
            await (await http.post(base + row["path"], data=dumped(row["request_body"]), headers=headers)).read()
        direct, through = ways.stand_in.received[-2:]
        assert through.sha256 == direct.sha256, row["name"]
        assert through.head.target == direct.head.target
        assert kept(through.head.headers) == kept(direct.head.headers), row["name"]


def kept(headers: tuple[tuple[bytes, bytes], ...]) -> list[tuple[bytes, bytes]]:
    """The headers that a client expects to arrive: all but Host, which names whoever is asked."""
    return [(name, value) for name, value in headers if name.lower() not in (b"host", b"connection")]


async def test_the_async_client_reads_the_same(ways: Ways) -> None:
    """What `openai.AsyncOpenAI` makes of each recording, an object, chunks or an error, is the same either way."""
    for row in load("openrouter.ai"):
        assert await read_async(ways.sidecar.url, row) == await read_async(ways.direct, row), row["name"]


async def test_the_sync_client_reads_the_same(ways: Ways) -> None:
    """What `openai.OpenAI` makes of each recording is the same either way."""
    for row in load("openrouter.ai"):
        through = await asyncio.to_thread(read_sync, ways.sidecar.url, row)
        assert through == await asyncio.to_thread(read_sync, ways.direct, row), row["name"]


async def read_async(base: str, row: dict[str, Any]) -> object:
    """The answer as the asynchronous client gives it to its caller."""
    async with openai.AsyncOpenAI(api_key="sk-or-v1-x", base_url=f"{base}/api/v1", max_retries=0) as client:
        options: Any = {"headers": {"X-Scenario": row["name"]}}
        try:
            if not row["request_body"].get("stream"):
                answer = await client.post(
                    "/chat/completions", body=row["request_body"], cast_to=ChatCompletion, options=options
                )
                return answer.to_dict()
            chunks = await client.post(
                "/chat/completions",
                body=row["request_body"],
                cast_to=ChatCompletionChunk,
                options=options,
                stream=True,
                stream_cls=AsyncStream[ChatCompletionChunk],
            )
            return [chunk.to_dict() async for chunk in chunks]
        except openai.APIError as error:
            return type(error), str(error)


def read_sync(base: str, row: dict[str, Any]) -> object:
    """The answer as the synchronous client gives it to its caller."""
    with openai.OpenAI(api_key="sk-or-v1-x", base_url=f"{base}/api/v1", max_retries=0) as client:
        options: Any = {"headers": {"X-Scenario": row["name"]}}
        try:
            if not row["request_body"].get("stream"):
                return client.post(
                    "/chat/completions", body=row["request_body"], cast_to=ChatCompletion, options=options
                ).to_dict()
            chunks = client.post(
                "/chat/completions",
                body=row["request_body"],
                cast_to=ChatCompletionChunk,
                options=options,
                stream=True,
                stream_cls=Stream[ChatCompletionChunk],
            )
            return [chunk.to_dict() for chunk in chunks]
        except openai.APIError as error:
            return type(error), str(error)


async def test_every_exchange_has_one_row_with_its_exact_cost(ways: Ways, http: aiohttp.ClientSession) -> None:
    """Each recording becomes one row, none is lost or doubled, and `usage.cost` is stored to the last digit.

    Under BYOK, where `usage.cost` is the router's fee alone, the cost that is compared has the provider's part in it.
    """
    rows = load("openrouter.ai")
    for number, row in enumerate(rows):
        headers = {"X-Scenario": row["name"], "X-Tenant-Id": f"tenant-{number}"}
        await (
            await http.post(ways.sidecar.url + row["path"], data=dumped(row["request_body"]), headers=headers)
        ).read()
    stored = await eventually(lambda: all_rows if len(all_rows := ways.sidecar.rows(COSTS)) >= len(rows) else None)
    assert sorted(each["tenant"] for each in stored) == sorted(f"tenant-{number}" for number in range(len(rows)))
    for each in stored:
        row = rows[int(each["tenant"].removeprefix("tenant-"))]
        reported = reported_cost(row)
        if reported is not None:
            assert each["cost_source"] == "reported", row["name"]
            assert Decimal(each["stated_cost_usd"]) == reported, row["name"]
            assert cost_of(each) == reported + billed_apart(row), row["name"]
        assert each["request_model"] == row["request_body"]["model"]
        assert each["status"] == row["status"]


COSTS = """
    SELECT tenant, status, request_model, stated_cost_usd, cost_source, cost_nano_usd, cost_usd_exact FROM exchanges
"""


def cost_of(row: dict[str, Any]) -> Decimal | None:
    """A stored cost: the exact text where there is one, else whole nano-dollars."""
    if row["cost_usd_exact"] is not None:
        return Decimal(row["cost_usd_exact"])
    return None if row["cost_nano_usd"] is None else Decimal(row["cost_nano_usd"]).scaleb(-9)


def reported_cost(row: dict[str, Any]) -> Decimal | None:
    """The last `usage.cost` in a recording."""
    usages = usages_in(row)
    return usages[-1].get("cost") if usages else None


def billed_apart(row: dict[str, Any]) -> Decimal:
    """What the provider itself bills of a call made with the client's own key; nothing for any other."""
    usage = usages_in(row)[-1]
    return Decimal(usage["cost_details"]["upstream_inference_cost"]) if usage.get("is_byok") else Decimal(0)


def usages_in(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Every `usage` in a recording, read the plainest way there is, numbers exactly as written."""
    texts = [row["response_body"]]
    if row["request_body"].get("stream"):
        texts = [line[6:] for line in row["response_body"].splitlines() if line.startswith("data: {")]
    answers = [json.loads(text, parse_float=Decimal, parse_int=Decimal) for text in texts]
    return [answer["usage"] for answer in answers if answer.get("usage")]
