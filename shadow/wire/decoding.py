"""Compressed bodies, decoded as far as they go and never beyond a bound.

`decode` works through a body network chunk by network chunk, so that the arrivals of the compressed bytes become
arrivals of the decoded ones: what a chunk made readable came with it. The libraries of br and zstd are loaded by the
first body that needs them.
"""

import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, Final, NamedTuple, Protocol

from shadow.exchange import Body, Headers

# What is captured of a plain body by default: what a compressed one grows to beyond that is as little worth reading.
MAX_DECODED_BYTES: Final = 8 << 20
# gzip copies what follows each of its members: in parts, a body of tiny members does not cost its length squared.
_PART_BYTES: Final = 16 << 10
# zstd can say 128 KiB in four bytes and its decoder takes no bound: so it is fed in sips, of at most 4 MiB of output.
_SIP_BYTES: Final = 128


class Decoder(Protocol):
    """Gives what the bytes decode to, stopping at about `room` bytes. Raises anything at all on corrupt input."""

    def __call__(self, data: bytes, room: int) -> bytes: ...


class Decoded(NamedTuple):
    """A body as its reader would see it.

    `head` and `tail` are as in `shadow.exchange.Body`, and `tail_at` is the offset of the tail; a compressed body has
    no readable tail. `arrivals` count the bytes of this body. `problem` is `undecodable` or `too_large`.
    """

    head: bytes
    tail: bytes = b""
    tail_at: int = 0
    arrivals: tuple[tuple[int, float], ...] = ()
    problem: str | None = None


def encoding(headers: Headers) -> str | None:
    """The content coding that the headers name, None for none. All values of a repeated header count, in order."""
    values = [value for name, value in headers if name == "content-encoding"]
    if not values:
        return None
    named = ", ".join(values).strip().lower()
    return None if named in ("", "identity") else named


def decode(
    body: Body, encoding: str | None, arrivals: tuple[tuple[int, float], ...] = (), limit: int = MAX_DECODED_BYTES
) -> Decoded:
    """The body without its content coding. Never raises."""
    if encoding is None:
        return Decoded(body.head, body.tail, body.size - len(body.tail), arrivals)
    decoder = _decoder(encoding)
    if decoder is None:
        return Decoded(b"", problem="undecodable")
    pieces: list[bytes] = []
    seen: list[tuple[int, float]] = []
    size, problem = 0, None
    for piece, at_s in _network_chunks(body.head, arrivals):
        try:
            pieces.append(decoder(piece, limit - size + 1))
        except Exception:  # noqa: BLE001 (each library has errors of its own, and all say the same)
            problem = "undecodable"
            break
        size += len(pieces[-1])
        if size > limit:
            problem = "too_large"
            break
        if at_s is not None:
            seen.append((size, at_s))
    return Decoded(b"".join(pieces)[:limit], arrivals=tuple(seen), problem=problem)


def _network_chunks(data: bytes, arrivals: tuple[tuple[int, float], ...]) -> Iterator[tuple[bytes, float | None]]:
    """The bytes as they arrived, long pieces in parts; what came after the last recorded time has none."""
    start = 0
    for end, at_s in (*arrivals, (len(data), None)):
        end = min(end, len(data))
        for part in range(start, end, _PART_BYTES):
            yield data[part : min(part + _PART_BYTES, end)], at_s
        start = max(start, end)


def _decoder(encoding: str) -> Decoder | None:
    make = _DECODERS.get(encoding)
    try:
        return make() if make else None
    except (ImportError, AttributeError):  # not installed, or too old to be bounded
        return None


class _Gzip:
    """gzip, with any number of members."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)

    def __call__(self, data: bytes, room: int) -> bytes:
        decoded = b""
        if not self._member.eof:
            decoded = self._member.decompress(data, room)
            data = self._member.unused_data
        while self._member.eof and data and len(decoded) < room:
            self._member = zlib.decompressobj(wbits=31)
            decoded += self._member.decompress(data, room - len(decoded))
            data = self._member.unused_data
        return decoded


class _Deflate:
    """deflate: with zlib's header, as it should be (RFC 9110, section 8.4.1.2), or raw, as it often is."""

    def __init__(self) -> None:
        self._stream: Any = None

    def __call__(self, data: bytes, room: int) -> bytes:
        if self._stream is None:
            zlib_header = data[0] & 0x0F == 8  # the method, in the low bits (RFC 1950); a raw block never begins so
            self._stream = zlib.decompressobj(wbits=15 if zlib_header else -15)
        decoded: bytes = self._stream.decompress(data, room)
        return decoded


class _Brotli:
    """br, by the package `brotli` from 1.2 on, which can bound its output."""

    def __init__(self) -> None:
        self._stream: Any = import_module("brotli").Decompressor()
        self._stream.can_accept_more_data()  # AttributeError in a release that cannot

    def __call__(self, data: bytes, room: int) -> bytes:
        decoded: bytes = self._stream.process(data, output_buffer_limit=room)
        while not self._stream.can_accept_more_data() and len(decoded) < room:
            decoded += self._stream.process(b"", output_buffer_limit=room - len(decoded))
        return decoded


class _Zstandard:
    """zstd, by the package `zstandard`. No window beyond the 8 MiB that RFC 9659 allows on the web."""

    def __init__(self) -> None:
        decompressor: Any = import_module("zstandard").ZstdDecompressor(max_window_size=8 << 20)
        self._stream = decompressor.decompressobj(read_across_frames=True)

    def __call__(self, data: bytes, room: int) -> bytes:
        pieces: list[bytes] = []
        for start in range(0, len(data), _SIP_BYTES):
            pieces.append(self._stream.decompress(data[start : start + _SIP_BYTES]))
            room -= len(pieces[-1])
            if room <= 0:
                break
        return b"".join(pieces)


_DECODERS: Final[dict[str, Callable[[], Decoder]]] = {
    "gzip": _Gzip,
    "x-gzip": _Gzip,
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstandard,
}
