"""Content codings: decoded as far as they go, never beyond a bound, with the arrivals carried over."""

import gzip
import sys
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard

from shadow.exchange import Body
from shadow.wire.decoding import Decoded, decode, encoding
from tests.wire.exchanges import whole

TEXT = b"".join(b"data: %d is a number\n\n" % number for number in range(500))


def raw_deflate(data: bytes) -> bytes:
    """The data as deflate without zlib's header, as some servers send it."""
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


CODINGS = [
    pytest.param("gzip", gzip.compress, id="gzip"),
    pytest.param("x-gzip", gzip.compress, id="x-gzip"),
    pytest.param("deflate", zlib.compress, id="deflate"),
    pytest.param("deflate", raw_deflate, id="raw deflate"),
    pytest.param("br", brotli.compress, id="br"),
    pytest.param("zstd", zstandard.compress, id="zstd"),
]
coded = pytest.mark.parametrize(("name", "compress"), CODINGS)
Compress = Callable[[bytes], bytes]


def pieces_of(data: bytes, size: int) -> tuple[tuple[int, float], ...]:
    """Arrivals of the data in pieces of a size, one a second."""
    return tuple((min(end, len(data)), float(second)) for second, end in enumerate(range(size, len(data) + size, size)))


def test_a_body_without_a_coding_is_itself() -> None:
    """Nothing is copied or lost, and the tail knows where it stood."""
    body = Body(b"head", b"tail", 100)
    assert decode(body, None, ((4, 0.5),)) == Decoded(b"head", b"tail", 96, ((4, 0.5),))


@coded
def test_a_body_in_one_piece(name: str, compress: Compress) -> None:
    """Each coding is undone."""
    assert decode(whole(compress(TEXT)), name) == Decoded(TEXT)


@coded
def test_a_body_byte_by_byte(name: str, compress: Compress) -> None:
    """The same text comes out when every byte arrives alone, and the arrivals count the bytes of the text."""
    data = compress(TEXT)
    decoded = decode(whole(data), name, pieces_of(data, 1))
    assert decoded.head == TEXT
    assert decoded.arrivals[-1] == (len(TEXT), float(len(data) - 1))


@coded
def test_a_body_split_anywhere(name: str, compress: Compress) -> None:
    """The same text comes out wherever the bytes are cut in two."""
    data = compress(TEXT[:300])
    for at in range(1, len(data)):
        assert decode(whole(data), name, ((at, 0.0), (len(data), 1.0))).head == TEXT[:300], at


@coded
def test_a_truncated_body_gives_what_is_there(name: str, compress: Compress) -> None:
    """A body that breaks off is decoded up to where it does, without a complaint: the outcome tells of the break."""
    decoded = decode(whole(compress(TEXT)[:-9]), name)
    assert TEXT.startswith(decoded.head)
    assert decoded.problem is None


@coded
def test_a_bomb_is_not_unpacked(name: str, compress: Compress) -> None:
    """A body that decodes to more than the bound stops there and says so."""
    bomb = compress(bytes(5_000_000))
    decoded = decode(whole(bomb), name, limit=100_000)
    assert (len(decoded.head), decoded.problem) == (100_000, "too_large")


@pytest.mark.parametrize("name", ["gzip", "br", "zstd"])
def test_bytes_that_are_not_what_the_header_says_are_undecodable(name: str) -> None:
    """Plain JSON under a header that names a coding says so, whatever error the library has for it."""
    decoded = decode(whole(b'{"choices": [' + b"1, " * 200 + b"1]}"), name)
    assert decoded.problem == "undecodable"


@pytest.mark.parametrize("name", ["compress", "gzip, br", "aes128gcm", "x"])
def test_an_unknown_coding_is_undecodable(name: str) -> None:
    """What is not known is not guessed."""
    assert decode(whole(b"anything"), name) == Decoded(b"", problem="undecodable")


def test_a_coding_whose_package_is_missing_is_undecodable(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without the package, or with one too old, says that the answer was not readable."""
    monkeypatch.setitem(sys.modules, "brotli", None)
    assert decode(whole(b"anything"), "br").problem == "undecodable"


def test_several_gzip_members_are_one_body() -> None:
    """A server may compress piece by piece: the members are joined."""
    data = gzip.compress(b"one ") + gzip.compress(b"two ") + gzip.compress(b"three")
    for size in (1, 7, len(data)):
        assert decode(whole(data), "gzip", pieces_of(data, size)).head == b"one two three"


def test_a_long_piece_is_decoded_in_parts() -> None:
    """A body that arrived at once, and thousands of members long, is still one body with one arrival."""
    data = b"".join(gzip.compress(b"%d " % number, 1) for number in range(3000))
    decoded = decode(whole(data), "gzip", ((len(data), 0.5),))
    assert decoded.head == b"".join(b"%d " % number for number in range(3000))
    assert decoded.arrivals[-1] == (len(decoded.head), 0.5)


def test_flushed_pieces_keep_their_times() -> None:
    """Where the server flushes after every event, each event's end in the text has the time of its own packet."""
    compressor = zlib.compressobj(wbits=31)
    packets = [compressor.compress(b"data: %d\n\n" % n) + compressor.flush(zlib.Z_SYNC_FLUSH) for n in range(3)]
    data = b"".join(packets)
    sizes = [len(b"".join(packets[: n + 1])) for n in range(3)]
    decoded = decode(whole(data), "gzip", tuple(zip(sizes, (0.1, 0.2, 0.3), strict=True)))
    assert decoded.arrivals == ((9, 0.1), (18, 0.2), (27, 0.3))


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ((), None),
        ((("content-encoding", "identity"),), None),
        ((("content-encoding", " GZip "),), "gzip"),
        ((("content-encoding", "gzip"), ("content-encoding", "br")), "gzip, br"),
    ],
)
def test_the_coding_is_named_by_the_headers(headers: tuple[tuple[str, str], ...], name: str | None) -> None:
    """The header's value counts without its case; two of them are two codings."""
    assert encoding(headers) == name
