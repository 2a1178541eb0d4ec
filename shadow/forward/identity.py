"""Names of exchanges: UUIDv7 (RFC 9562, section 5.7), which sort by the time they were made."""

from typing import Final

RANDOM_BYTES: Final = 10
VARIANT: Final = "89ab" * 4  # the variant's two bits over any hexadecimal digit


def uuid7(unix_ms: int, random: bytes) -> str:
    """The UUIDv7 of a moment, in milliseconds since 1970, and of ten random bytes; as text."""
    time, chance = f"{unix_ms:012x}", random.hex()
    return f"{time[:8]}-{time[8:]}-7{chance[1:4]}-{VARIANT[random[2] >> 4]}{chance[5:8]}-{chance[8:]}"
