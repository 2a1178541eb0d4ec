"""The bounded copy of one exchange while it passes. Nothing here awaits, and nothing here can fail the request."""

from typing import Final

import orjson

from shadow.exchange import PRIMARY, Outcome
from shadow.forward.headers import KEPT_OF_ANSWER, kept, kept_of_request
from shadow.forward.heads import Fields
from shadow.frames import ARRIVAL, Captured, Frame, Piece, pack

TAIL_BYTES: Final = 64 << 10  # the last events of a stream, its usage among them, survive any length of answer
IN_FLIGHT_MAX_BYTES: Final = 128 << 20  # 2,000 streams of 64 KiB; captures past it are cut, requests go on
MAX_ARRIVALS: Final = 20_000  # as many chunks as a very long answer has tokens; 16 bytes each
MAX_ARRIVAL_BYTES: Final = MAX_ARRIVALS * ARRIVAL.size
BLOCK_BYTES: Final = 8 << 10  # a few network chunks; of the last block, an eighth may be unused
PATH_CHARACTERS: Final = 2048  # paths of any API fit; a hostile one of 64 KiB does not fill the store
METHOD_CHARACTERS: Final = 32


class Room:
    """How much captures may hold: `max_bytes` in the process, and `body_bytes` of one body, first bytes and last.

    Bodies keep the count themselves: a method of this class would be a call more for every chunk.
    """

    def __init__(self, body_bytes: int, max_bytes: int = IN_FLIGHT_MAX_BYTES) -> None:
        self.tail_bytes = max(1, min(TAIL_BYTES, body_bytes // 2))
        self.head_bytes = body_bytes - self.tail_bytes
        self.max_bytes = max_bytes
        self.used_bytes = 0


class BodyTap:
    """The first bytes of a body and the last ones, taken from the room of the process."""

    __slots__ = ("_head", "_held", "_room", "_tail", "cut", "size")

    def __init__(self, room: Room) -> None:
        self._room = room
        self._held = 0  # bytes of that room
        self._head: list[Piece] = []  # blocks, not chunks: a body in one-byte chunks would take forty times its size
        self._tail: bytearray | None = None
        self.size = 0
        self.cut = False  # True from the moment at which the process had no room for more

    def feed(self, chunk: bytes) -> None:
        """Count a chunk, and keep what fits."""
        count, missing = len(chunk), self._room.head_bytes - self.size
        self.size += count
        if self.cut:
            return
        if count <= missing:
            self._keep(chunk, count)
            return
        if missing > 0:
            self._keep(chunk[:missing], missing)
            chunk = chunk[missing:]
        self._keep_last(chunk[-self._room.tail_bytes :])

    def kept(self) -> Captured:
        """What was kept. A body within its bound is whole; where room ran out, only its beginning is kept."""
        if self._tail is None:
            return self._head, self._held, b"", self.size
        if self.cut:  # after a tail had begun, so the head is full
            return self._head, self._room.head_bytes, b"", self.size
        if self._held == self.size:
            return [*self._head, self._tail], self.size, b"", self.size
        return self._head, self._room.head_bytes, self._tail[-self._room.tail_bytes :], self.size

    def release(self) -> None:
        """Forget the bytes and give their room back."""
        self._room.used_bytes -= self._held
        self._head, self._tail, self._held = [], None, 0

    def _keep(self, chunk: bytes, count: int) -> None:
        """In the last block, if it fits: blocks of one size leave no holes between streams that grow side by side."""
        if not self._take(count):
            return
        head = self._head
        if head and len(head[-1]) + count <= BLOCK_BYTES:
            head[-1] += chunk
        else:
            head.append(chunk if count > BLOCK_BYTES else bytearray(chunk))

    def _keep_last(self, chunk: bytes) -> None:
        if self.cut or not self._take(len(chunk)):
            return
        if self._tail is None:
            self._tail = bytearray()
        self._tail += chunk
        surplus = len(self._tail) - self._room.tail_bytes
        if surplus > self._room.tail_bytes:  # trimmed now and then, not at every chunk
            del self._tail[:surplus]
            self._take(-surplus)

    def _take(self, count: int) -> bool:
        """Have room for so many bytes more, or fewer; False, and no more is kept, where there is none."""
        room = self._room
        if room.used_bytes + count > room.max_bytes:
            self.cut = True
            return False
        room.used_bytes += count
        self._held += count
        return True


class Capture:
    """One exchange while it passes: what is told of it, and when, as `at` by a clock of monotonic seconds.

    `started_at` is Unix time, `target` the one that the upstream knows, `fields` the request's headers, `attribution`
    one as a frame states it. Besides what is copied, the relay notes here what metrics tell of the exchange.
    """

    __slots__ = (
        "_answer_fields", "_arrivals", "_attribution", "_sent_at", "_total_s", "fields",
        "method", "overhead_s", "request", "response", "started_at", "status", "target", "told",
    )  # fmt: skip

    def __init__(
        self, started_at: float, method: bytes, target: bytes, fields: Fields, attribution: orjson.Fragment,
        room: Room, at: float,
    ) -> None:  # fmt: skip
        self.started_at, self.method, self.target, self.fields = started_at, method, target, fields
        self.request = BodyTap(room)
        self.response = BodyTap(room)
        self.status: int | None = None  # the upstream's
        self.told: int | None = None  # the status the client got, from upstream or from the sidecar
        self.overhead_s = 0.0  # what the sidecar itself spent on the heads
        self._attribution = attribution
        self._sent_at = at
        self._answer_fields: Fields = {}
        self._total_s: float | None = None
        self._arrivals = bytearray()  # packed

    def sent(self, at: float) -> None:
        """The request's head is on its way: all timings count from now."""
        self._sent_at = at

    def answered(self, status: int, fields: Fields) -> None:
        """The answer's head is here."""
        self.status = status
        self._answer_fields = fields

    def response_chunk(self, chunk: bytes, at: float) -> None:
        """A chunk of the answer's body, before it goes on to the client."""
        if len(self._arrivals) < MAX_ARRIVAL_BYTES:
            self._arrivals += ARRIVAL.pack(self.response.size + len(chunk), at - self._sent_at)
        self.response.feed(chunk)

    def ended(self, at: float) -> None:
        """Nothing more will come: neither what the client takes to read it counts, nor how late it is packed."""
        self._total_s = at - self._sent_at

    @property
    def cut(self) -> bool:
        """Whether the process had no room for all that should have been kept of this exchange."""
        return self.request.cut or self.response.cut

    def packed(self, exchange_id: str, outcome: Outcome, failure: str | None, credential: str | None = None) -> Frame:
        """The exchange, which has ended, as a frame for the recorder."""
        path = self.target.partition(b"?")[0][: PATH_CHARACTERS * 4]
        facts: tuple[object, ...] = (  # in the order of `frames.FACTS`
            exchange_id,
            PRIMARY,
            self.started_at,
            self.method[:METHOD_CHARACTERS].decode("latin-1"),
            path.decode("utf-8", "replace")[:PATH_CHARACTERS],
            self._attribution,
            kept_of_request(self.fields),
            outcome,
            self.status,
            kept(self._answer_fields, KEPT_OF_ANSWER),
            ARRIVAL.unpack_from(self._arrivals)[1] if self._arrivals else None,
            self._total_s,
            failure,
        )
        if credential is not None:
            facts += (credential,)
        return pack(facts, self.request.kept(), self.response.kept(), self._arrivals)

    def release(self) -> None:
        """Forget the bodies and give their room back."""
        self.request.release()
        self.response.release()
