"""What becomes of a relay once both sides speak WebSocket."""

from unittest.mock import Mock

import pytest

from shadow.exchange import Outcome
from shadow.forward.downstream import Downstream
from shadow.forward.tunnel import Tunnel
from tests.forward.fakes import FakeTransport, upstream_on


class Ends:
    """Both ends of a tunnel, and what it told when it ended."""

    def __init__(self) -> None:
        self.client_side, self.upstream_side = FakeTransport(), FakeTransport()
        self.client, self.upstream = Downstream(Mock()), upstream_on(self.upstream_side)
        self.client.connection_made(self.client_side)
        self.ended = Mock()
        self.tunnel = Tunnel(self.client, self.upstream, self.ended)


@pytest.fixture
def ends() -> Ends:
    return Ends()


def test_bytes_pass_both_ways_as_they_are(ends: Ends) -> None:
    """What came with the agreement first, then what was sent ahead of it, then everything."""
    ends.client.hold(b"early")
    ends.tunnel.begin(b"hello")
    ends.client.data_received(b"\x00\xff")
    ends.upstream.data_received(b"GET / HTTP/1.1\r\n\r\n")
    assert ends.upstream_side.written == b"early\x00\xff"
    assert ends.client_side.written == b"helloGET / HTTP/1.1\r\n\r\n"


def test_an_end_passes_and_the_other_direction_goes_on(ends: Ends) -> None:
    """A half that is closed is closed on the other side; the second end is the tunnel's."""
    ends.tunnel.begin(b"")
    assert ends.client.eof_received()
    assert ends.upstream_side.eof
    ends.upstream.data_received(b"last")
    assert ends.client_side.written == b"last"
    assert not ends.upstream.eof_received()
    ends.ended.assert_called_once_with(Outcome.COMPLETE, None)
    assert (ends.client_side.closed, ends.upstream_side.closed) == (True, True)


def test_a_loss_ends_both_sides(ends: Ends) -> None:
    """Whichever connection is gone, the other one goes, and it is told once."""
    ends.tunnel.begin(b"")
    ends.upstream.connection_lost(ConnectionResetError())
    ends.ended.assert_called_once_with(Outcome.COMPLETE, None)
    assert ends.client_side.closed


def test_a_full_side_stops_the_other(ends: Ends) -> None:
    """And lets it go on once it has taken what there was."""
    ends.tunnel.begin(b"")
    ends.client.pause_writing()
    ends.upstream.pause_writing()
    assert (ends.upstream_side.paused, ends.client_side.paused) == (True, True)
    ends.client.resume_writing()
    ends.upstream.resume_writing()
    assert (ends.upstream_side.paused, ends.client_side.paused) == (False, False)
