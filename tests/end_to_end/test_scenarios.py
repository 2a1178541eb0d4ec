"""Everything the stand-in can do to a client, directly and through the sidecar: the client is told the same."""

from dataclasses import dataclass
from pathlib import Path

from shadow.demo.openrouter import OpenRouter
from shadow.demo.provider import StandIn
from shadow.demo.scenarios import SCENARIOS
from tests.demo.wire import Heard, hear
from tests.end_to_end.sidecar import eventually, running

HOP_BY_HOP = {b"connection", b"keep-alive", b"transfer-encoding"}
# What no intermediary can pass on: an answer that never began, or that is two at once, becomes the sidecar's own.
ANSWERED_BY_THE_SIDECAR = {
    "reset-before-headers": b"upstream_disconnected",
    "closes-before-headers": b"upstream_disconnected",
    "both-lengths": b"upstream_garbled",
}
# Broken by a reset behind the sidecar, by an early close in front of it: incomplete, either way.
BROKEN_EITHER_WAY = {"reset-after-headers", "reset-mid-stream"}
# Leaves a connection behind that breaks under whoever comes next: promise 38 has a test of its own.
TRAP = "closes-on-reuse"


@dataclass
class Proxy:
    """The sidecar, in the place of a stand-in."""

    url: str


def told(heard: Heard) -> tuple[object, ...]:
    """What a client makes of an answer: status line, end-to-end headers in order, body, and how it broke."""
    headers = [(name, value) for name, value in heard.headers if name.lower() not in HOP_BY_HOP]
    return heard.status, heard.reason, headers, heard.body, heard.fault


async def test_clients_are_told_the_same(tmp_path: Path) -> None:
    """Every scenario gives the same status line, headers, body and kind of break, but for the listed exceptions."""
    names = [name for name in SCENARIOS if name != TRAP]
    different = {}
    async with StandIn(OpenRouter(), pace=0.02) as stand_in, running(tmp_path, stand_in.url) as sidecar:
        for name in names:
            answers = []
            for way in (stand_in, Proxy(sidecar.url)):
                stand_in.answer = behaviour = OpenRouter()  # each counts from the first request
                stand_in.early = behaviour.early
                stand_in.release(40 if name.startswith("leaves") else 0)  # these hold on until their client has left
                answers.append(await hear(way, SCENARIOS[name].ask))
            if told(answers[0]) != told(answers[1]):
                different[name] = answers[1]
        rows = await eventually(lambda: found if len(found := sidecar.rows(OUTCOMES)) >= len(names) else None)
    assert len(rows) == len(names)
    assert set(different) == {*ANSWERED_BY_THE_SIDECAR, *BROKEN_EITHER_WAY}
    for name, error in ANSWERED_BY_THE_SIDECAR.items():
        assert (different[name].status, dict(different[name].headers)[b"X-Shadow-Error"]) == (502, error), name
    for name in BROKEN_EITHER_WAY:
        assert different[name].fault == "closed", name


OUTCOMES = "SELECT outcome FROM exchanges"
