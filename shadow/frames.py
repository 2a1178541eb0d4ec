"""How finished exchanges cross from the forwarder to the recorder: length-prefixed frames, many a batch.

A frame is four little-endian 32-bit lengths, then four byte strings: a small JSON head, the request's head and tail
joined, the response's head and tail joined, and the arrivals: all offsets as unsigned 64-bit numbers, then all times as
64-bit floats. The head is a list: of both bodies how long the captured head is and how many bytes there were, then
FACTS, then the credential where one is entrusted. Both processes run the same release on the same machine, so the
format has no version and numbers of arrivals keep its byte order; `unpack` raises `FrameError` on anything else.
"""

import struct
from array import array
from collections.abc import Iterable, Iterator
from itertools import chain
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson

from shadow.exchange import Attribution, Body, Exchange, Outcome

LENGTHS: Final = struct.Struct("<IIII")
ARRIVAL_BYTES: Final = 16  # an offset and a time
FACTS: Final = (  # of an Exchange's fields those that the head states, in its order: named, they take twice as long
    *("exchange_id", "arm", "started_at", "method", "path", "attribution", "request_headers", "outcome", "status"),
    *("response_headers", "first_byte_s", "total_s", "failure"),
)
_in_order: Final = itemgetter(*FACTS)
OUTCOMES: Final = {outcome.value: outcome for outcome in Outcome}  # looked up in a third of what the enumeration takes

Piece = bytes | bytearray

WHOLE_BYTES: Final = 4 << 10  # in one piece up to here: many small ones take more memory than their bytes

# Of one body: its first bytes in pieces, and how many they are; its last ones where it outgrew the capture's bound; and
# how many there were.
Captured = tuple[list[Piece], int, Piece, int]


class Frame(NamedTuple):
    """A packed exchange: a large one still in the pieces in which it was captured, which are joined when they are sent,
    so that a thousand streams that end together do not lie in memory twice."""

    size: int
    pieces: "tuple[Piece | array[int] | array[float], ...]"


class FrameError(ValueError):
    """The bytes are not a whole number of frames."""


def pack(
    facts: dict[str, Any], request: Captured, response: Captured, ends: "array[int]", times: "array[float]"
) -> Frame:
    """One exchange as a frame, from what the forwarder has in its hands: no Exchange is made only to be taken apart.

    `facts` are an Exchange's fields, but for its bodies and arrivals; `credential` may be left out.
    `ends` and `times` are the arrivals, as arrays of the types Q and d.
    """
    asked, asked_head, asked_tail, asked_size = request
    answered, answered_head, answered_tail, answered_size = response
    credential = (facts["credential"],) if "credential" in facts else ()
    head = orjson.dumps((asked_head, asked_size, answered_head, answered_size, *_in_order(facts), *credential))
    head_size, request_size, response_size = len(head), asked_head + len(asked_tail), answered_head + len(answered_tail)
    arrivals_size = ARRIVAL_BYTES * len(ends)
    # Lengths and head are copied: orjson leaves a hole of kilobytes behind bytes that are kept as it made them.
    head = LENGTHS.pack(head_size, request_size, response_size, arrivals_size) + head
    size = len(head) + request_size + response_size + arrivals_size
    pieces = (head, *asked, asked_tail, *answered, answered_tail, ends, times)
    return Frame(size, pieces if size > WHOLE_BYTES else (b"".join(pieces),))


def join(frames: Iterable[Frame]) -> bytes:
    """The batch that holds these frames."""
    return b"".join(chain.from_iterable(frame.pieces for frame in frames))


def unpack(batch: bytes) -> Iterator[Exchange]:
    """The exchanges of a batch, in order. Raises FrameError at the first frame that is cut or malformed."""
    at = 0
    while at < len(batch):
        if at + LENGTHS.size > len(batch):
            raise FrameError("the batch ends inside a frame's lengths")
        head_size, request_size, response_size, arrivals_size = LENGTHS.unpack_from(batch, at)
        request_at = at + LENGTHS.size + head_size
        response_at = request_at + request_size
        arrivals_at = response_at + response_size
        end = arrivals_at + arrivals_size
        if end > len(batch):
            raise FrameError("the batch ends inside a frame")
        try:
            yield _exchange(
                batch[at + LENGTHS.size : request_at],
                batch[request_at:response_at],
                batch[response_at:arrivals_at],
                batch[arrivals_at:end],
            )
        except (KeyError, TypeError, ValueError, struct.error) as error:
            raise FrameError(f"a frame does not hold an exchange: {type(error).__name__}") from error
        at = end


def _exchange(head: bytes, request: bytes, response: bytes, arrivals: bytes) -> Exchange:
    asked, asked_size, answered, answered_size, *facts = orjson.loads(head)
    exchange_id, arm, started_at, method, path, attribution, request_headers, outcome, status, *facts = facts
    response_headers, first_byte_s, total_s, failure, *credential = facts
    return Exchange(  # in the order of its fields: named, they take twice as long
        exchange_id,
        arm,
        started_at,
        method,
        path,
        Attribution(**attribution),
        tuple(map(tuple, request_headers)),
        Body(request[:asked], request[asked:], asked_size),
        OUTCOMES[outcome],
        status,
        tuple(map(tuple, response_headers)),
        Body(response[:answered], response[answered:], answered_size),
        first_byte_s,
        total_s,
        _arrivals(arrivals),
        failure,
        *credential,
    )


def _arrivals(packed: bytes) -> tuple[tuple[int, float], ...]:
    if not packed:
        return ()
    ends, times = array("Q"), array("d")
    half = len(packed) // 2
    ends.frombytes(packed[:half])
    times.frombytes(packed[half:])
    return tuple(zip(ends, times, strict=True))
