"""Damaged answers: nothing raises, everything is bounded.

`SHADOW_FUZZ` sets how many are made, `SHADOW_SEED` which.
"""

import gzip
import json
import os
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.exchange import Body, Exchange, Observation, Outcome
from shadow.wire.agreement import agreement
from shadow.wire.assembly import MAX_TOOL_CALLS
from shadow.wire.documents import WORD_CHARACTERS
from shadow.wire.errors import ERROR_KINDS
from shadow.wire.features import FEATURES
from shadow.wire.observe import ANOMALIES, Read, observe, read, read_all
from shadow.wire.request import PATHS
from shadow.wire.timings import NOTES
from shadow.wire.usage import MAX_TOKENS
from tests import recorded
from tests.wire.exchanges import BOOK, CHAT, exchange, from_recording, whole
from tests.wire.test_samples import EXPECTED, SAMPLES

DAMAGES = int(os.environ.get("SHADOW_FUZZ", "8000"))
SEED = int(os.environ.get("SHADOW_SEED", "20261123"))
KEY = re.compile(rb'"(\w+)":')

# What turns a good answer into an odd one: values of another type, limits, framing, and bytes that mean something.
WORDS = [
    b"null", b"true", b"-1", b"1e999", b"18446744073709551616", b"NaN", b"[]", b"{}", b'""', b"[[[[", b"}", b"]", b",",
    b'"', b"\\ud800", b"\xff", b"\x00", b"\r", b"\n", b"\r\n", b"\n\n", b"data:", b"event: error\n", b": x\n",
    b"[DONE]", b'"usage":{"cost":-1}', b'"usage":[]', b'"choices":{}', b'"choices":[null]', b'"error":[]',
    b'"error":{"code":[]}', b'"index":"x"', b'"index":{}', b'"index":99999999', b'"tool_calls":[1]', b'"content":[[]]',
    b'"delta":7', b'"model":{}',
]  # fmt: skip


def damage(data: bytes, draw: random.Random) -> bytes:
    """The bytes with a few of them cut, repeated, moved, replaced or flipped."""
    for _ in range(draw.randint(1, 6)):
        at, end = sorted(draw.choices(range(len(data) + 1), k=2))
        end = min(end, at + draw.choice([1, 4, 30, 400]))
        data = draw.choice(DAMAGE)(data, at, end, draw)
    return data


DAMAGE: list[Callable[[bytes, int, int, random.Random], bytes]] = [
    lambda data, at, end, _: data[:at] + data[end:],
    lambda data, at, end, _: data[:end] + data[at:],
    lambda data, at, end, draw: data[:at] + draw.choice(WORDS) + data[end:],
    lambda data, at, _, draw: data[:at] + draw.choice(WORDS) + data[at:],
    lambda data, at, end, draw: data[:at] + draw.randbytes(end - at) + data[end:],
    lambda data, at, end, draw: data.replace(data[at:end] or b"x", draw.choice(WORDS), 3),
    lambda data, at, _, __: data[:at],
]


ODD = [None, True, -1, 0, 1.5, 2**70, "", "x", "error", [], {}, [None], [[]], [{}], {"": {}}, {"error": {}}, "\ud800"]


def twist(data: bytes, draw: random.Random) -> bytes:
    """The bytes with a few values of their JSON replaced by odd ones."""
    documents = [data] if data.lstrip()[:1] in (b"{", b"[") else re.findall(rb"(?m)^data: ?(\{.*)$", data)
    for document in draw.choices(documents, k=3) if documents else ():
        try:
            value = json.loads(document)
        except ValueError:
            continue
        holder, key = draw.choice([*_places(value)] or [([None], 0)])
        holder[key] = draw.choice(ODD)
        data = data.replace(document, json.dumps(value).encode())
    return data


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a JSON value at which another could stand: what holds it, and its key there."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from _places(inner)


def cut(data: bytes, draw: random.Random) -> Body:
    """The bytes as a capture might hold them: whole, or without their middle."""
    head, tail = sorted(draw.choices(range(len(data) + 1), k=2))
    return whole(data) if draw.random() < 0.7 else Body(data[:head], data[tail:], len(data) + draw.randint(0, 9))


def damaged(draw: random.Random) -> Exchange:
    """A good exchange with a damaged answer; now and then the frame around it is odd too."""
    sample = draw.choice(EXPECTED)
    answer = draw.choice([damage, twist, twist])((SAMPLES / sample["sample"]).read_bytes(), draw)
    request = twist(b'{"model":"v/m","messages":[{"role":"user","content":"Hi"}],"tools":[{"type":"x"}],"n":2}', draw)
    odd = draw.random() < 0.3
    coding = draw.choice(["gzip", "deflate", "br", "zstd"]) if odd else None
    if coding == "gzip":
        answer = damage(gzip.compress(answer, 1), draw) if draw.random() < 0.5 else gzip.compress(answer, 1)
    ends = sorted(draw.choices(range(1, len(answer) + 2), k=draw.randint(0, 9)))
    return exchange(
        cut(answer, draw),
        cut(damage(request, draw) if odd else request, draw),
        path=draw.choice(sorted(PATHS)) if odd else sample.get("path", CHAT),
        status=draw.choice([200, 429, 304, None]) if odd else sample.get("status", 200),
        outcome=draw.choice(list(Outcome)) if odd else Outcome.COMPLETE,
        response_headers=(("content-encoding", coding),) if coding and draw.random() < 0.9 else (),
        arrivals=tuple((end, number / 10) for number, end in enumerate(ends)),
    )


def assert_bounded(seen: Observation, source: Exchange) -> None:
    """What came out is from the closed sets and no larger than what went in."""
    assert "reader_failed" not in seen.anomalies
    assert ANOMALIES.issuperset((*seen.anomalies, *seen.usage.anomalies))
    assert FEATURES.issuperset(seen.features)
    assert seen.error_kind is None or seen.error_kind in ERROR_KINDS
    for said in (seen.response_model, seen.provider, seen.generation_id, seen.finish_reason, seen.request_model):
        assert said is None or 0 < len(said.encode()) <= 4 * WORD_CHARACTERS
    counts = (seen.usage.input_tokens, seen.usage.output_tokens, seen.usage.reasoning_output_tokens)
    assert all(count is None or 0 <= count <= 3 * MAX_TOKENS for count in counts)
    assert len(seen.answer.tool_calls) <= MAX_TOOL_CALLS
    if not source.response_headers:
        assert len(seen.answer.text) + len(seen.answer.reasoning) <= source.response_body.size
    assert seen.timings.ttft_s is None or seen.timings.ttft_s >= 0
    assert seen.timings.note is None or (seen.timings.note in NOTES and seen.timings.ttft_s is None)


def test_damaged_answers_do_not_raise() -> None:
    """Thousands of damaged answers each give an observation within the bounds, and agree or not with the one before."""
    before = Observation(features=frozenset({"json_schema"}))
    for number in range(DAMAGES):
        source = damaged(random.Random(SEED + number))  # noqa: S311 (a draw that can be repeated)
        seen = observe(source, BOOK)
        try:
            assert_bounded(seen, source)
            agreement(before, seen)
        except Exception as error:
            error.add_note(f"SHADOW_SEED={SEED + number}")
            raise
        before = seen


@recorded.requires_recorded
@pytest.mark.parametrize("number", range(20))
def test_damaged_recordings_do_not_raise(number: int) -> None:
    """Real answers, damaged, do no more harm than made ones."""
    draw = random.Random(SEED + number)  # noqa: S311 (a draw that can be repeated)
    for row in draw.choices(recorded.load(), k=DAMAGES // 200):
        good = from_recording(row)
        path = draw.choice([good.path, *PATHS])
        source = exchange(cut(damage(good.response_body.head, draw), draw), good.request_body, path=path)
        assert_bounded(observe(source, BOOK), source)


KEYS = st.sampled_from(
    sorted({key.decode() for sample in EXPECTED for key in KEY.findall((SAMPLES / sample["sample"]).read_bytes())})
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | KEYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=30,
)


@given(st.lists(VALUES, max_size=5), VALUES, st.sampled_from(sorted(PATHS)), st.booleans())
def test_any_json_does_not_raise(documents: list[Any], request_body: Any, path: str, streamed: bool) -> None:
    """Whatever JSON stands in an answer or a request, at whatever endpoint, it is read without a complaint."""
    texts = [json.dumps(document).encode() for document in documents]
    answer = b"".join(b"data: %s\n\n" % text for text in texts) if streamed else b"".join(texts[:1])
    source = exchange(answer, json.dumps(request_body).encode(), path=path)
    assert_bounded(observe(source, BOOK), source)


GOOD = [exchange((SAMPLES / one["sample"]).read_bytes(), path=one.get("path", CHAT)) for one in EXPECTED]
ANY = st.sampled_from([*GOOD, exchange(method="GET", path="/api/v1/models")]) | st.builds(damaged, st.randoms())


def told(one: Read) -> tuple[Observation, str | None]:
    """All that was read, comparable also where a request holds what does not equal itself (NaN)."""
    return one.observation, one.request and json.dumps([*one.request[:-1], sorted(one.request.features)])


@given(st.lists(ANY, max_size=12))
def test_many_are_read_as_each_alone(exchanges: list[Exchange]) -> None:
    """Whatever stands beside an exchange, good, damaged or no model call, changes nothing of what is read of it."""
    assert list(map(told, read_all(exchanges, BOOK))) == [told(read(one, BOOK)) for one in exchanges]
