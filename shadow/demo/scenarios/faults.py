"""What the transport does wrong, and what is rare but right: resets, cut bodies, odd lengths and headers, reuse."""

from typing import Final

from shadow.demo import openrouter_wire as wire
from shadow.demo.openrouter_wire import dumps
from shadow.demo.request import Request, RequestHead
from shadow.demo.scenarios.scenario import (
    HEADER,
    STREAM,
    Answer,
    Scenario,
    ended,
    events,
    identity,
    message,
    reply,
    said,
    stream,
)
from shadow.demo.script import (
    LAST_CHUNK,
    Close,
    CloseOnReuse,
    Echo,
    Headers,
    Pause,
    Reset,
    Script,
    Send,
    Step,
    chunk,
    chunked,
    head,
    unfinished,
    whole,
)

EVENTS: Final = "text/event-stream"


def _begun(*end: Step, pieces: int = 2) -> Answer:
    """A stream that starts well, then these steps."""

    def answer(request: Request, nth: int) -> Script:
        one = identity(request, nth)
        parts = events(said(one)[:pieces], done=False)
        return (*unfinished(200, wire.headers(one, EVENTS), parts), *end)

    return answer


def _no_done(request: Request, nth: int) -> Script:
    """The stream's framing ends well; the stream itself does not say [DONE]."""
    return stream(lambda one: [*said(one), *ended(one)], done=False)(request, nth)


def _short_body(request: Request, nth: int) -> Script:
    one = identity(request, nth)
    body = dumps(message(one))
    opening = head(200, (*wire.headers(one), ("Content-Length", str(len(body) + 100))))
    return (Send(opening + body), Close())


def _close_delimited(end: Step) -> Answer:
    """No length at all: the end of the connection ends the body."""

    def answer(request: Request, nth: int) -> Script:
        one = identity(request, nth)
        opening = Send(head(200, (*wire.headers(one, EVENTS), ("Connection", "close"))))
        parts = [Send(part) for part in events([*said(one), *ended(one)]) if isinstance(part, bytes)]
        return (opening, *parts, end)

    return answer


def _both_lengths(request: Request, nth: int) -> Script:
    one = identity(request, nth)
    body = dumps(message(one))
    lengths: Headers = (("Content-Length", "5"), ("Transfer-Encoding", "chunked"))
    return (Send(head(200, (*wire.headers(one), *lengths)) + chunk(body) + LAST_CHUNK), Close())


def _extra_bytes(request: Request, nth: int) -> Script:
    """A whole answer, and a second one that nobody asked for."""
    stray = whole(200, (("Content-Type", "text/plain"), ("X-Stray", "yes")), b"not for you")
    return (*reply(message)(request, nth), *stray)


REPEATED: Final[Headers] = (
    ("Set-Cookie", "__cf_bm=one; path=/; HttpOnly"),
    ("Set-Cookie", "_cfuvid=two; path=/; Secure"),
    ("Vary", "Accept-Encoding"),
    ("vary", "Origin"),
    ("alt-svc", 'h3=":443"; ma=86400'),
    ("X-Empty", ""),
)
NON_ASCII: Final[Headers] = ((b"X-Served-From", "Zürich".encode()), (b"X-Latin-1", b"caf\xe9"))
LARGE: Final[Headers] = tuple((f"X-Large-{number}", "v" * 4000) for number in range(8))


def _status_only(status: int, headers: Headers = ()) -> Answer:
    """An answer that has no body by its status."""
    return lambda _request, _nth: (Send(head(status, (*wire.headers(), *headers))),)


def _odd_reason(request: Request, nth: int) -> Script:
    one = identity(request, nth)
    body = dumps(message(one))
    headers = (*wire.headers(one), ("Content-Length", str(len(body))))
    return (Send(head(200, headers, "Fine By Me (mostly)") + body),)


def _too_large(_: RequestHead) -> Script:
    """413 before the body has come."""
    body = dumps(wire.error(413, "Request too large", {"error_type": "payload_too_large"}))
    return whole(413, (*wire.headers(), ("Connection", "close")), body)


def _tunnel(request: Request, _: int) -> Script:
    upgraded: Headers = (("Upgrade", request.head.header("upgrade") or "websocket"), ("Connection", "Upgrade"))
    return (Send(head(101, upgraded)), Echo())


def _slow(request: Request, nth: int) -> Script:
    return (Pause(30), *reply(message)(request, nth))


def _redirect(_: Request, __: int) -> Script:
    return chunked(302, (*wire.headers(content_type="text/plain"), ("Location", "/elsewhere")), (b"moved\n",))


SCENARIOS: Final = (
    Scenario(23, "reset-before-headers", "a reset instead of an answer", lambda _request, _nth: (Reset(),)),
    Scenario(23, "closes-before-headers", "the end of the connection instead of an answer",
             lambda _request, _nth: (Close(),)),
    Scenario(23, "reset-after-headers", "headers, then a reset", _begun(Reset(), pieces=0), STREAM),
    Scenario(23, "reset-mid-stream", "two chunks, then a reset", _begun(Reset()), STREAM),
    Scenario(23, "truncated-chunk", "the connection ends inside a chunk",
             _begun(Send(b"200\r\ndata: {"), Close()), STREAM),
    Scenario(23, "no-last-chunk", "the connection ends between two chunks", _begun(Close()), STREAM),
    Scenario(23, "no-done", "the stream ends without [DONE]", _no_done, STREAM),
    Scenario(23, "short-body", "the body is shorter than its Content-Length", _short_body),
    Scenario(23, "close-delimited", "no length: the connection's end ends the body", _close_delimited(Close()), STREAM),
    Scenario(23, "reset-close-delimited", "no length, and a reset at the end", _close_delimited(Reset()), STREAM),
    Scenario(23, "no-answer", "nothing for 30 seconds", _slow),
    Scenario(23, "both-lengths", "Content-Length and Transfer-Encoding together", _both_lengths),
    Scenario(23, "extra-bytes", "more bytes after the answer", _extra_bytes),
    Scenario(39, "repeated-headers", "two Set-Cookie, two Vary in different case, alt-svc, an empty one",
             reply(message, REPEATED)),
    Scenario(39, "non-ascii-headers", "header values in UTF-8 and Latin-1", reply(message, NON_ASCII)),
    Scenario(39, "large-headers", "32 KB of headers", reply(message, LARGE)),
    Scenario(39, "odd-reason", "a reason phrase of its own", _odd_reason),
    Scenario(39, "redirect", "302 to elsewhere", _redirect),
    Scenario(39, "no-content", "204", _status_only(204)),
    Scenario(39, "not-modified", "304 with the length of what was not sent",
             _status_only(304, (("ETag", '"v1"'), ("Content-Length", "2048")))),
    Scenario(40, "keep-alive", "answers as often as asked on one connection", reply(message)),
    Scenario(40, "closes-on-reuse", "answers, and closes as soon as the connection is used again",
             lambda request, nth: (*reply(message)(request, nth), CloseOnReuse())),
    Scenario(33, "too-large", "413 before the body has come", lambda _request, _nth: _too_large(_request.head),
             early=_too_large, headers=((HEADER, "too-large"),)),
    Scenario(40, "tunnel", "101, and every byte back", _tunnel, method="GET", path="/api/v1/realtime",
             headers=(("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"),
                      ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="))),
)  # fmt: skip
