"""The same stream in every framing: line ends, cuts, sizes, and content codings."""

import functools
import zlib
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

import orjson

from shadow.demo import openrouter_wire as wire
from shadow.demo.codings import CODINGS, GZIP, gzip
from shadow.demo.openrouter_wire import Json, dumps
from shadow.demo.request import Request
from shadow.demo.scenarios.scenario import (
    STREAM,
    TEXT,
    Answer,
    Scenario,
    ended,
    events,
    identity,
    message,
    said,
    usage,
)
from shadow.demo.script import Script, Send, chunked, whole

CUT_AT: Final = ("ü".encode(), "—".encode(), "👋".encode())
BOM: Final = b"\xef\xbb\xbf"
MIB: Final = 1 << 20


def _items(one: str) -> list[Json]:
    return [*said(one), *ended(one)]


def _ordinary(one: str) -> list[bytes]:
    return [part for part in events(_items(one)) if isinstance(part, bytes)]


def _framed(of: Callable[[str], Sequence[bytes]]) -> Answer:
    def answer(request: Request, nth: int) -> Script:
        one = identity(request, nth)
        return chunked(200, wire.headers(one, "text/event-stream"), of(one))

    return answer


def _replaced(old: bytes, new: bytes) -> Answer:
    return _framed(lambda one: [part.replace(old, new) for part in _ordinary(one)])


def _multi_line(one: str) -> list[bytes]:
    """JSON laid out over several lines, each in a `data:` field of the same event."""
    spread = [orjson.dumps(orjson.loads(dumps(item)), option=orjson.OPT_INDENT_2) for item in _items(one)]
    return [b"".join(b"data: %s\n" % line for line in text.split(b"\n")) + b"\n" for text in spread] + [wire.DONE]


def _no_blank_at_end(one: str) -> list[bytes]:
    *before, last, _ = _ordinary(one)
    return [*before, last.removesuffix(b"\n")]


def _cut_characters(one: str) -> list[bytes]:
    body = b"".join(_ordinary(one))
    cuts = sorted(body.index(character) + offset for character in CUT_AT for offset in range(1, len(character)))
    bounds = [0, *cuts, len(body)]
    return [body[start:end] for start, end in pairwise(bounds)]


def _huge_line(one: str) -> list[bytes]:
    pieces = said(one, ("a" * MIB,))
    return [part for part in events([*pieces, *ended(one)]) if isinstance(part, bytes)]


def _one_byte_writes(request: Request, nth: int) -> Script:
    script = _framed(_ordinary)(request, nth)
    written = b"".join(step.data for step in script if isinstance(step, Send))
    return tuple(Send(written[position : position + 1]) for position in range(len(written)))


def _one_write(request: Request, nth: int) -> Script:
    script = _framed(_ordinary)(request, nth)
    return (Send(b"".join(step.data for step in script if isinstance(step, Send))),)


def _accepts(request: Request, coding: str) -> bool:
    offered = ",".join(request.head.values("accept-encoding"))
    return coding in [one.partition(";")[0].strip() for one in offered.split(",")]


def _coded(coding: str, *, streamed: bool) -> Answer:
    """In that coding if the client takes it, plain otherwise."""

    def answer(request: Request, nth: int) -> Script:
        one = identity(request, nth)
        parts = _ordinary(one) if streamed else [dumps(message(one))]
        headers = wire.headers(one, "text/event-stream" if streamed else "application/json")
        if not _accepts(request, coding):
            return chunked(200, (*headers, ("Vary", "Accept-Encoding")), parts)
        headers = (*headers, ("Vary", "Accept-Encoding"), ("Content-Encoding", coding))
        return chunked(200, headers, tuple(CODINGS[coding](parts)))

    return answer


def _wrong_coding(request: Request, nth: int) -> Script:
    """Labelled gzip and plain."""
    one = identity(request, nth)
    return whole(200, (*wire.headers(one), ("Content-Encoding", "gzip")), dumps(message(one)))


@functools.cache
def _line_breaks() -> tuple[bytes, "zlib._Compress"]:
    """64 MiB of line breaks, compressed once: it takes a while. The compressor can be copied and used on."""
    compressor = zlib.compressobj(wbits=GZIP)
    return compressor.compress(b"\n" * 64 * MIB) + compressor.flush(zlib.Z_SYNC_FLUSH), compressor


def _bomb(request: Request, nth: int) -> Script:
    """Hundreds of times larger once decoded: line breaks before the JSON."""
    one = identity(request, nth)
    headers = (*wire.headers(one), ("Content-Encoding", "gzip"))
    before, compressor = _line_breaks()
    compressor = compressor.copy()
    return chunked(200, headers, (before, compressor.compress(dumps(message(one))) + compressor.flush()))


def _coded_request(request: Request, nth: int) -> Script:
    """Says in the answer what arrived, so that a test sees whether the body stayed compressed."""
    one = identity(request, nth)
    coding = request.head.header("content-encoding") or "identity"
    text = f"{coding} {request.sha256}"
    answer = wire.completion(one, [wire.choice({"content": text})], usage())
    return chunked(200, wire.headers(one), (dumps(answer),))


PLAIN_BODY: Final = dumps({"model": "fake/gzip-request", "messages": [{"role": "user", "content": TEXT}]})

CODED: Final = tuple(
    Scenario(
        25,
        coding + ("-stream" if streamed else ""),
        f"{coding} {'with a flush after every event' if streamed else 'JSON'}, where the client takes it",
        _coded(coding, streamed=streamed),
        STREAM if streamed else {},
        headers=(("Accept-Encoding", coding),),
    )
    for coding in CODINGS
    for streamed in (False, True)
)

SCENARIOS: Final = (
    Scenario(24, "crlf", "lines end in CR LF", _replaced(b"\n", b"\r\n"), STREAM),
    Scenario(24, "cr", "lines end in CR", _replaced(b"\n", b"\r"), STREAM),
    Scenario(24, "no-space", "no space after `data:`", _replaced(b"data: ", b"data:"), STREAM),
    Scenario(24, "multi-line-data", "events of many `data:` lines", _framed(_multi_line), STREAM),
    Scenario(24, "bom", "a byte order mark first", _framed(lambda one: [BOM, *_ordinary(one)]), STREAM),
    Scenario(24, "no-last-blank-line", "the last event, with the usage, lacks its blank line",
             _framed(_no_blank_at_end), STREAM),
    Scenario(24, "split-characters", "chunks end inside characters of two, three and four bytes",
             _framed(_cut_characters), STREAM),
    Scenario(24, "one-byte-writes", "every byte is a write of its own", _one_byte_writes, STREAM),
    Scenario(24, "one-write", "everything is one write", _one_write, STREAM),
    Scenario(24, "huge-line", "one line of a mebibyte", _framed(_huge_line), STREAM),
    *CODED,
    Scenario(25, "wrong-coding", "labelled gzip, and is not", _wrong_coding, headers=(("Accept-Encoding", "gzip"),)),
    Scenario(25, "gzip-bomb", "gzip of 64 MiB of line breaks", _bomb, headers=(("Accept-Encoding", "gzip"),)),
    Scenario(25, "gzip-request", "the request is compressed", _coded_request,
             headers=(("Content-Encoding", "gzip"),), body=lambda: b"".join(gzip([PLAIN_BODY]))),
)  # fmt: skip
