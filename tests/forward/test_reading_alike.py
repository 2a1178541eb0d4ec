"""The core held against h11, an independent parser: whatever the core accepts, h11 reads the same way."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.forward.alike import BODIES, ENDS, LINES, STARTS, STATUSES, check_answer, check_request


@st.composite
def messages(draw: st.DrawFn, starts: list[bytes]) -> bytes:
    """A message that is nearly HTTP, sometimes with a byte changed, inserted or taken out."""
    lines = [draw(st.sampled_from(starts)), *draw(st.lists(st.sampled_from(LINES), max_size=5))]
    ends = st.just(b"\r\n") if draw(st.booleans()) else st.sampled_from(ENDS)
    data = b"".join(line + draw(ends) for line in lines) + b"\r\n" + draw(st.sampled_from(BODIES))
    if draw(st.booleans()):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.binary(max_size=2)) + data[at + draw(st.integers(0, 1)) :]
    return data


@given(messages(STARTS))
@settings(max_examples=500, deadline=None)
def test_requests_are_read_alike(data: bytes) -> None:
    """Method, target, headers, payload and end of every accepted request."""
    check_request(data)


@given(messages(STATUSES), st.sampled_from([b"GET", b"HEAD", b"POST"]))
@settings(max_examples=500, deadline=None)
def test_answers_are_read_alike(data: bytes, method: bytes) -> None:
    """Status, headers, payload and end of every accepted answer."""
    check_answer(data, method)


@pytest.mark.parametrize("seed", range(4))
def test_mutated_messages_are_read_alike(seed: int) -> None:
    """A thousand mutations of good messages by a seeded generator: the fuzzer's idea, in the time of a test."""
    rng = random.Random(seed)  # noqa: S311 (no secret)
    for _ in range(250):
        lines = [rng.choice(STARTS), b"Host: a", *rng.choices(LINES, k=rng.randrange(4))]
        data = bytearray(b"\r\n".join(lines) + b"\r\n\r\n" + rng.choice(BODIES))
        for _ in range(rng.randrange(4)):
            data[rng.randrange(len(data))] = rng.choice(b"\r\n\t :;\0x5\xff,")
        check_request(bytes(data))
