"""Timings: when what came, and when that cannot be told."""

import json
import zlib
from typing import Any

import pytest

from shadow.exchange import Timings
from shadow.wire.timings import COALESCED_DELTAS
from tests.wire.exchanges import chunk, seen, stream

COMMENT = b": OPENROUTER PROCESSING\n\n"
USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
CALL = [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}]


def event(*documents: dict[str, Any]) -> bytes:
    """Chunks as one piece of a stream."""
    return stream(*documents, end=b"")


def timed(*packets: tuple[float, bytes], **how: Any) -> Timings:
    """The timings of an answer that came in these network chunks."""
    body = b"".join(data for _, data in packets)
    ends = [sum(len(data) for _, data in packets[: count + 1]) for count in range(len(packets))]
    arrivals = tuple((end, at_s) for end, (at_s, _) in zip(ends, packets, strict=True))
    how = {"arrivals": arrivals, "first_byte_s": packets[0][0], "total_s": packets[-1][0], **how}
    return seen(body, **how).timings


def test_the_first_delta_is_the_first_that_says_something() -> None:
    """Comments, the role and empty content are not tokens, though they came first."""
    timings = timed(
        (0.1, COMMENT),
        (0.2, event(chunk("", role="assistant"))),
        (0.5, event(chunk("Hi"))),
        (0.6, event(chunk("", finish="stop", usage=USAGE))),
    )
    assert (timings.first_byte_s, timings.ttft_s, timings.total_s) == (0.1, 0.5, 0.6)


@pytest.mark.parametrize("said", [{"reasoning": "Hm"}, {"content": "Hi"}, {"tool_calls": CALL}])
def test_content_reasoning_and_tool_calls_all_begin_an_answer(said: dict[str, Any]) -> None:
    """The first token is the first of any of the three kinds."""
    timings = timed((0.1, event(chunk("", role="assistant"))), (0.4, event(chunk(**said))), (0.7, event(chunk("Hi"))))
    assert timings.ttft_s == 0.4


def test_encrypted_reasoning_is_not_a_token() -> None:
    """What nobody can read is not an answer that has begun."""
    details = [{"type": "reasoning.encrypted", "data": "gAAAA"}]
    timings = timed((0.1, event(chunk("", reasoning_details=details))), (0.4, event(chunk("Hi"))))
    assert timings.ttft_s == 0.4


def test_an_event_comes_with_the_packet_that_completes_it() -> None:
    """A delta that is split between two packets came with the second."""
    data = event(chunk("Hi"))
    assert timed((0.1, data[:20]), (0.3, data[20:])).ttft_s == 0.3
    assert timed((0.1, data[:-1]), (0.3, data[-1:])).ttft_s == 0.3


def test_time_per_output_token() -> None:
    """What follows the first token, by the number of tokens that follow it."""
    timings = timed((0.5, event(chunk("a"))), (2.5, event(chunk("b", finish="stop", usage=USAGE))))
    assert timings.tpot_s == 0.5  # two seconds for four more tokens


def test_time_per_output_token_needs_a_second_token() -> None:
    """One token, or an unknown number of them, has no pace."""
    one = USAGE | {"completion_tokens": 1, "total_tokens": 8}
    assert timed((0.5, event(chunk("a"))), (2.5, event(chunk("", finish="stop", usage=one)))).tpot_s is None
    assert timed((0.5, event(chunk("a"))), (2.5, event(chunk("", finish="stop")))).tpot_s is None


def test_the_largest_gap_is_between_tokens() -> None:
    """Comments that keep the connection alive do not hide that nothing was said."""
    timings = timed(
        (0.25, event(chunk("a"))),
        (0.5, event(chunk("b"))),
        (3.0, COMMENT),
        (5.5, event(chunk("c"))),
        (9.0, event(chunk("", finish="stop"))),
    )
    assert timings.largest_gap_s == 5.0


def test_a_plain_answer_has_no_first_token() -> None:
    """Padding before a JSON body comes early and means nothing: only the total counts."""
    body = json.dumps({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}], "usage": USAGE}).encode()
    timings = timed((0.1, b"\n         \n"), (0.9, body))
    assert timings == Timings(first_byte_s=0.1, total_s=0.9)


def test_a_stream_that_was_held_back_has_no_first_token() -> None:
    """When the packet of the first delta brings many more, a proxy had been collecting them since some unknown time."""
    deltas = [chunk("a")] * COALESCED_DELTAS
    timings = timed((0.5, event(*deltas)), (0.7, event(chunk("b"))))
    assert (timings.ttft_s, timings.tpot_s, timings.note) == (None, None, "coalesced")


def test_a_few_tokens_in_one_packet_are_ordinary() -> None:
    """Providers send several tokens at once."""
    deltas = [chunk("a")] * (COALESCED_DELTAS - 1)
    assert timed((0.5, event(*deltas)), (0.7, event(chunk("b")))).ttft_s == 0.5


def test_many_tokens_in_one_packet_of_a_fast_stream_are_ordinary() -> None:
    """At the pace of the rest, making the tokens of the first packet took no time that would matter."""
    packets = [(0.2, event(*[chunk("a")] * 16)), *[(0.21 + n / 100, event(*[chunk("b")] * 20)) for n in range(20)]]
    assert timed(*packets).ttft_s == 0.2


def test_a_stream_in_one_packet_has_no_first_token() -> None:
    """Where everything came at once, there is no pace to judge by."""
    timings = timed((0.5, event(*[chunk("a")] * COALESCED_DELTAS)))
    assert (timings.ttft_s, timings.note) == (None, "coalesced")


def test_a_stream_compressed_event_by_event_is_timed() -> None:
    """Where the server flushes its compressor after each event, each event's time is known."""
    compressor = zlib.compressobj(wbits=31)
    events = [event(chunk("", role="assistant")), event(chunk("Hi")), event(chunk("", finish="stop"))]
    packets = [compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH) for data in events]
    timings = timed(*zip((0.1, 0.4, 0.6), packets, strict=True), response_headers=(("content-encoding", "gzip"),))
    assert (timings.ttft_s, timings.note) == (0.4, None)


def test_a_stream_compressed_as_a_whole_is_not() -> None:
    """Where the compressor held the events back, the first token's time is unknown, and the note says so."""
    compressor = zlib.compressobj(wbits=31)
    first = compressor.compress(event(*[chunk("a")] * 20))
    last = compressor.compress(event(*[chunk("b")] * 20)) + compressor.flush()
    timings = timed((0.1, first), (0.9, last), response_headers=(("content-encoding", "gzip"),))
    assert (timings.ttft_s, timings.note) == (None, "compressed")


def test_a_first_token_beyond_the_recorded_arrivals_is_unknown() -> None:
    """Arrivals are bounded; what came after the last of them came at an unknown time."""
    timings = timed((0.1, COMMENT), (0.5, event(chunk("Hi"))), arrivals=((len(COMMENT), 0.1),))
    assert (timings.ttft_s, timings.note) == (None, "not_recorded")


def test_arrivals_that_end_early_leave_the_rest_unknown() -> None:
    """The first token is known, the gap between it and a later one is not."""
    first = event(chunk("", reasoning="Hm"))
    timings = timed((0.1, first), (0.5, event(chunk("Hi"))), arrivals=((len(first), 0.1),))
    assert (timings.ttft_s, timings.largest_gap_s, timings.note) == (0.1, None, None)


def test_a_stream_without_a_token_has_no_first_one() -> None:
    """A stream of comments and an error says nothing and is timed as a whole."""
    timings = timed((0.1, COMMENT), (0.2, event({"error": {"code": 502}})))
    assert timings == Timings(first_byte_s=0.1, total_s=0.2)
