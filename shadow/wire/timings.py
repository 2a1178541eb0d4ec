"""When what came, from the arrivals of an answer's bytes.

A network chunk is what can be timed; an event came when the chunk that completed it did. Comments and padding are not
tokens, so they time nothing. Where a proxy or a compressor held tokens back and let them go together, when the first
one was made is not in the record: then it is unknown, and the note says why.
"""

from collections.abc import Sequence
from contextlib import suppress
from operator import sub
from typing import Final

from shadow.exchange import Exchange, Timings
from shadow.wire.assembly import Reading
from shadow.wire.decoding import encoding

Arrivals = Sequence[tuple[int, float]]  # (bytes of the answer so far, seconds), ascending

# Providers put a few tokens into one packet, and fast ones more: that matters only where, at the pace of the rest of
# the stream, collecting them took a noticeable part of the time to the first.
COALESCED_DELTAS: Final = 8
NOTICEABLE: Final = 0.1

NOTES: Final = frozenset(
    {
        "coalesced",  # something on the way held the first tokens back
        "compressed",  # so did, most likely, the compressor
        "not_recorded",  # the first token came after the last arrival that was kept
    }
)


def read_timings(exchange: Exchange, reading: Reading, arrivals: Arrivals, output_tokens: int | None) -> Timings:
    """The timings of one exchange. `arrivals` count the same bytes as the offsets of the reading's deltas.

    A plain answer has no first token: the bytes before its end are padding that keeps the connection alive.
    """
    first_byte_s, total_s = exchange.first_byte_s, exchange.total_s
    if not reading.streamed or not reading.deltas:
        return Timings(first_byte_s=first_byte_s, total_s=total_s)
    moments = _moments(arrivals, reading.deltas)
    if not moments:
        return Timings(first_byte_s=first_byte_s, total_s=total_s, note="not_recorded")
    if _held_back(moments):
        note = "compressed" if encoding(exchange.response_headers) else "coalesced"
        return Timings(first_byte_s=first_byte_s, total_s=total_s, note=note)
    return Timings(
        first_byte_s=first_byte_s,
        ttft_s=moments[0],
        tpot_s=_per_token(total_s - moments[0], output_tokens),
        largest_gap_s=max(map(sub, moments[1:], moments), default=None),
        total_s=total_s,
    )


def _moments(arrivals: Arrivals, offsets: Sequence[int]) -> list[float]:
    """When each delta came, as far as arrivals were recorded. Both ascend: one walk along the arrivals serves all."""
    moments: list[float] = []
    coming, end, at_s = iter(arrivals), 0, 0.0
    with suppress(StopIteration):
        for offset in offsets:
            while end < offset:
                end, at_s = next(coming)
            moments.append(at_s)
    return moments


def _held_back(moments: Sequence[float]) -> bool:
    """Whether the first chunk brought so much that its beginning must be older than the chunk."""
    together = moments.count(moments[0])
    if together < COALESCED_DELTAS or together == len(moments):
        return together >= COALESCED_DELTAS
    collecting_s = (together - 1) * (moments[-1] - moments[0]) / (len(moments) - together)
    return collecting_s > NOTICEABLE * moments[0]


def _per_token(seconds: float, output_tokens: int | None) -> float | None:
    """Seconds per token after the first; None for a single token."""
    return seconds / (output_tokens - 1) if output_tokens is not None and output_tokens > 1 else None
