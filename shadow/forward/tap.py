"""The bounded copy of one exchange while it passes. Nothing here awaits, and nothing here can fail the request."""

from array import array
from collections.abc import Callable
from typing import Any, Final

from shadow.exchange import PRIMARY, Attribution, Outcome
from shadow.forward.headers import KEPT_OF_ANSWER, kept, kept_of_request
from shadow.forward.heads import Fields
from shadow.frames import Captured, Frame, Piece, pack

TAIL_BYTES: Final = 64 << 10  # the last events of a stream, its usage among them, survive any length of answer
IN_FLIGHT_MAX_BYTES: Final = 128 << 20  # 2,000 streams of 64 KiB; captures past it are cut, requests go on
MAX_ARRIVALS: Final = 20_000  # as many chunks as a very long answer has tokens; 16 bytes each
BLOCK_BYTES: Final = 8 << 10  # a few network chunks; of the last block, an eighth may be unused
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
        self._head: list[Piece] = []  # blocks, not chunks: a body in one-byte chunks would take forty times its size
        self._tail: bytearray | None = None
        self.size = 0
        self.cut = False  # True from the moment at which the process had no room for more

    def feed(self, chunk: bytes) -> None:
        """Count a chunk, and keep what fits."""
        missing = self._head_limit - self.size
        self.size += len(chunk)
        if self.cut:
            return
        if missing >= len(chunk):
            self._keep(chunk)
            return
        if missing > 0:
            self._keep(chunk[:missing])
            chunk = chunk[missing:]
        self._keep_last(chunk[-self._tail_limit :])

    def kept(self) -> Captured:
        """What was kept. A body of up to `max_bytes` is whole; where room ran out, only its beginning is kept."""
        if self.cut or self._tail is None:
            return self._head, b"", self.size
        if self._head_limit + len(self._tail) == self.size:
            return [*self._head, self._tail], b"", self.size
        return self._head, self._tail[-self._tail_limit :], self.size

    def release(self) -> None:
        """Forget the bytes and give their room back."""
        self._room.give_back(sum(map(len, self._head)) + len(self._tail or b""))
        self._head, self._tail = [], None

    def _keep(self, chunk: bytes) -> None:
        """In the last block, if it fits: blocks of one size leave no holes between streams that grow side by side."""
        if not self._room.take(len(chunk)):
            self.cut = True
        elif self._head and len(self._head[-1]) + len(chunk) <= BLOCK_BYTES:
            self._head[-1] += chunk
        else:
            self._head.append(chunk if len(chunk) > BLOCK_BYTES else bytearray(chunk))

    def _keep_last(self, chunk: bytes) -> None:
        if self.cut or not self._room.take(len(chunk)):
            self.cut = True
            return
        if self._tail is None:
            self._tail = bytearray()
        self._tail += chunk
        if len(self._tail) > 2 * self._tail_limit:  # trimmed now and then, not at every chunk
            self._room.give_back(len(self._tail) - self._tail_limit)
            del self._tail[: -self._tail_limit]


class Capture:
    """One exchange while it passes. `clock` gives monotonic seconds; chunks are handed in as they pass.

    `started_at` is Unix time, `target` the one that the upstream knows, `fields` the request's headers. Besides what is
    copied, the relay notes here what metrics tell of the exchange.
    """

    __slots__ = (
        "_answer_fields", "_attribution", "_clock", "_ends", "_first_byte_s", "_sent_at", "_times", "_total_s",
        "fields", "method", "overhead_s", "request", "response", "started_at", "status", "target", "told",
    )  # fmt: skip

    def __init__(
        self, started_at: float, method: bytes, target: bytes, fields: Fields, attribution: Attribution,
        max_bytes: int, room: Room, clock: Callable[[], float],
    ) -> None:  # fmt: skip
        self.started_at, self.method, self.target, self.fields = started_at, method, target, fields
        self.request = BodyTap(max_bytes, room)
        self.response = BodyTap(max_bytes, room)
        self.status: int | None = None  # the upstream's
        self.told: int | None = None  # the status the client got, from upstream or from the sidecar
        self.overhead_s = 0.0  # what the sidecar itself spent on the heads
        self._attribution = attribution
        self._clock = clock
        self._sent_at = clock()
        self._answer_fields: Fields = {}
        self._first_byte_s: float | None = None
        self._total_s: float | None = None
        self._ends = array("Q")
        self._times = array("d")

    def sent(self) -> None:
        """The request's head is on its way: all timings count from now."""
        self._sent_at = self._clock()

    def answered(self, status: int, fields: Fields) -> None:
        """The answer's head is here."""
        self.status = status
        self._answer_fields = fields

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
        """Nothing more will come: neither what the client takes to read it counts, nor how late it is packed."""
        if self._total_s is None:
            self._total_s = self._clock() - self._sent_at

    @property
    def cut(self) -> bool:
        """Whether the process had no room for all that should have been kept of this exchange."""
        return self.request.cut or self.response.cut

    def packed(self, exchange_id: str, outcome: Outcome, failure: str | None, credential: str | None = None) -> Frame:
        """The exchange in its one terminal state, as a frame for the recorder."""
        self.ended()
        path = self.target.partition(b"?")[0][: PATH_CHARACTERS * 4]
        facts: dict[str, Any] = {
            "exchange_id": exchange_id,
            "arm": PRIMARY,
            "started_at": self.started_at,
            "method": self.method[:METHOD_CHARACTERS].decode("latin-1"),
            "path": path.decode("utf-8", "replace")[:PATH_CHARACTERS],
            "attribution": self._attribution,
            "request_headers": kept_of_request(self.fields),
            "outcome": outcome,
            "status": self.status,
            "response_headers": kept(self._answer_fields, KEPT_OF_ANSWER),
            "first_byte_s": self._first_byte_s,
            "total_s": self._total_s,
            "failure": failure,
        }
        if credential is not None:
            facts["credential"] = credential
        return pack(facts, self.request.kept(), self.response.kept(), self._ends, self._times)

    def release(self) -> None:
        """Forget the bodies and give their room back."""
        self.request.release()
        self.response.release()
