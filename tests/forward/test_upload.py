"""What goes upstream of one request, and when."""

from unittest.mock import Mock

import pytest

from shadow.forward.framing import Chunked, Counted, Framing
from shadow.forward.heads import RefusedError
from shadow.forward.upload import MAX_UNSENT, Upload
from tests.forward.fakes import FakeTransport, upstream_on
from tests.forward.reading import ways

HEAD = b"POST / HTTP/1.1\r\n\r\n"
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"


def upload(body: Framing, method: bytes = b"POST") -> Upload:
    return Upload(Mock(), body, Mock(), HEAD, method)


def test_what_follows_the_body_waits_with_the_client() -> None:
    """However it arrives, the payload is the body's, and the rest is the next request's."""
    for pieces in ways(CHUNKS + b"GET /"):
        made, side, payload = upload(Chunked()), FakeTransport(), b""
        for piece in pieces:
            payload += made.take(piece) if not made.body.complete else b""
        made.send(upstream_on(side))
        assert (payload, side.written) == (b"hello", HEAD + CHUNKS)
        assert made.done


def test_a_malformed_body_is_refused() -> None:
    """Whoever feeds it ends the exchange."""
    with pytest.raises(RefusedError):
        upload(Chunked()).take(b"x\r\n")


def test_the_client_waits_once_much_has_gathered() -> None:
    """And not before: a small request need not stop for the connection that it waits for."""
    made = upload(Counted(1 << 20))
    made.wait()
    made._client.pause.assert_not_called()  # type: ignore[attr-defined]
    made.take(bytes(MAX_UNSENT))
    made.wait()
    made._client.pause.assert_called_once_with()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("method", "length", "may"), [(b"GET", 0, True), (b"POST", 0, False), (b"GET", 5, False)])
def test_only_a_read_without_a_body_goes_twice(method: bytes, length: int, may: bool) -> None:
    """And only while no answer has begun, and once."""
    made = upload(Counted(length), method)
    made.send(upstream_on(FakeTransport()))
    assert made.again() is may
    assert not made.again()
    answered = upload(Counted(length), method)
    answered.settled()
    assert not answered.again()


def test_an_upstream_that_spoke_is_looked_at_first() -> None:
    """What is unsent waits for a turn of the loop, then goes, unless the exchange has ended by then."""
    for ended in (False, True):
        made, side = upload(Counted(99)), FakeTransport()
        upstream = upstream_on(side)
        upstream.party = None if ended else Mock()
        side.peer.send(b"x")
        made.send_unless_told(upstream)
        assert side.written == b""
        made._loop.call_later.call_args.args[1](upstream)  # type: ignore[attr-defined]
        assert side.written == (b"" if ended else HEAD)


def test_a_full_upstream_stops_a_client_that_still_sends() -> None:
    """One that is done is not stopped: its next request may come."""
    for length, stopped in ((5, 1), (0, 0)):
        made = upload(Counted(length))
        made.upstream_full()
        assert made._client.pause.call_count == stopped  # type: ignore[attr-defined]
