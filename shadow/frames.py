"""How finished exchanges cross from the forwarder to the recorder: length-prefixed frames, many a batch.

A frame is four little-endian 32-bit lengths, then four byte strings: a small JSON head, the request's head and tail
joined, the response's head and tail joined, and the arrivals: all offsets as unsigned 64-bit numbers, then all times as
64-bit floats. Both processes run the same release on the same machine, so the format has no version and numbers of
arrivals keep its byte order; `unpack` raises `FrameError` on anything else.
"""

import struct
from array import array
from collections.abc import Iterator
from typing import Any, Final

import orjson

from shadow.exchange import Attribution, Body, Exchange, Outcome

LENGTHS: Final = struct.Struct("<IIII")
OUTCOMES: Final = {outcome.value: outcome for outcome in Outcome}  # looked up in a third of what the enumeration takes

# Of one body: its first bytes, its last ones where it outgrew the capture's bound, and how many there were.
Captured = tuple[bytes | bytearray, bytes | bytearray, int]


class FrameError(ValueError):
    """The bytes are not a whole number of frames."""


def pack(
    facts: dict[str, Any], request: Captured, response: Captured, ends: "array[int]", times: "array[float]"
) -> bytes:
    """One exchange as a frame, from what the forwarder has in its hands: no Exchange is made only to be taken apart.

    `facts` are an Exchange's fields, but for its bodies and arrivals; `credential` may be left out. They become the
    frame's head, sizes added. `ends` and `times` are the arrivals, as arrays of the types Q and d.
    """
    request_head, request_tail, request_size = request
    response_head, response_tail, response_size = response
    facts["request"] = len(request_head), request_size
    facts["response"] = len(response_head), response_size
    head = orjson.dumps(facts)
    lengths = LENGTHS.pack(
        len(head),
        len(request_head) + len(request_tail),
        len(response_head) + len(response_tail),
        len(ends) * ends.itemsize + len(times) * times.itemsize,
    )
    return b"".join((lengths, head, request_head, request_tail, response_head, response_tail, ends, times))


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
