"""The same stream, whatever its bytes look like."""

import zlib

import openai
import pytest

from shadow.demo.codings import CODINGS
from shadow.demo.provider import StandIn
from shadow.demo.scenarios import SCENARIOS, Ask
from shadow.demo.scenarios.scenario import TEXT
from tests.demo.wire import Heard, hear


async def hear_named(stand_in: StandIn, name: str) -> Heard:
    return await hear(stand_in, SCENARIOS[name].ask)


@pytest.mark.parametrize(
    ("name", "has", "lacks"),
    [
        ("crlf", b"\r\n\r\n", b"}\n"),
        ("cr", b"}\r\r", b"\n"),
        ("no-space", b"data:{", b"data: "),
        ("multi-line-data", b"data: {\ndata:   ", b'data: {"id"'),
        ("bom", b"\xef\xbb\xbfdata: {", b"data:{"),
        ("no-last-blank-line", b'"service_tier":null}\n', b"[DONE]"),
    ],
)
async def test_line_ends(stand_in: StandIn, name: str, has: bytes, lacks: bytes) -> None:
    """Row 24: the stream has this framing and not the ordinary one."""
    body = (await hear_named(stand_in, name)).body
    assert has in body
    assert lacks not in body


async def test_the_last_event_has_no_blank_line(stand_in: StandIn) -> None:
    """Row 24: its one line ends, and so does the stream."""
    body = (await hear_named(stand_in, "no-last-blank-line")).body
    assert body.endswith(b"}\n")
    assert not body.endswith(b"\n\n")


@pytest.mark.parametrize(
    "name", ["crlf", "cr", "no-space", "multi-line-data", "split-characters", "one-byte-writes", "one-write"]
)
async def test_clients_read_the_same_text(stand_in: StandIn, name: str) -> None:
    """Row 24: the official client reads the ordinary text out of every framing that the grammar allows."""
    async with openai.AsyncOpenAI(base_url=f"{stand_in.url}/api/v1", api_key="sk-x", max_retries=0) as client:
        chunks = await client.chat.completions.create(
            model=f"fake/{name}", messages=[{"role": "user", "content": "?"}], stream=True
        )
        pieces = [chunk.choices[0].delta.content or "" async for chunk in chunks if chunk.choices]
    assert "".join(pieces) == TEXT


async def test_chunks_end_inside_characters(stand_in: StandIn) -> None:
    """Row 24: six cuts, each inside a character of two, three or four bytes."""
    chunks = (await hear_named(stand_in, "split-characters")).chunks
    assert len(chunks) == 7
    for chunk in chunks[:-1]:
        with pytest.raises(UnicodeDecodeError):
            chunk.decode()


async def test_one_byte_writes(stand_in: StandIn) -> None:
    """Row 24: as many writes as bytes, of the very answer that otherwise is one write."""
    from shadow.demo.openrouter import OpenRouter
    from shadow.demo.script import Send

    heard = await hear_named(stand_in, "one-byte-writes")
    steps = OpenRouter()(stand_in.received[0].request())
    assert [step.data for step in steps if isinstance(step, Send)] == [bytes([byte]) for byte in heard.raw]


async def test_huge_line(stand_in: StandIn) -> None:
    """Row 24: a line of more than a mebibyte."""
    body = (await hear_named(stand_in, "huge-line")).body
    assert max(map(len, body.split(b"\n"))) > 1 << 20


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_codings(stand_in: StandIn, coding: str) -> None:
    """Row 25: labelled, and decodes to JSON; streamed, every chunk decodes to one whole event."""
    bits = 47  # either of the two
    heard = await hear_named(stand_in, coding)
    assert heard.header("content-encoding") == coding
    assert TEXT.encode() in zlib.decompress(heard.body, bits)
    streamed = await hear_named(stand_in, f"{coding}-stream")
    decoder = zlib.decompressobj(bits)
    decoded = [decoder.decompress(chunk) for chunk in streamed.chunks]
    assert all(part.startswith(b"data: ") and part.endswith(b"\n\n") for part in decoded[:-1])
    assert decoded[-2:] == [b"data: [DONE]\n\n", b""]


@pytest.mark.parametrize("coding", ["br", "zstd"])
async def test_stored_codings(stand_in: StandIn, coding: str) -> None:
    """Row 25: labelled, and what `shadow.demo.codings` makes of the plain answer."""
    plain = await hear(stand_in, without_accept(coding))
    heard = await hear_named(stand_in, coding)
    assert heard.header("content-encoding") == coding
    ids = (heard.header("x-generation-id") or "").encode(), (plain.header("x-generation-id") or "").encode()
    assert heard.body.replace(*ids) == b"".join(CODINGS[coding]([plain.body]))


@pytest.mark.parametrize("coding", CODINGS)
async def test_nothing_is_coded_unasked(stand_in: StandIn, coding: str) -> None:
    """Row 25: who does not accept it gets plain JSON."""
    heard = await hear(stand_in, without_accept(coding))
    assert heard.header("content-encoding") is None
    assert heard.json["choices"][0]["message"]["content"] == TEXT


def without_accept(name: str) -> Ask:
    ask = SCENARIOS[name].ask
    return Ask(ask.method, ask.path, ask.headers[:1], ask.body)


async def test_wrong_coding(stand_in: StandIn) -> None:
    """Row 25: says gzip, and is JSON."""
    heard = await hear_named(stand_in, "wrong-coding")
    assert heard.header("content-encoding") == "gzip"
    assert heard.json["choices"]


async def test_gzip_request(stand_in: StandIn) -> None:
    """Row 25: the stand-in sees the compressed bytes and says which."""
    ask = SCENARIOS["gzip-request"].ask
    heard = await hear(stand_in, ask)
    assert stand_in.received[0].body == ask.body
    assert heard.json["choices"][0]["message"]["content"] == f"gzip {stand_in.received[0].sha256}"


async def test_gzip_bomb(stand_in: StandIn) -> None:
    """Row 25: a hundred kilobytes that become 64 MiB."""
    body = (await hear_named(stand_in, "gzip-bomb")).body
    decoder = zlib.decompressobj(31)
    size = len(decoder.decompress(body))
    assert len(body) < 100_000
    assert size > 64 << 20
