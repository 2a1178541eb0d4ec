"""The core driven without a socket: bytes in, one message out. Unit tests, hypothesis and the fuzzer share it."""

from collections.abc import Iterable
from dataclasses import dataclass

from shadow.forward.framing import Framing, answer_framing, request_framing
from shadow.forward.heads import AnswerHead, HeadReader, RequestHead, read_answer, read_request


@dataclass(frozen=True)
class Read:
    """What was read of one message. `raw` is its body as it would go on, `rest` what came after the message."""

    head: RequestHead | AnswerHead | None
    raw: bytes
    payload: bytes
    complete: bool
    rest: bytes


def request(pieces: Iterable[bytes]) -> Read:
    """The first request in a stream of bytes that arrives in these pieces. Raises RefusedError."""
    return _read(pieces, None)


def answer(pieces: Iterable[bytes], method: bytes = b"GET") -> Read:
    """The first answer to a request with `method`. Raises RefusedError."""
    return _read(pieces, method)


def one_by_one(data: bytes) -> list[bytes]:
    """Every byte by itself."""
    return [data[at : at + 1] for at in range(len(data))]


def ways(data: bytes) -> Iterable[list[bytes]]:
    """Whole, byte by byte, and split at every offset."""
    yield [data]
    yield one_by_one(data)
    for at in range(1, len(data)):
        yield [data[:at], data[at:]]


def _read(pieces: Iterable[bytes], method: bytes | None) -> Read:
    reader, head, framing = HeadReader(), None, None
    raw = payload = rest = b""
    for data in pieces:
        if framing is None:
            whole = reader.feed(data)
            if whole is None:
                continue
            head, framing = _begin(whole[0], method)
            data = whole[1]
        taken, more = (0, b"") if framing.complete else framing.feed(data)
        raw, payload, rest = raw + data[:taken], payload + more, rest + data[taken:]
    return Read(head, raw, payload, framing is not None and framing.complete, rest)


def _begin(data: bytes, method: bytes | None) -> tuple[RequestHead | AnswerHead, Framing]:
    if method is None:
        asked = read_request(data)
        return asked, request_framing(asked)
    answered = read_answer(data)
    return answered, answer_framing(answered, method)
