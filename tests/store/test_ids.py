import pytest

from shadow.store.ids import blob, floor, text
from tests.store.samples import exchange_id


def test_an_id_survives_storage() -> None:
    """An id is 16 bytes in the store and the same text outside."""
    assert len(blob(exchange_id(7))) == 16
    assert text(blob(exchange_id(7))) == exchange_id(7)


def test_what_is_no_id_is_refused() -> None:
    """Text that is not a UUID raises ValueError."""
    with pytest.raises(ValueError, match="UUID"):
        blob("seven")


def test_a_floor_divides_before_from_after() -> None:
    """Ids begun before a moment sort below its floor, those begun at it or later do not."""
    moment = 1_780_000_000.5
    assert blob(exchange_id(0, moment - 0.001)) < floor(moment) <= blob(exchange_id(0, moment))


@pytest.mark.parametrize(("at", "expected"), [(-5.0, bytes(16)), (1e30, b"\xff" * 6 + bytes(10))])
def test_a_floor_stays_in_range(at: float, expected: bytes) -> None:
    """Moments before 1970 and beyond the width of an id's time are cut to the ends of the range."""
    assert floor(at) == expected
