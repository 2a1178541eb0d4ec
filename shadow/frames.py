"""How finished exchanges cross from the forwarder to the recorder: length-prefixed frames, many a batch.

A frame is four little-endian 32-bit lengths, then four byte strings: a small JSON head, the request's head and tail
joined, the response's head and tail joined, and the arrivals: all offsets as unsigned 64-bit numbers, then all times as
64-bit floats. Both processes run the same release on the same machine, so the format has no version and numbers of
arrivals keep its byte order; `unpack` raises `FrameError` on anything else.
"""

import struct
from array import array
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Final, NamedTuple

import orjson

from shadow.exchange import Attribution, Body, Exchange, Outcome

LENGTHS: Final = struct.Struct("<IIII")
OUTCOMES: Final = {outcome.value: outcome for outcome in Outcome}  # looked up in a third of what the enumeration takes

Piece = bytes | bytearray

WHOLE_BYTES: Final = 4 << 10  # in one piece up to here: many small ones take more memory than their bytes

# Of one body: its first bytes in pieces, its last ones where it outgrew the capture's bound, and how many there were.
Captured = tuple[list[Piece], Piece, int]


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

    `facts` are an Exchange's fields, but for its bodies and arrivals; `credential` may be left out. They become the
    frame's head, sizes added. `ends` and `times` are the arrivals, as arrays of the types Q and d.
    """
    asked, asked_tail, asked_size = request
    answered, answered_tail, answered_size = response
    asked_head_size, answered_head_size = sum(map(len, asked)), sum(map(len, answered))
    facts["request"], facts["response"] = (asked_head_size, asked_size), (answered_head_size, answered_size)
    head = orjson.dumps(facts)
    sizes = (
        len(head),
        asked_head_size + len(asked_tail),
        answered_head_size + len(answered_tail),
        len(ends) * ends.itemsize + len(times) * times.itemsize,
    )
    # Lengths and head are copied: orjson leaves a hole of kilobytes behind bytes that are kept as it made them.
    pieces = (LENGTHS.pack(*sizes) + head, *asked, asked_tail, *answered, answered_tail, ends, times)
    size = LENGTHS.size + sum(sizes)
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
        sizes = LENGTHS.unpack_from(batch, at)
        at += LENGTHS.size
        if at + sum(sizes) > len(batch):
            raise FrameError("the batch ends inside a frame")
        parts = []
        for size in sizes:
            parts.append(batch[at : at + size])
            at += size
        try:
            yield _exchange(*parts)
        except (KeyError, TypeError, ValueError, struct.error) as error:
            raise FrameError(f"a frame does not hold an exchange: {type(error).__name__}") from error


def _exchange(head: bytes, request: bytes, response: bytes, arrivals: bytes) -> Exchange:
    fields: dict[str, Any] = orjson.loads(head)
    return Exchange(
        exchange_id=fields["exchange_id"],
        arm=fields["arm"],
        started_at=fields["started_at"],
        method=fields["method"],
        path=fields["path"],
        attribution=Attribution(**fields["attribution"]),
        request_headers=tuple(map(tuple, fields["request_headers"])),
        request_body=_body(request, *fields["request"]),
        outcome=OUTCOMES[fields["outcome"]],
        status=fields["status"],
        response_headers=tuple(map(tuple, fields["response_headers"])),
        response_body=_body(response, *fields["response"]),
        first_byte_s=fields["first_byte_s"],
        total_s=fields["total_s"],
        arrivals=_arrivals(arrivals),
        failure=fields["failure"],
        credential=fields.get("credential"),
    )


def _body(captured: bytes, head_size: int, size: int) -> Body:
    return Body(captured[:head_size], captured[head_size:], size)


def _arrivals(packed: bytes) -> tuple[tuple[int, float], ...]:
    if not packed:
        return ()
    ends, times = array("Q"), array("d")
    half = len(packed) // 2
    ends.frombytes(packed[:half])
    times.frombytes(packed[half:])
    return tuple(zip(ends, times, strict=True))
