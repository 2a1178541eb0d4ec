"""Exchange ids as the store keeps them: the 16 bytes of a UUIDv7 instead of its 36 characters. Pure.

The first six bytes are the Unix milliseconds at which the exchange began, so that rows lie on disk in the order of
time and a period is a range of ids.
"""

from typing import Final

BYTES: Final = 16
MILLISECONDS_MAX: Final = (1 << 48) - 1  # the width of a UUIDv7's time (RFC 9562, section 5.7)
END: Final = b"\xff" * 16  # no exchange begins that late


def blob(exchange_id: str) -> bytes:
    """An id as stored. Raises ValueError where it is not a UUID."""
    try:
        stored = bytes.fromhex(exchange_id.replace("-", ""))
    except ValueError:
        stored = b""
    if len(stored) != BYTES:
        raise ValueError("an exchange_id is not a UUID")
    return stored


def text(stored: bytes) -> str:
    """An id as people and other programs see it."""
    digits = stored.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def floor(at: float) -> bytes:
    """The least id that an exchange begun at Unix time `at` or later can have."""
    milliseconds = min(max(int(at * 1000), 0), MILLISECONDS_MAX)
    return milliseconds.to_bytes(6, "big") + bytes(10)
