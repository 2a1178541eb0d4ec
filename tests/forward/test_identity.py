"""Names of exchanges."""

import uuid

from shadow.forward.identity import uuid7


def test_identity_is_a_version_7_uuid() -> None:
    """Version and variant bits are those of RFC 9562."""
    made = uuid.UUID(uuid7(1_700_000_000_123, b"\xff" * 10))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)


def test_identity_tells_its_millisecond() -> None:
    """The first 48 bits are the time."""
    assert uuid.UUID(uuid7(1_700_000_000_123, bytes(10))).int >> 80 == 1_700_000_000_123


def test_later_identities_sort_later() -> None:
    """Text order is time order."""
    assert uuid7(1000, b"\xff" * 10) < uuid7(1001, bytes(10))


def test_random_bytes_are_told_apart() -> None:
    """Two exchanges of one millisecond differ."""
    assert uuid7(1000, bytes(10)) != uuid7(1000, bytes(9) + b"\x01")
