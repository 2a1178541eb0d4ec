"""The upstream's side: one connection, and whoever takes part in it."""

from unittest.mock import Mock

from tests.forward.fakes import FakeTransport, upstream_on


def test_what_happens_is_told_to_whoever_takes_part() -> None:
    """Bytes, an orderly end, a loss, and how full it is."""
    upstream = upstream_on(FakeTransport())
    party = upstream.party = Mock()
    upstream.data_received(b"x")
    upstream.pause_writing()
    upstream.resume_writing()
    party.upstream_ended.return_value = True
    assert upstream.eof_received()
    upstream.connection_lost(None)
    told = [call[0] for call in party.method_calls]
    assert told == ["upstream_sent", "upstream_full", "upstream_ready", "upstream_ended", "upstream_lost"]
    assert upstream.party is None


def test_an_end_while_idle_closes_the_connection() -> None:
    """Nobody takes part, so nobody keeps it half open."""
    assert not upstream_on(FakeTransport()).eof_received()


def test_it_speaks_once_something_arrived() -> None:
    """Before the loop has read it; and such a connection cannot be used for another exchange."""
    transport = FakeTransport()
    upstream = upstream_on(transport)
    assert (upstream.speaks(), upstream.usable) == (False, True)
    transport.peer.send(b"x")
    assert (upstream.speaks(), upstream.usable) == (True, False)


def test_a_closed_connection_takes_no_more() -> None:
    """Neither bytes nor an end of them are written to it, and nobody hears of it again."""
    transport = FakeTransport()
    upstream = upstream_on(transport)
    upstream.party = Mock()
    upstream.close()
    upstream.write(b"x")
    assert not upstream.write_eof()
    assert (transport.written, transport.eof, upstream.party) == (b"", False, None)


def test_it_is_flushed_once_all_has_left() -> None:
    """What the transport still holds would reach the upstream before the next request."""
    transport = FakeTransport()
    upstream = upstream_on(transport)
    assert upstream.flushed
    transport.unsent = 1
    assert not upstream.flushed
