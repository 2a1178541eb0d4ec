"""The bounded copy of one exchange."""

from hypothesis import given
from hypothesis import strategies as st

from shadow.exchange import Attribution, Body, Exchange, Outcome
from shadow.forward.tap import MAX_ARRIVALS, BodyTap, Capture, Room
from shadow.frames import join, unpack, written

FIELDS = {b"authorization": b"Bearer k", b"user-agent": b"caf\xe9"}


def capture(room: Room | None = None) -> Capture:
    """Of a request that arrived when the clock showed 10 s."""
    acme = written(Attribution("acme"))
    return Capture(1.0, b"POST", b"/v1/chat?k=1", FIELDS, acme, room or Room(1000), 10.0)


def body(tap: BodyTap) -> Body:
    head, head_size, tail, size = tap.kept()
    assert head_size == sum(map(len, head))
    return Body(b"".join(head), bytes(tail), size)


def recorded(tapped: Capture, outcome: Outcome = Outcome.COMPLETE, failure: str | None = None) -> Exchange:
    """What the recorder reads out of the frame."""
    [exchange] = unpack(join([tapped.packed("id", outcome, failure)]))
    return exchange


@given(chunks=st.lists(st.binary(max_size=40)), max_bytes=st.integers(min_value=1, max_value=200))
def test_body_is_whole_up_to_its_bound_and_else_has_both_ends(chunks: list[bytes], max_bytes: int) -> None:
    """However a body is cut into chunks, what is kept is a prefix and a suffix of it, and small bodies are whole."""
    tap, sent = BodyTap(Room(max_bytes)), b"".join(chunks)
    for chunk in chunks:
        tap.feed(chunk)
    kept = body(tap)
    assert kept.size == len(sent)
    assert sent.startswith(kept.head)
    assert sent.endswith(kept.tail)
    assert kept.whole or len(sent) > max_bytes
    assert len(kept.tail) == (0 if kept.whole else max(1, max_bytes // 2))


@given(chunks=st.lists(st.binary(max_size=40)), max_bytes=st.integers(min_value=1, max_value=200))
def test_all_room_is_given_back(chunks: list[bytes], max_bytes: int) -> None:
    """What a body took from the process's room is what it gives back."""
    room = Room(max_bytes, max_bytes=300)
    tap = BodyTap(room)
    for chunk in chunks:
        tap.feed(chunk)
    assert b"".join(chunks).startswith(body(tap).head)
    assert room.used_bytes <= 300
    tap.release()
    assert room.used_bytes == 0


def test_body_without_room_keeps_its_beginning_only() -> None:
    """Where the process has no room left, nothing later is kept, not even where room returns, and all is counted."""
    room = Room(100, max_bytes=10)
    tap = BodyTap(room)
    tap.feed(b"12345678")
    tap.feed(b"9abcdef")
    tap.feed(b"g")
    assert (tap.cut, body(tap)) == (True, Body(b"12345678", b"", 16))


def test_what_is_packed_is_what_passed() -> None:
    """The recorder reads the exchange as it was, with the failure that ended it."""
    tapped = capture()
    tapped.request.feed(b"hello")
    tapped.answered(200, {b"content-type": b"text/plain"})
    tapped.response_chunk(b"world", 11.0)
    exchange = recorded(tapped, Outcome.CLIENT_CANCELLED, "client_left")
    assert (exchange.exchange_id, exchange.started_at, exchange.method) == ("id", 1.0, "POST")
    assert (exchange.attribution, exchange.status) == (Attribution("acme"), 200)
    assert (exchange.request_body, exchange.response_body) == (Body(b"hello", b"", 5), Body(b"world", b"", 5))
    assert (exchange.outcome, exchange.failure) == (Outcome.CLIENT_CANCELLED, "client_left")


def test_timings_count_from_the_moment_of_sending() -> None:
    """Not from the request's arrival: what the sidecar and the connecting took is not the upstream's."""
    tapped = capture()
    tapped.sent(11.0)
    tapped.response_chunk(b"ab", 12.0)
    tapped.response_chunk(b"c", 13.0)
    tapped.ended(14.0)
    exchange = recorded(tapped)
    assert exchange.arrivals == ((2, 1), (3, 2))
    assert (exchange.first_byte_s, exchange.total_s) == (1, 3)


def test_arrivals_are_bounded_and_keep_the_first() -> None:
    """A stream in very many chunks keeps the times of its first ones."""
    tapped = capture()
    for _ in range(MAX_ARRIVALS + 5):
        tapped.response_chunk(b"x", 11.0)
    arrivals = recorded(tapped).arrivals
    assert (len(arrivals), arrivals[-1][0]) == (MAX_ARRIVALS, MAX_ARRIVALS)


def test_record_holds_no_credential_and_no_query() -> None:
    """The path ends at the question mark, and headers off the allow-list are not kept."""
    tapped = capture()
    tapped.answered(200, {b"content-type": b"text/plain", b"set-cookie": b"s=1"})
    exchange = recorded(tapped)
    assert (exchange.path, exchange.request_headers) == ("/v1/chat", (("user-agent", "caf\ufffd"),))
    assert exchange.response_headers == (("content-type", "text/plain"),)


def test_released_capture_gives_its_room_back() -> None:
    """Once an exchange is handed over, its capture holds nothing."""
    room = Room(1000)
    tapped = capture(room)
    tapped.request.feed(b"hello")
    tapped.response_chunk(b"world", 11.0)
    tapped.release()
    assert room.used_bytes == 0
