"""Names of exchanges: UUIDv7 (RFC 9562, section 5.7), which sort by the time they were made."""

from typing import Final

RANDOM_BYTES: Final = 10


def uuid7(unix_ms: int, random: bytes) -> str:
    """The UUIDv7 of a moment, in milliseconds since 1970, and of ten random bytes; as text."""
    number = int.from_bytes(unix_ms.to_bytes(6, "big") + random)
    number = number & ~(0xF << 76) | 7 << 76  # the version
    number = number & ~(0x3 << 62) | 2 << 62  # the variant
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
