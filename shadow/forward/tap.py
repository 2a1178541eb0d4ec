"""The bounded copy of one exchange while it passes. Nothing here awaits, and nothing here can fail the request."""

from array import array
from collections.abc import Callable
from typing import Final, NamedTuple

from shadow.exchange import (
    PRIMARY,
    Attribution,
    Body,
    Exchange,
    Outcome,
)
from shadow.forward.headers import KEPT_OF_ANSWER, KEPT_OF_REQUEST, kept
from shadow.forward.heads import Fields

TAIL_BYTES: Final = 64 << 10  # the last events of a stream, its usage among them, survive any length of answer
IN_FLIGHT_MAX_BYTES: Final = 128 << 20  # 2,000 streams of 64 KiB; captures past it are cut, requests go on
MAX_ARRIVALS: Final = 20_000  # as many chunks as a very long answer has tokens; 16 bytes each
PATH_CHARACTERS: Final = 2048  # paths of any API fit; a hostile one of 64 KiB does not fill the store
METHOD_CHARACTERS: Final = 32


class Room:
    """How many captured bytes the whole process may hold at once."""

    def __init__(self, max_bytes: int = IN_FLIGHT_MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self.used_bytes = 0

    def take(self, count: int) -> bool:
        """Reserve room for `count` more bytes; False where there is none."""
        if self.used_bytes + count > self.max_bytes:
            return False
        self.used_bytes += count
        return True

    def give_back(self, count: int) -> None:
        self.used_bytes -= count


class BodyTap:
    """The first bytes of a body and the last ones, about `max_bytes` together, taken from the room of the process."""

    __slots__ = ("_head", "_head_limit", "_room", "_tail", "_tail_limit", "cut", "size")

    def __init__(self, max_bytes: int, room: Room) -> None:
        self._tail_limit = max(1, min(TAIL_BYTES, max_bytes // 2))
        self._head_limit = max_bytes - self._tail_limit
        self._room = room
        self._head = bytearray()  # not a list of chunks: a body in one-byte chunks would take forty times its size
        self._tail = bytearray()
        self.size = 0
        self.cut = False  # True from the moment at which the process had no room for more

    def feed(self, chunk: bytes) -> None:
        """Count a chunk, and keep what fits."""
        missing = self._head_limit - self.size
        self.size += len(chunk)
        if self.cut:
            return
        if missing >= len(chunk):
            self._keep(self._head, chunk)
            return
        if missing > 0:
            self._keep(self._head, chunk[:missing])
            chunk = chunk[missing:]
        self._keep(self._tail, chunk[-self._tail_limit :])
        if len(self._tail) > 2 * self._tail_limit:  # trimmed now and then, not at every chunk
            self._room.give_back(len(self._tail) - self._tail_limit)
            del self._tail[: -self._tail_limit]

    def body(self) -> Body:
        """What was kept. A body of up to `max_bytes` is whole; where room ran out, only its beginning is kept."""
        if self.cut:
            return Body(bytes(self._head), b"", self.size)
        if len(self._head) + len(self._tail) == self.size:
            return Body(bytes(self._head + self._tail) if self._tail else bytes(self._head), b"", self.size)
        return Body(bytes(self._head), bytes(self._tail[-self._tail_limit :]), self.size)

    def release(self) -> None:
        """Forget the bytes and give their room back."""
        self._room.give_back(len(self._head) + len(self._tail))
        self._head, self._tail = bytearray(), bytearray()

    def _keep(self, where: bytearray, chunk: bytes) -> None:
        if not self.cut and self._room.take(len(chunk)):
            where += chunk
        else:
            self.cut = True


class Asked(NamedTuple):
    """A request as it arrived: what is known before any byte of a body."""

    started_at: float
    method: bytes
    target: bytes
    fields: Fields
    attribution: Attribution


class Capture:
    """One exchange while it passes. `clock` gives monotonic seconds; chunks are handed in as they pass."""

    __slots__ = (
        "_answered", "_clock", "_ends", "_finished", "_first_byte_s", "_sent_at", "_times", "_total_s", "asked",
        "request", "response", "status",
    )  # fmt: skip

    def __init__(self, asked: Asked, max_bytes: int, room: Room, clock: Callable[[], float]) -> None:
        self.asked = asked
        self.request = BodyTap(max_bytes, room)
        self.response = BodyTap(max_bytes, room)
        self.status: int | None = None
        self._clock = clock
        self._sent_at = clock()
        self._answered: Fields = {}
        self._first_byte_s: float | None = None
        self._total_s: float | None = None
        self._ends = array("Q")
        self._times = array("d")
        self._finished: Exchange | None = None

    def sent(self) -> None:
        """The request's head is on its way: all timings count from now."""
        self._sent_at = self._clock()

    def answered(self, status: int, fields: Fields) -> None:
        """The answer's head is here."""
        self.status = status
        self._answered = fields

    def response_chunk(self, chunk: bytes) -> None:
        """A chunk of the answer's body, before it goes on to the client."""
        now = self._clock() - self._sent_at
        if self._first_byte_s is None:
            self._first_byte_s = now
        self.response.feed(chunk)
        if len(self._ends) < MAX_ARRIVALS:
            self._ends.append(self.response.size)
            self._times.append(now)

    def ended(self) -> None:
        """Nothing more will come: neither what the client takes to read it counts, nor how late `finish` is called."""
        if self._total_s is None:
            self._total_s = self._clock() - self._sent_at

    def finish(self, exchange_id: str, outcome: Outcome, failure: str | None = None) -> Exchange:
        """The exchange in its one terminal state: the first call decides, later ones return the same."""
        if self._finished is None:
            self.ended()
            self._finished = self._exchange(exchange_id, outcome, failure)
            self.request.release()
            self.response.release()
        return self._finished

    @property
    def cut(self) -> bool:
        """Whether the process had no room for all that should have been kept of this exchange."""
        return self.request.cut or self.response.cut

    def _exchange(self, exchange_id: str, outcome: Outcome, failure: str | None) -> Exchange:
        asked = self.asked
        path = asked.target.partition(b"?")[0][: PATH_CHARACTERS * 4]
        return Exchange(
            exchange_id=exchange_id,
            arm=PRIMARY,
            started_at=asked.started_at,
            method=asked.method[:METHOD_CHARACTERS].decode("latin-1"),
            path=path.decode("utf-8", "replace")[:PATH_CHARACTERS],
            attribution=asked.attribution,
            request_headers=kept(asked.fields, KEPT_OF_REQUEST),
            request_body=self.request.body(),
            outcome=outcome,
            status=self.status,
            response_headers=kept(self._answered, KEPT_OF_ANSWER),
            response_body=self.response.body(),
            first_byte_s=self._first_byte_s,
            total_s=self._total_s or 0.0,
            arrivals=tuple(zip(self._ends, self._times, strict=True)),
            failure=failure,
        )
