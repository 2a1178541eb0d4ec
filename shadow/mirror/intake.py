"""A candidate's answer while it comes in: bounded, so that a flood or an endless answer costs no more memory."""

from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from shadow.exchange import KEPT_RESPONSE_HEADERS, Body, Headers

ANSWERS_MAX_BYTES: Final = 64 << 20  # of all answers in flight: eight of the largest, thousands of ordinary ones
MAX_ARRIVALS: Final = 20_000  # chunks of one answer, as the primary's capture keeps: 16 bytes each
HEADER_CHARACTERS: Final = 256  # of a kept header's value: ids and content types are shorter


class TooLargeError(Exception):
    """The answer outgrew its bound."""


class NoRoomError(Exception):
    """All answers in flight together outgrew theirs."""


@dataclass(slots=True)
class Allowance:
    """How many bytes of answers the process may hold at once."""

    max_bytes: int = ANSWERS_MAX_BYTES
    used_bytes: int = 0

    def take(self, count: int) -> None:
        """Reserve room. Raises NoRoomError where there is none."""
        if self.used_bytes + count > self.max_bytes:
            raise NoRoomError
        self.used_bytes += count

    def give_back(self, count: int) -> None:
        self.used_bytes -= count


class Intake:
    """What has come of one answer. Times count from when the request's head was sent; `clock` gives monotonic time."""

    def __init__(self, max_bytes: int, allowance: Allowance, clock: Callable[[], float]) -> None:
        self.status: int | None = None
        self.headers: Headers = ()
        self.first_byte_s: float | None = None
        self._max_bytes = max_bytes
        self._allowance = allowance
        self._clock = clock
        self._sent_at = clock()
        self._bytes = bytearray()
        self._ends = array("Q")
        self._times = array("d")

    def sent(self) -> None:
        """The request's head is on its way: all times count from now."""
        self._sent_at = self._clock()

    def began(self, status: int, headers: Mapping[str, str]) -> None:
        """The answer's head is here. Only headers on the allow-list are kept."""
        self.status = status
        pairs = ((name.lower(), value[:HEADER_CHARACTERS]) for name, value in headers.items())
        self.headers = tuple((name, value) for name, value in pairs if name in KEPT_RESPONSE_HEADERS)

    def chunk(self, data: bytes) -> None:
        """Keep a chunk of the body. Raises TooLargeError or NoRoomError, and then keeps nothing of it."""
        at_s = self.elapsed_s()
        if self.first_byte_s is None:
            self.first_byte_s = at_s
        if len(self._bytes) + len(data) > self._max_bytes:
            raise TooLargeError
        self._allowance.take(len(data))
        self._bytes += data
        if len(self._ends) < MAX_ARRIVALS:
            self._ends.append(len(self._bytes))
            self._times.append(at_s)

    def elapsed_s(self) -> float:
        return self._clock() - self._sent_at

    def body(self) -> Body:
        return Body(bytes(self._bytes), b"", len(self._bytes))

    def arrivals(self) -> tuple[tuple[int, float], ...]:
        return tuple(zip(self._ends, self._times, strict=True))

    def release(self) -> None:
        """Forget the bytes and give their room back."""
        self._allowance.give_back(len(self._bytes))
        self._bytes = bytearray()
