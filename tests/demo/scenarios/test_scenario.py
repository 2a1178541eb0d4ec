"""Every situation has a name, comes the same to the byte, and is valid HTTP unless being invalid is its point."""

import pytest

from shadow.demo.openrouter import OpenRouter
from shadow.demo.provider import StandIn
from shadow.demo.scenarios import HEADER, SCENARIOS, answers, endpoints, errors, faults, framing, streams, uploads
from shadow.demo.scenarios.scenario import CHAT_PATH
from tests.demo.wire import hear

MODULES = (answers, endpoints, errors, faults, framing, streams, uploads)
FAULTS = {
    "reset-before-headers": "reset",
    "reset-after-headers": "reset",
    "reset-mid-stream": "reset",
    "reset-close-delimited": "reset",
    "closes-before-headers": "closed",
    "truncated-chunk": "closed",
    "no-last-chunk": "closed",
    "short-body": "closed",
}
HOLDING = {"leaves-before-headers", "leaves-mid-stream", "leaves-before-done"}
NAMES = sorted(SCENARIOS)


def test_every_row_has_a_name() -> None:
    """The situations are numbered 1 to 40, and none is left out."""
    assert {scenario.row for scenario in SCENARIOS.values()} == set(range(1, 41))


def test_no_name_is_given_twice() -> None:
    """A second scenario of the same name would hide the first."""
    assert len(SCENARIOS) == sum(len(module.SCENARIOS) for module in MODULES)


@pytest.mark.parametrize("name", NAMES)
async def test_it_comes_the_same_to_the_byte(name: str) -> None:
    """Two stand-ins give the same bytes for the same request."""
    heard = []
    for _ in range(2):
        behaviour = OpenRouter()
        async with StandIn(behaviour, early=behaviour.early, pace=0) as stand_in:
            stand_in.release(10 if name in HOLDING else 0)
            heard.append(await hear(stand_in, SCENARIOS[name].ask))
    assert heard[0].raw == heard[1].raw


@pytest.mark.parametrize("name", NAMES)
async def test_it_is_http_as_far_as_it_says(stand_in: StandIn, name: str) -> None:
    """h11 reads the answer to its end, or stumbles over the fault that the scenario is about."""
    stand_in.release(10 if name in HOLDING else 0)
    heard = await hear(stand_in, SCENARIOS[name].ask)
    assert heard.fault == FAULTS.get(name)


async def test_a_name_in_the_model_may_have_a_variant(stand_in: StandIn) -> None:
    """`fake/plain:nitro` is `fake/plain`, as OpenRouter's own variants are of their model."""
    ask = SCENARIOS["plain"].ask
    heard = await hear(
        stand_in, type(ask)(ask.method, ask.path, ask.headers, ask.body.replace(b"plain", b"plain:nitro"))
    )
    assert heard.status == 200


async def test_an_unknown_name_is_a_bad_model(stand_in: StandIn) -> None:
    """A misspelt scenario is told, not answered with something else."""
    ask = SCENARIOS["plain"].ask
    heard = await hear(stand_in, type(ask)(ask.method, ask.path, ask.headers, ask.body.replace(b"plain", b"plane")))
    assert (heard.status, heard.json["error"]["message"]) == (400, "fake/plane is not a valid model ID")


async def test_a_header_names_one_too(stand_in: StandIn) -> None:
    """Requests that have no model ask by header."""
    ask = SCENARIOS["no-credits"].ask
    heard = await hear(stand_in, type(ask)("GET", CHAT_PATH, ((HEADER, "no-credits"),), b""))
    assert heard.status == 402


async def test_every_answer_has_a_generation_of_its_own(stand_in: StandIn) -> None:
    """The same request twice gets two ids, in the header as in the body, and nothing else differs."""
    first, second = [await hear(stand_in, SCENARIOS["plain"].ask) for _ in range(2)]
    assert first.header("x-generation-id") == first.json["id"] != second.json["id"]
    assert {**first.json, "id": ""} == {**second.json, "id": ""}
