"""When what came, from the arrivals of an answer's bytes.

A network chunk is what can be timed; an event came when the chunk that completed it did. Comments and padding are not
tokens, so they time nothing. Where a proxy or a compressor held tokens back and let them go together, when the first
one was made is not in the record: then it is unknown, and the note says why.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

from shadow.exchange import Exchange, Timings
from shadow.wire.assembly import Reading, Token
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
    plain = Timings(first_byte_s=exchange.first_byte_s, total_s=exchange.total_s)
    if not reading.streamed or not reading.deltas:
        return plain
    moments = _moments(arrivals, reading.deltas)
    first_s = moments[0][0]
    if first_s is None:
        return replace(plain, note="not_recorded")
    if _held_back(moments, first_s):
        return replace(plain, note="compressed" if encoding(exchange.response_headers) else "coalesced")
    return replace(
        plain,
        ttft_s=first_s,
        first_content_s=_first(moments, Token.CONTENT),
        first_reasoning_s=_first(moments, Token.REASONING),
        first_tool_call_s=_first(moments, Token.TOOL_CALL),
        tpot_s=_per_token(exchange.total_s - first_s, output_tokens),
        largest_gap_s=_largest_gap(moments),
    )


def _moments(arrivals: Arrivals, deltas: Sequence[tuple[int, Token]]) -> list[tuple[float | None, Token]]:
    """When each delta came; None beyond the last arrival that was recorded."""
    ends = [end for end, _ in arrivals]
    found: list[tuple[float | None, Token]] = []
    for offset, token in deltas:
        index = bisect_left(ends, offset)
        found.append((arrivals[index][1] if index < len(ends) else None, token))
    return found


def _held_back(moments: Sequence[tuple[float | None, Token]], first_s: float) -> bool:
    """Whether the first chunk brought so much that its beginning must be older than the chunk."""
    together = sum(at_s == first_s for at_s, _ in moments)
    later = [at_s for at_s, _ in moments[together:] if at_s is not None]
    if together < COALESCED_DELTAS or not later:
        return together >= COALESCED_DELTAS
    collecting_s = (together - 1) * (later[-1] - first_s) / len(later)
    return collecting_s > NOTICEABLE * first_s


def _first(moments: Sequence[tuple[float | None, Token]], token: Token) -> float | None:
    return next((at_s for at_s, other in moments if other is token), None)


def _per_token(seconds: float, output_tokens: int | None) -> float | None:
    """Seconds per token after the first; None for a single token."""
    return seconds / (output_tokens - 1) if output_tokens is not None and output_tokens > 1 else None


def _largest_gap(moments: Sequence[tuple[float | None, Token]]) -> float | None:
    """The longest wait between two tokens, as far as arrivals were recorded."""
    known = [at_s for at_s, _ in moments if at_s is not None]
    return max((after - before for before, after in pairwise(known)), default=None)
