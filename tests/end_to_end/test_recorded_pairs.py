"""Recorded OpenRouter traffic replayed to another recorded provider: pairs, and a report that adds up by hand."""

import asyncio
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from shadow.demo.provider import StandIn
from shadow.demo.recorded import Recorded
from shadow.report.estimates import CALLS_LEAST
from tests.end_to_end.sidecar import Sidecar, dumped, eventually, running
from tests.end_to_end.test_recorded_exchanges import billed_apart, reported_cost, usages_in
from tests.recorded import load, requires_recorded

pytestmark = requires_recorded

INPUT_PRICE = Decimal("0.59")  # US dollars per million tokens: any will do, as long as both sides use it
OUTPUT_PRICE = Decimal("0.79")
MILLION = Decimal(1_000_000)
NANO_DOLLAR = Decimal("1e-9")
MODEL = "llama-3.3-70b-versatile"
ENDED = """SELECT e.tenant, r.outcome FROM replays r JOIN exchanges e USING (exchange_id)
    WHERE r.outcome IS NOT NULL ORDER BY CAST(e.tenant AS INTEGER)"""


def groq() -> list[dict[str, Any]]:
    """Groq's good recorded answers, plain ones: each will be the answer to some replay."""
    good = [row for row in load("api.groq.com") if row["status"] == 200 and not row["request_body"].get("stream")]
    return [row for row in good if usages_in(row)]


def stated() -> list[dict[str, Any]]:
    """OpenRouter's recorded plain answers that state what they cost."""
    rows = [row for row in load("openrouter.ai") if not row["request_body"].get("stream")]
    return [row for row in rows if reported_cost(row) is not None]


async def test_pairs_add_up_by_hand(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    """Every replay that was answered is a pair, and the report's sums over pairs are those of the recordings.

    One side's costs are the charges that OpenRouter's answers state, the other's are tokens times the configured price.
    """
    async with (
        StandIn(Recorded(load("openrouter.ai")), pace=0) as openrouter,
        StandIn(Recorded(groq(), in_turn=True), pace=0) as other,
        running(tmp_path, openrouter.url, {"GROQ_API_KEY": "gsk-test"}, **configured(other.url)) as sidecar,
    ):
        for number, row in enumerate(stated()):
            headers = {"X-Scenario": row["name"], "X-Tenant-Id": f"{number}", "Content-Type": "application/json"}
            answer = await http.post(sidecar.url + row["path"], data=dumped(row["request_body"]), headers=headers)
            await answer.read()
        ended = await eventually(lambda: rows if len(rows := sidecar.rows(ENDED)) == len(stated()) else None)
        report = await report_of(sidecar)

    paired = [stated()[int(row["tenant"])] for row in ended if row["outcome"] == "completed"]
    answers = [groq()[number % len(groq())] for number in range(len(paired))]  # as the stand-in takes turns
    [groq_arm] = report["candidates"]
    assert len(paired) == len(other.received) == groq_arm["overall"]["coverage"]["pairs"] > 15
    cost = groq_arm["overall"]["cost"]
    assert (cost["pairs"], cost["excluded"]) == (len(paired), 0)
    assert Decimal(cost["primary_usd"]) == sum(map(charge, paired))
    assert Decimal(cost["candidate_usd"]) == sum(map(price, answers))
    assert Decimal(cost["difference_usd"]) == sum(map(price, answers)) - sum(map(charge, paired))
    both = list(zip(paired, answers, strict=True))
    told = groq_arm["overall"]["agreement"]
    other_end = sum(ended_with(one) != ended_with(other) for one, other in both)
    assert (told["finish_reason"]["pairs"], told["finish_reason"]["candidate"]["mean"]) == (
        len(both),
        pytest.approx(other_end / len(both)),
    )
    calling = [(called(one), called(other)) for one, other in both if called(one) or called(other)]
    assert told["tool_names"]["pairs"] == len(calling)
    if len(calling) >= CALLS_LEAST:
        assert told["tool_names"]["candidate"]["mean"] == pytest.approx(sum(a != b for a, b in calling) / len(calling))


async def test_the_candidate_gets_its_own_key(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    """The replay carries the candidate's key from the environment; the client's key never leaves for a candidate."""
    async with (
        StandIn(Recorded(load("openrouter.ai")), pace=0) as openrouter,
        StandIn(Recorded(groq(), in_turn=True), pace=0) as other,
        running(tmp_path, openrouter.url, {"GROQ_API_KEY": "gsk-test"}, **configured(other.url)) as sidecar,
    ):
        row = stated()[0]
        headers = {"X-Scenario": row["name"], "Authorization": "Bearer sk-or-v1-client", "Cookie": "session=canary"}
        await (await http.post(sidecar.url + row["path"], json=row["request_body"], headers=headers)).read()
        sent = await other.wait_for(1)
        assert sent.head.values("authorization") == ("Bearer gsk-test",)
        everything = b"".join(name + value for name, value in sent.head.headers) + sent.body
        assert b"sk-or-v1-client" not in everything
        assert b"canary" not in everything


def choice(row: dict[str, Any]) -> dict[str, Any]:
    """The first choice of a recorded answer."""
    found: dict[str, Any] = json.loads(row["response_body"])["choices"][0]
    return found


def ended_with(row: dict[str, Any]) -> str:
    """Why a recorded answer ended."""
    return str(choice(row)["finish_reason"])


def called(row: dict[str, Any]) -> list[str]:
    """The functions that a recorded answer calls."""
    return sorted(call["function"]["name"] for call in choice(row)["message"].get("tool_calls") or ())


def charge(row: dict[str, Any]) -> Decimal:
    """What a recorded OpenRouter call cost, in whole nano-dollars: what the store's sums are made of."""
    cost = reported_cost(row)
    assert cost is not None
    return (cost + billed_apart(row)).quantize(NANO_DOLLAR)


def price(row: dict[str, Any]) -> Decimal:
    """What a recorded answer of Groq's costs at the configured price, in whole nano-dollars."""
    usage = usages_in(row)[-1]
    usd = (usage["prompt_tokens"] * INPUT_PRICE + usage["completion_tokens"] * OUTPUT_PRICE) / MILLION
    return usd.quantize(NANO_DOLLAR)


def configured(url: str) -> dict[str, Any]:
    """A candidate that is sent everything and priced by the configuration, whatever model answers."""
    rate = {"input": float(INPUT_PRICE), "output": float(OUTPUT_PRICE)}
    models = {row["request_body"]["model"] for row in groq()} | {MODEL}
    candidate = {
        "name": "groq",
        "url": f"{url}/openai/v1",
        "api_key_env": "GROQ_API_KEY",
        "dialect": "groq",
        "models": {"*": MODEL},
        "prices": dict.fromkeys(models, rate),
        "sample": {"rate": 1.0},
        "max_concurrency": 1,  # so that the stand-in's turns are those of the requests
    }
    return {"consent_default": "allow", "candidates": [candidate]}


async def report_of(sidecar: Sidecar) -> dict[str, Any]:
    """What `shadow report --format json` says of the store."""
    command = (sys.executable, "-m", "shadow", "report", "--db", sidecar.store, "--format", "json")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(told)
    return found
