"""Content codings for scenarios. gzip and deflate compress; br and zstd only wrap, in valid streams of stored blocks.

Writing stored blocks takes a few lines and no library, and whoever decodes them cannot tell the difference. Every
part is flushed by itself, as a server that compresses an event stream does. Formats: RFC 7932 and RFC 8878.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Final

GZIP: Final = 16 + zlib.MAX_WBITS
BLOCK: Final = 1 << 16  # what a block of either format may hold at least


def gzip(parts: Sequence[bytes]) -> Iterator[bytes]:
    """RFC 1952."""
    return _deflated(parts, GZIP)


def deflate(parts: Sequence[bytes]) -> Iterator[bytes]:
    """RFC 1950, which is what HTTP calls deflate."""
    return _deflated(parts, zlib.MAX_WBITS)


def brotli(parts: Sequence[bytes]) -> Iterator[bytes]:
    """Uncompressed meta-blocks in a window of 64 KiB."""
    opening, width = 0, 1  # the window's size, as one bit, comes before the first block
    for block in _blocks(parts):
        # not the last one (1 bit), length in four nibbles (2 bits), length less one (16), uncompressed (1)
        header = opening | ((len(block) - 1) << 3 | 1 << 19) << width
        yield header.to_bytes(3, "little") + block
        opening, width = 0, 0
    yield b"\x03" if not width else b"\x06"  # the last one, and empty


def zstd(parts: Sequence[bytes]) -> Iterator[bytes]:
    """Raw blocks in one frame with a window of 128 KiB."""
    opening = b"\x28\xb5\x2f\xfd\x00\x38"
    for block in _blocks(parts):
        yield opening + (len(block) << 3).to_bytes(3, "little") + block
        opening = b""
    yield opening + b"\x01\x00\x00"


CODINGS: Final[dict[str, Callable[[Sequence[bytes]], Iterator[bytes]]]] = {
    "gzip": gzip,
    "deflate": deflate,
    "br": brotli,
    "zstd": zstd,
}


def _deflated(parts: Sequence[bytes], bits: int) -> Iterator[bytes]:
    compressor = zlib.compressobj(wbits=bits)
    for part in parts:
        yield compressor.compress(part) + compressor.flush(zlib.Z_SYNC_FLUSH)
    yield compressor.flush()


def _blocks(parts: Sequence[bytes]) -> Iterator[bytes]:
    for part in parts:
        for start in range(0, len(part), BLOCK):
            yield part[start : start + BLOCK]
