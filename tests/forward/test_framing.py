"""How an answer's body is delimited towards the client."""

import pytest

from shadow.forward.framing import Framing, framing, head

LENGTH = [(b"content-length", b"5")]


@pytest.mark.parametrize(
    ("method", "status", "version", "headers", "expected"),
    [
        (b"GET", 200, (1, 1), LENGTH, Framing(5, False, False)),
        (b"GET", 200, (1, 1), [], Framing(None, True, False)),
        (b"GET", 200, (1, 0), [], Framing(None, False, True)),
        (b"GET", 200, (1, 0), LENGTH, Framing(5, False, True)),
        (b"HEAD", 200, (1, 1), LENGTH, Framing(0, False, False)),
        (b"GET", 204, (1, 1), [], Framing(0, False, False)),
        (b"GET", 304, (1, 1), LENGTH, Framing(0, False, False)),
    ],
)
def test_framing(
    method: bytes, status: int, version: tuple[int, int], headers: list[tuple[bytes, bytes]], expected: Framing
) -> None:
    """A known length stays; else chunks, or the connection's end for HTTP/1.0; HEAD, 204 and 304 have no body."""
    assert framing(method, status, version, headers, close=False) == expected


@pytest.mark.parametrize("other", [(b"Content-Length", b"5"), (b"Transfer-Encoding", b"chunked")])
def test_two_framings_are_an_error(other: tuple[bytes, bytes]) -> None:
    """An answer that can be read in two ways is not passed on."""
    with pytest.raises(ValueError, match="framing"):
        framing(b"GET", 200, (1, 1), [*LENGTH, other], close=False)


def test_head_says_how_the_body_ends() -> None:
    """The headers of this hop follow those of the answer."""
    assert head(200, b"OK", [(b"A", b"1")], Framing(None, True, True)) == (
        b"HTTP/1.1 200 OK\r\nA: 1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
