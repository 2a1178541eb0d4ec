"""A candidate's answer while it comes in."""

import pytest

from shadow.mirror.intake import HEADER_CHARACTERS, MAX_ARRIVALS, Allowance, Intake, NoRoomError, TooLargeError


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_times_count_from_the_sent_head():
    """Connecting is not the candidate's time."""
    clock = Clock()
    intake = Intake(100, Allowance(), clock)
    clock.now += 5
    intake.sent()
    clock.now += 1
    intake.chunk(b"ab")
    clock.now += 1
    intake.chunk(b"c")
    assert (intake.first_byte_s, intake.arrivals()) == (1.0, ((2, 1.0), (3, 2.0)))
    assert intake.body().head == b"abc"


def test_an_answer_beyond_its_bound_is_cut():
    """The chunk that would outgrow it is not kept."""
    intake = Intake(3, Allowance(), Clock())
    intake.chunk(b"abc")
    with pytest.raises(TooLargeError):
        intake.chunk(b"d")
    assert intake.body().head == b"abc"


def test_all_answers_share_one_allowance():
    """Many answers at once are bounded together, and room comes back when one is done."""
    allowance = Allowance(max_bytes=5)
    one, other = Intake(100, allowance, Clock()), Intake(100, allowance, Clock())
    one.chunk(b"abc")
    with pytest.raises(NoRoomError):
        other.chunk(b"def")
    one.release()
    other.chunk(b"def")
    other.release()
    assert allowance.used_bytes == 0


def test_only_known_headers_are_kept_and_short():
    """A cookie of the candidate's is nobody's business, and a long value does not fill the store."""
    intake = Intake(100, Allowance(), Clock())
    intake.began(200, {"Content-Type": "x" * 9999, "Set-Cookie": "a=b", "X-Request-ID": "r"})
    assert intake.headers == (("content-type", "x" * HEADER_CHARACTERS), ("x-request-id", "r"))


def test_arrivals_are_bounded():
    """A drip of single bytes costs bounded memory."""
    intake = Intake(1 << 20, Allowance(), Clock())
    for _ in range(MAX_ARRIVALS + 5):
        intake.chunk(b"x")
    assert len(intake.arrivals()) == MAX_ARRIVALS
    assert intake.body().size == MAX_ARRIVALS + 5
