"""Runs of alike events: read as if each of them had been parsed."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.wire import answer, sse
from shadow.wire.answer import read_answer
from shadow.wire.assembly import Reading
from shadow.wire.decoding import Decoded
from shadow.wire.request import Endpoint
from tests.wire.exchanges import chunk, exchange

COMPACT = (",", ":")
USAGE = {"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14}


def read(body: bytes, endpoint: Endpoint = Endpoint.CHAT) -> Reading:
    return read_answer(exchange(body), endpoint, Decoded(body))


def parsed(body: bytes, endpoint: Endpoint = Endpoint.CHAT) -> Reading:
    """The same stream, with every event of it parsed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shadow.wire.runs.Run.follow", lambda _self, _answer, _parser, _data, at: at)
        return read(body, endpoint)


@pytest.fixture
def documents(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The texts that the reader of answers has parsed."""
    seen: list[bytes] = []

    def noted(data: bytes) -> object:
        seen.append(data)
        return json.loads(data)

    monkeypatch.setattr(answer, "parse", noted)
    return seen


def events(*documents: object) -> bytes:
    return b"".join(b"data: " + json.dumps(one, separators=COMPACT).encode() + b"\n\n" for one in documents)


def test_no_run_begins_with_an_event_that_was_not_read() -> None:
    """What the model is called would be missed: of a run, nobody looks at more than the text."""
    body = events(*map(chunk, "abcd")).replace(b'"a"', b'"\x01"', 1)  # which no JSON text may hold as it is
    assert read(body) == parsed(body)
    assert read(body).response_model == "vendor/model"


def test_of_a_run_two_events_are_parsed(documents: list[bytes]) -> None:
    """One that begins it, and one of its kind to try what the text in it is."""
    body = events(*[chunk(f"word{number} ") for number in range(100)])
    assert read(body).answer.text == "".join(f"word{number} " for number in range(100))
    assert len(documents) == 2


@pytest.mark.parametrize(
    "text", ['say "no"', "a\\b", "line\nline", "\x00", "é 漢 🙂", "\u200b", '","finish_reason":"stop']
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_text_is_read_as_json_says_it(text: str, ascii_only: bool) -> None:
    """Escapes and characters of several bytes come out as they would of the parsed event."""
    said = (json.dumps(chunk(one), ensure_ascii=ascii_only).encode() for one in ("a", "b", text, "c"))
    body = b"".join(b"data: " + one + b"\n\n" for one in said)
    assert read(body).answer.text == f"ab{text}c"


def test_what_only_looks_like_the_end_of_a_text_ends_none() -> None:
    """A field that a text is followed by, in one event alone, is not taken for a part of the text."""
    odd = b'data: {"choices":[{"delta":{"content":"b","refusal":"no"},"index":0}]}\n\n'
    body = odd.replace(b',"refusal":"no"', b"") * 3 + odd + odd.replace(b',"refusal":"no"', b"")
    assert read(body).answer.text == "bbbbb"
    assert read(body).answer.refusal == "no"


@pytest.mark.parametrize(
    "broken",
    [b'data: {"choices":[{"delta":{"content":"\xff"},"index":0}]}', b'data: {"choices":[{"delta":{"content":"'],
)
def test_a_broken_event_in_a_run_is_read_as_any_broken_event(broken: bytes) -> None:
    """Bytes that are no JSON are left to the parser that knows what to make of them."""
    good = events({"choices": [{"delta": {"content": "b"}, "index": 0}]}) * 4
    body = good + broken + b"\n\n" + good
    assert read(body) == parsed(body)


def test_usage_that_comes_with_every_event_is_not_missed() -> None:
    """Events that say more than their text are no run, however alike they are."""
    counts = [{"prompt_tokens": 5, "completion_tokens": 9}] * 3 + [{"prompt_tokens": 5, "completion_tokens": 8}]
    body = events(*[chunk("a", usage=count) for count in counts])
    assert read(body).usage == counts[-1]


def test_events_of_a_run_are_complete_where_they_end() -> None:
    """Offsets count from the beginning of the answer, also in what was kept of its end."""
    said = events(*[chunk("a") for _ in range(9)])
    reading = read_answer(exchange(b""), Endpoint.CHAT, Decoded(said, said, 10 * len(said)))
    size = len(said) // 9
    ends = [*range(size, 9 * size + 1, size), *range(92 * size, 99 * size + 1, size)]
    assert list(reading.deltas) == ends


def test_events_of_a_run_count_towards_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream of more events than are read is not read further, alike or not."""
    monkeypatch.setattr(sse.SSEParser.__init__, "__defaults__", (0, sse.MAX_LINE_BYTES, sse.MAX_EVENT_BYTES, 50))
    reading = read(events(*[chunk("a") for _ in range(60)]))
    assert (reading.answer.text, reading.anomalies) == ("a" * 50, ("too_many_events",))


def test_a_run_begins_late_in_a_stream(documents: list[bytes]) -> None:
    """Hundreds of events that differ otherwise, such as thoughts said twice, do not end the search for runs."""
    thoughts = [{"choices": [{"delta": {"content": "", "reasoning": f"{n}", "of": n}}]} for n in range(300)]
    read(events(*thoughts, *[chunk(f"word{number} ") for number in range(300)]))
    assert len(documents) < 340


text = st.text(max_size=6) | st.sampled_from(['"', "\\", '"}}]}', '"content":"x"', "\n\n", "data: "])
delta = st.fixed_dictionaries(
    {},
    optional={
        "role": st.just("assistant"),
        "content": text | st.none(),
        "reasoning_content": text,
        "reasoning": text,
        "reasoning_details": st.lists(st.fixed_dictionaries({"text": text}), max_size=1),
        "refusal": text,
        "tool_calls": st.just([{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}}]),
    },
)
choice = st.fixed_dictionaries(
    {"index": st.sampled_from([0, 0, 0, 1]), "delta": delta},
    optional={"finish_reason": st.sampled_from([None, "stop", "length"]), "error": st.just({"code": 500})},
)
chat_event = st.fixed_dictionaries(
    {"choices": st.lists(choice, min_size=1, max_size=2)},
    optional={
        "id": st.sampled_from(["", "gen-1", "gen-2"]),
        "service_tier": st.sampled_from(["default", "flex"]),
        "usage": st.sampled_from([None, USAGE]),
        "error": st.just({"message": "no", "code": 502}),
    },
)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """A few events, each sent several times in any order, with other texts and now and then another line end."""
    plain = draw(st.fixed_dictionaries({}, optional={"id": st.just("gen-1"), "service_tier": st.just("default")}))
    events = [plain | {"choices": [{"index": 0, "delta": {"content": ""}}]}, *draw(st.lists(chat_event, max_size=2))]
    separators, ascii_only = draw(st.sampled_from([COMPACT, None])), draw(st.booleans())
    end = st.sampled_from(["\n\n"] * 9 + ["\r\n\r\n", "\n: comment\n\n", "\n"])
    pieces = []
    for event, said in draw(st.lists(st.tuples(st.sampled_from(events), text), max_size=20)):
        sent = copy.deepcopy(event)
        if isinstance(sent["choices"][0]["delta"].get("content"), str):
            sent["choices"][0]["delta"]["content"] = said
        line = json.dumps(sent, separators=separators, ensure_ascii=ascii_only)
        pieces.append(f"data: {line}{draw(end)}".encode("utf-8", "surrogatepass"))
    return b"".join(pieces)


@given(streams())
def test_a_stream_says_the_same_with_every_event_parsed(body: bytes) -> None:
    """Texts, offsets, tools, ends, usage and oddities: nothing of the reading depends on what was not parsed."""
    assert read(body) == parsed(body)


@given(st.lists(st.tuples(st.sampled_from(["text_delta", "thinking_delta"]), text), max_size=12))
def test_named_events_run_as_well(said: list[tuple[str, str]]) -> None:
    """Anthropic's events carry their kind in a line of its own."""
    body = b"".join(_named(kind, one) for kind, one in said)
    assert read(body, Endpoint.MESSAGES) == parsed(body, Endpoint.MESSAGES)


def _named(kind: str, said: str) -> bytes:
    delta = {"type": kind, kind.removesuffix("_delta"): said}
    event = {"type": "content_block_delta", "index": 0, "delta": delta}
    return b"event: content_block_delta\ndata: " + json.dumps(event, separators=COMPACT).encode() + b"\n\n"
