"""How finished exchanges cross from the forwarder to the recorder: length-prefixed frames, many a batch.

A frame is its LENGTHS, then so many bytes of each part: FACTS as a JSON list, which ends with the credential where one
is entrusted; the request's body as it was captured, its first bytes and its last; the response's; and the arrivals,
each an ARRIVAL. Both processes run the same release, so the format has no version; `unpack` raises `FrameError` on
anything else. Headers are JSON objects: none is kept twice, and orjson makes text of a name that is a key only once,
which saves a sixth of all that `unpack` takes.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import astuple
from itertools import chain
from typing import Final, NamedTuple

import orjson

from shadow.exchange import Attribution, Body, Exchange, Outcome

LENGTHS: Final = struct.Struct("<IIIIIIQQ")  # of the six parts; then how many bytes each body had, kept or not
ARRIVAL: Final = struct.Struct("<Qd")  # how many bytes of the answer's body were here, and after how many seconds
FACTS: Final = (  # of an Exchange's fields those that are stated as JSON, in this order: named, they take twice as long
    *("exchange_id", "arm", "started_at", "method", "path", "attribution", "request_headers", "outcome", "status"),
    *("response_headers", "first_byte_s", "total_s", "failure"),
)
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
    pieces: tuple[Piece, ...]


class FrameError(ValueError):
    """The bytes are not a whole number of frames."""


def written(attribution: Attribution) -> orjson.Fragment:
    """An attribution as a frame states it: made once for a caller who asks again."""
    return orjson.Fragment(orjson.dumps(astuple(attribution)))


def pack(facts: tuple[object, ...], request: Captured, response: Captured, arrivals: Piece) -> Frame:
    """One exchange as a frame, from what the forwarder has in its hands: no Exchange is made only to be taken apart.

    `facts` are FACTS, their attribution `written` and their headers by name, and the credential where one is entrusted;
    `arrivals` are packed.
    """
    asked, asked_head, asked_tail, asked_size = request
    answered, answered_head, answered_tail, answered_size = response
    stated = orjson.dumps(facts)
    lengths = (len(stated), asked_head, len(asked_tail), answered_head, len(answered_tail), len(arrivals))
    # The facts are copied: orjson leaves a hole of kilobytes behind bytes that are kept as it made them.
    begin = LENGTHS.pack(*lengths, asked_size, answered_size) + stated
    size = LENGTHS.size + sum(lengths)
    pieces = (begin, *asked, asked_tail, *answered, answered_tail, arrivals)
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
        stated, asked, asked_tail, answered, answered_tail, arrivals, *sizes = LENGTHS.unpack_from(batch, at)
        stated_at = at + LENGTHS.size
        asked_at = stated_at + stated
        asked_tail_at = asked_at + asked
        answered_at = asked_tail_at + asked_tail
        answered_tail_at = answered_at + answered
        arrivals_at = answered_tail_at + answered_tail
        end = arrivals_at + arrivals
        if end > len(batch):
            raise FrameError("the batch ends inside a frame")
        try:
            yield _exchange(
                batch[stated_at:asked_at],
                Body(batch[asked_at:asked_tail_at], batch[asked_tail_at:answered_at], sizes[0]),
                Body(batch[answered_at:answered_tail_at], batch[answered_tail_at:arrivals_at], sizes[1]),
                batch[arrivals_at:end],
            )
        except (AttributeError, KeyError, TypeError, ValueError, struct.error) as error:
            raise FrameError(f"a frame does not hold an exchange: {type(error).__name__}") from error
        at = end


def _exchange(stated: bytes, request: Body, response: Body, arrivals: bytes) -> Exchange:
    (
        exchange_id, arm, started_at, method, path, attribution, request_headers, outcome, status,
        response_headers, first_byte_s, total_s, failure, *credential,
    ) = orjson.loads(stated)  # fmt: skip
    return Exchange(  # in the order of its fields: named, they take twice as long
        exchange_id,
        arm,
        started_at,
        method,
        path,
        Attribution(*attribution),
        tuple(request_headers.items()),
        request,
        OUTCOMES[outcome],
        status,
        tuple(response_headers.items()),
        response,
        first_byte_s,
        total_s,
        tuple(ARRIVAL.iter_unpack(arrivals)),
        failure,
        *credential,
    )
