"""How finished exchanges cross from the forwarder to the recorder: length-prefixed frames, many a batch.

A frame is four little-endian 32-bit lengths, then four byte strings: a small JSON head, the request's head and tail
joined, the response's head and tail joined, and the arrivals as pairs of unsigned 64-bit offset and 64-bit float.
Both processes run the same release, so the format has no version; `unpack` raises `FrameError` on anything else.
"""

import struct
from collections.abc import Iterator
from typing import Any, Final

import orjson

from shadow.exchange import Attribution, Body, Exchange, Outcome

LENGTHS: Final = struct.Struct("<IIII")
ARRIVAL: Final = struct.Struct("<Qd")


class FrameError(ValueError):
    """The bytes are not a whole number of frames."""


def pack(exchange: Exchange) -> bytes:
    """One exchange as a frame."""
    request, response = exchange.request_body, exchange.response_body
    fields: dict[str, Any] = {
        "exchange_id": exchange.exchange_id,
        "arm": exchange.arm,
        "started_at": exchange.started_at,
        "method": exchange.method,
        "path": exchange.path,
        "attribution": exchange.attribution,
        "request_headers": exchange.request_headers,
        "request": (len(request.head), request.size),
        "outcome": exchange.outcome,
        "status": exchange.status,
        "response_headers": exchange.response_headers,
        "response": (len(response.head), response.size),
        "first_byte_s": exchange.first_byte_s,
        "total_s": exchange.total_s,
        "failure": exchange.failure,
    }
    if exchange.credential is not None:
        fields["credential"] = exchange.credential
    head = orjson.dumps(fields)
    arrivals = b"".join(ARRIVAL.pack(end, at_s) for end, at_s in exchange.arrivals)
    sizes = (
        len(head),
        len(request.head) + len(request.tail),
        len(response.head) + len(response.tail),
        len(arrivals),
    )
    parts = (LENGTHS.pack(*sizes), head, request.head, request.tail, response.head, response.tail, arrivals)
    return b"".join(parts)


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
        request_headers=tuple((name, value) for name, value in fields["request_headers"]),
        request_body=_body(request, *fields["request"]),
        outcome=Outcome(fields["outcome"]),
        status=fields["status"],
        response_headers=tuple((name, value) for name, value in fields["response_headers"]),
        response_body=_body(response, *fields["response"]),
        first_byte_s=fields["first_byte_s"],
        total_s=fields["total_s"],
        arrivals=tuple(ARRIVAL.iter_unpack(arrivals)),
        failure=fields["failure"],
        credential=fields.get("credential"),
    )


def _body(captured: bytes, head_size: int, size: int) -> Body:
    return Body(captured[:head_size], captured[head_size:], size)
