"""Scripts hold the very bytes of an answer."""

import pytest

from shadow.demo.script import Pause, Send, chunk, chunked, head, unfinished, whole


def test_a_whole_answer_is_one_write() -> None:
    """Status line, headers as given, the length, the body."""
    script = whole(404, (("X-One", "1"), (b"x-one", b"\xe9")), b"gone")
    sent = b"HTTP/1.1 404 Not Found\r\nX-One: 1\r\nx-one: \xe9\r\ncontent-length: 4\r\n\r\ngone"
    assert script == (Send(sent),)


def test_each_part_is_a_chunk_and_a_write() -> None:
    """Pauses stay where they are between the chunks, and the last chunk ends it."""
    script = chunked(200, (), (b"ab", Pause(1), b"c" * 16))
    opening = Send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    assert script == (
        opening,
        Send(b"2\r\nab\r\n"),
        Pause(1),
        Send(b"10\r\n" + b"c" * 16 + b"\r\n"),
        Send(b"0\r\n\r\n"),
    )


def test_unfinished_lacks_only_the_last_chunk() -> None:
    """The same steps without the end."""
    assert unfinished(200, (), (b"ab",)) == chunked(200, (), (b"ab",))[:-1]


def test_an_empty_chunk_is_a_mistake() -> None:
    """It would end the body."""
    with pytest.raises(ValueError, match="ends the body"):
        chunk(b"")


def test_statuses_of_an_edge_network_have_a_reason_too() -> None:
    """524 and its like are in no list of statuses."""
    assert head(524, ()) == b"HTTP/1.1 524 Unknown\r\n\r\n"
