"""A client that sends no more."""

from unittest.mock import Mock

import orjson
import pytest

from shadow.forward.half_closed import HalfClosed
from shadow.forward.tap import Capture, Room


class Watch:
    """A watch over one client; the wait is over when the test says so."""

    def __init__(self) -> None:
        self.capture = Capture(0.0, b"GET", b"/", {}, orjson.Fragment(b"{}"), Room(100), 0.0)
        self.client = Mock(gone=False, full=False)
        self.loop = Mock()
        self.left = Mock()
        self.watch = HalfClosed(self.client, self.capture, self.loop, self.left)

    def wait(self) -> None:
        look = self.loop.call_later.call_args.args[1]
        look()


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_silence_gives_it_up(watch: Watch) -> None:
    """Nothing was written to it since, so nothing can tell that it is there."""
    watch.wait()
    watch.left.assert_called_once_with()


def test_once_it_was_written_to_it_has_all_its_time(watch: Watch) -> None:
    """It was not reset: it is there, however long the answer is silent from here on."""
    watch.capture.response_chunk(b"data", 0.0)
    for _ in range(3):
        watch.wait()
    watch.left.assert_not_called()


def test_a_head_tells_as_well(watch: Watch) -> None:
    """An answer's status line is written to it, too."""
    watch.capture.told = 200
    watch.wait()
    watch.left.assert_not_called()


def test_a_reset_gives_it_up_whatever_was_written(watch: Watch) -> None:
    """The kernel knows that what was written found nobody."""
    watch.capture.response_chunk(b"data", 0.0)
    watch.client.gone = True
    watch.wait()
    watch.left.assert_called_once_with()


def test_one_that_has_yet_to_take_what_was_written_is_there(watch: Watch) -> None:
    """A slow reader is none that has left."""
    watch.client.full = True
    watch.wait()
    watch.left.assert_not_called()


def test_an_exchange_that_ends_cancels_the_watch(watch: Watch) -> None:
    """There is nothing left to give up."""
    watch.watch.cancel()
    watch.loop.call_later.return_value.cancel.assert_called_once_with()
