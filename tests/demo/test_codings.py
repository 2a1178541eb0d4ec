"""What is coded decodes to the same bytes, part by part."""

import zlib
from typing import Any

import pytest

from shadow.demo.codings import CODINGS, brotli, zstd

PARTS = [b"data: one\n\n", "— äöü 👋".encode() * 100, bytes(range(256)) * 275]


@pytest.mark.parametrize(("coding", "bits"), [("gzip", 31), ("deflate", 15)])
def test_each_part_can_be_decoded_when_it_arrives(coding: str, bits: int) -> None:
    """Every part is flushed: a decoder gives it all back before the next one comes."""
    decoder = zlib.decompressobj(bits)
    coded = list(CODINGS[coding](PARTS))
    assert [decoder.decompress(part) for part in coded] == [*PARTS, b""]


def decoder_of(coding: str) -> Any:
    """An incremental decoder of the library that knows this coding."""
    if coding == "br":
        decoder = pytest.importorskip("brotli", reason="brotli is not installed").Decompressor()
        return decoder.process
    return (
        pytest.importorskip("zstandard", reason="zstandard is not installed")
        .ZstdDecompressor()
        .decompressobj()
        .decompress
    )


@pytest.mark.parametrize("parts", [PARTS, [b"x"], []], ids=["several", "one", "none"])
@pytest.mark.parametrize("coding", ["br", "zstd"])
def test_stored_blocks_are_read_by_the_real_libraries(coding: str, parts: list[bytes]) -> None:
    """Whoever decodes it cannot tell that nothing was compressed."""
    decode = decoder_of(coding)
    assert b"".join(decode(part) for part in CODINGS[coding](parts)) == b"".join(parts)


def test_stored_blocks_to_the_bit() -> None:
    """One byte and the end, as the formats' specifications write it."""
    assert list(brotli([b"x"])) == [b"\x00\x00\x10x", b"\x03"]
    assert list(zstd([b"x"])) == [b"\x28\xb5\x2f\xfd\x00\x38\x08\x00\x00x", b"\x01\x00\x00"]
