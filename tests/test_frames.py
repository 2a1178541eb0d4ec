"""Frames: what goes in comes out, and nothing else does."""

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.exchange import Attribution, Body, Exchange, Outcome
from shadow.frames import FACTS, LENGTHS, FrameError, unpack
from tests.packing import packed

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
headers = st.dictionaries(texts, texts, max_size=3).map(lambda named: tuple(named.items()))
offsets = st.floats(0, 1e6, allow_nan=False)
bodies = st.builds(
    lambda head, tail, lost: Body(head, tail, len(head) + len(tail) + lost),
    st.binary(max_size=50),
    st.binary(max_size=50),
    st.integers(0, 1 << 40),
)
exchanges = st.builds(
    Exchange,
    exchange_id=texts,
    arm=texts,
    started_at=st.floats(0, 2e9),
    method=texts,
    path=texts,
    attribution=st.builds(Attribution, *[st.none() | texts] * 4),
    request_headers=headers,
    request_body=bodies,
    outcome=st.sampled_from(Outcome),
    status=st.none() | st.integers(100, 599),
    response_headers=headers,
    response_body=bodies,
    first_byte_s=st.none() | offsets,
    total_s=offsets,
    arrivals=st.lists(st.tuples(st.integers(0, (1 << 64) - 1), offsets), max_size=5).map(tuple),
    failure=st.none() | texts,
    credential=st.none() | texts,
)


@given(st.lists(exchanges, max_size=4))
def test_what_is_packed_is_unpacked(batch: list[Exchange]) -> None:
    """A batch of frames gives back its exchanges, equal and in order."""
    assert list(unpack(b"".join(map(packed, batch)))) == batch


@given(exchanges, st.data())
def test_a_cut_batch_is_refused(exchange: Exchange, data: st.DataObject) -> None:
    """A batch that ends anywhere inside a frame is an error, never a shorter exchange."""
    frame = packed(exchange)
    cut = data.draw(st.integers(1, len(frame) - 1))
    with pytest.raises(FrameError):
        list(unpack(frame[:cut]))


@given(st.binary(min_size=1, max_size=200))
def test_garbage_is_refused(garbage: bytes) -> None:
    """Bytes that are no frames raise FrameError and nothing else."""
    with pytest.raises(FrameError):
        list(unpack(garbage))


@given(exchanges)
def test_a_frame_without_a_credential_has_no_place_for_one(exchange: Exchange) -> None:
    """Where no key is entrusted, what is stated ends with the facts: not even a null stands for one."""
    frame = packed(replace(exchange, credential=None))
    size, *_ = LENGTHS.unpack_from(frame)
    assert len(orjson.loads(frame[LENGTHS.size :][:size])) == len(FACTS)
