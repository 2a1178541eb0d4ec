"""Recorded exchanges come back as they were recorded."""

from random import Random
from typing import Any

import orjson
import pytest

from shadow.demo.provider import StandIn
from shadow.demo.recorded import LARGEST_CHUNK, Recorded, script
from shadow.demo.scenarios import Ask
from shadow.demo.script import Pause, Send
from tests.demo.wire import Heard, hear
from tests.recorded import load, requires_recorded

STREAM = "".join(f'data: {{"n": {number}, "text": "Grüße 👋"}}\n\n' for number in range(200)) + "data: [DONE]\n\n"


def row(name: str, body: Any, answer: str, content_type: str = "application/json", **headers: str) -> dict[str, Any]:
    """A recording as the file has it."""
    return {
        "name": name,
        "host": "api.example.com",
        "path": "/v1/chat/completions",
        "request_body": body,
        "status": 200,
        "response_headers": {"content-type": content_type, **headers},
        "response_body": answer,
    }


def chat(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


async def ask(recorded: Recorded, body: Any, *headers: tuple[str, str]) -> Heard:
    async with StandIn(recorded, pace=0) as stand_in:
        return await hear(stand_in, Ask("POST", "/v1/chat/completions", headers, orjson.dumps(body)))


@requires_recorded
async def test_every_recording_comes_back_to_the_byte() -> None:
    """All of them: found by name, status and body are those of the file."""
    async with StandIn(Recorded(load()), pace=0) as stand_in:
        for one in load():
            body = orjson.dumps(one["request_body"])
            heard = await hear(
                stand_in, Ask("POST", one["path"].partition("#")[0], (("X-Scenario", one["name"]),), body)
            )
            assert (heard.status, heard.body) == (one["status"], one["response_body"].encode()), one["name"]


@requires_recorded
async def test_every_recording_is_found_by_its_request() -> None:
    """All of them again, by path and body alone; requests recorded twice take turns."""
    rows = load("openrouter.ai")
    async with StandIn(Recorded(rows), pace=0) as stand_in:
        for one in rows:
            heard = await hear(stand_in, Ask("POST", one["path"], (), orjson.dumps(one["request_body"])))
            assert (heard.status, heard.body) == (one["status"], one["response_body"].encode()), one["name"]


async def test_a_replay_is_found_by_its_messages() -> None:
    """Other fields may differ, as a rewritten replay's do."""
    recorded = Recorded([row("a", chat("one"), "1"), row("b", chat("two"), "2")])
    assert (await ask(recorded, chat("two", model="other", stream=False))).body == b"2"


async def test_equal_requests_take_turns() -> None:
    """In the order of the recordings, again and again."""
    recorded = Recorded([row("a", chat("one"), "1"), row("b", chat("one"), "2")])
    assert [(await ask(recorded, chat("one"))).body for _ in range(3)] == [b"1", b"2", b"1"]


async def test_what_was_not_recorded() -> None:
    """Is 404, unless everything unknown takes turns."""
    rows = [row("a", chat("one"), "1"), row("b", chat("two"), "2")]
    assert (await ask(Recorded(rows), chat("three"))).status == 404
    assert (await ask(Recorded(rows), chat("one"), ("X-Scenario", "none"))).status == 404
    in_turn = Recorded(rows, in_turn=True)
    assert [(await ask(in_turn, chat("three"))).body for _ in range(3)] == [b"1", b"2", b"1"]


async def test_turns_are_taken_by_streams_and_by_plain_answers_apart() -> None:
    """A request for a stream is never answered with JSON while there is a stream to give."""
    rows = [row("a", chat("one"), "1"), row("b", chat("two", stream=True), "data: x\n\n", "text/event-stream")]
    in_turn = Recorded(rows, in_turn=True)
    heard = [(await ask(in_turn, chat("three", stream=streamed))).body for streamed in (True, True, False)]
    assert heard == [b"data: x\n\n", b"data: x\n\n", b"1"]


async def test_headers_are_those_recorded_framing_aside() -> None:
    """What tells of the recorder's own connection is left out; chunked stays chunked."""
    headers = {"x-request-id": "r", "content-encoding": "gzip", "content-length": "7", "transfer-encoding": "chunked"}
    heard = await ask(Recorded([row("a", chat("one"), "1", **headers)]), chat("one"))
    assert heard.headers == [
        (b"content-type", b"application/json"), (b"x-request-id", b"r"), (b"transfer-encoding", b"chunked"),
    ]  # fmt: skip


def test_streams_come_in_network_chunks() -> None:
    """Bounded, several events in some, some ending inside an event; the same for a seed, and whole in the end."""
    one = row("a", chat("one"), STREAM, "text/event-stream")
    steps = script(one, Random(1))  # noqa: S311
    chunks = [step.data.partition(b"\r\n")[2][:-2] for step in steps[1:-1] if isinstance(step, Send)]
    assert b"".join(chunks) == STREAM.encode()
    assert max(map(len, chunks)) <= LARGEST_CHUNK
    assert any(chunk.count(b"\n\n") > 1 for chunk in chunks)
    assert any(not chunk.endswith(b"\n\n") for chunk in chunks)
    assert any(isinstance(step, Pause) for step in steps)
    assert steps == script(one, Random(1))  # noqa: S311
    assert steps != script(one, Random(2))  # noqa: S311


@pytest.mark.parametrize("body", [{"model": "m"}, [1]])
async def test_requests_without_messages_match_nothing(body: Any) -> None:
    """Having no messages is not having the same messages."""
    assert (await ask(Recorded([row("a", {"file": "x"}, "1")]), body)).status == 404
