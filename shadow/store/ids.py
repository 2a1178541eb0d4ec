"""Exchange ids as the store keeps them: the 16 bytes of a UUIDv7 instead of its 36 characters. Pure.

The first six bytes are the Unix milliseconds at which the exchange began, so that rows lie on disk in the order of
time and a period is a range of ids.
"""

from typing import Final
from uuid import UUID

MILLISECONDS_MAX: Final = (1 << 48) - 1  # the width of a UUIDv7's time (RFC 9562, section 5.7)


def blob(exchange_id: str) -> bytes:
    """An id as stored. Raises ValueError where it is not a UUID."""
    return UUID(exchange_id).bytes


def text(stored: bytes) -> str:
    """An id as people and other programs see it."""
    return str(UUID(bytes=stored))


def floor(at: float) -> bytes:
    """The least id that an exchange begun at Unix time `at` or later can have."""
    milliseconds = min(max(int(at * 1000), 0), MILLISECONDS_MAX)
    return milliseconds.to_bytes(6, "big") + bytes(10)
