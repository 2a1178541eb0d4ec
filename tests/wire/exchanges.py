"""Exchanges for the tests of this room, made from recordings, or from a few words."""

import json
from typing import Any

from shadow.exchange import PRIMARY, Attribution, Body, Exchange, Headers, Observation, Outcome
from shadow.wire.observe import observe
from shadow.wire.prices import PriceBook

BOOK = PriceBook({}, None, openrouter=True)  # what an answer states is believed, and nothing else is known
CHAT = "/api/v1/chat/completions"
SSE = (("content-type", "text/event-stream"),)


def exchange(
    answer: bytes | Body = b"",
    request: dict[str, Any] | bytes | Body = b'{"model": "m", "messages": []}',
    *,
    path: str = CHAT,
    method: str = "POST",
    status: int | None = 200,
    outcome: Outcome = Outcome.COMPLETE,
    request_headers: Headers = (),
    response_headers: Headers = (),
    arrivals: tuple[tuple[int, float], ...] = (),
    first_byte_s: float | None = 0.1,
    total_s: float = 2.0,
) -> Exchange:
    """An exchange whose bodies are whole unless they are given as a Body."""
    if isinstance(request, dict):
        request = json.dumps(request).encode()
    return Exchange(
        exchange_id="0192a1b2-0000-7000-8000-000000000000",
        arm=PRIMARY,
        started_at=1_780_000_000.0,
        method=method,
        path=path,
        attribution=Attribution(),
        request_headers=request_headers,
        request_body=request if isinstance(request, Body) else whole(request),
        outcome=outcome,
        status=status,
        response_headers=response_headers,
        response_body=answer if isinstance(answer, Body) else whole(answer),
        first_byte_s=first_byte_s,
        total_s=total_s,
        arrivals=arrivals,
    )


def seen(answer: bytes | Body = b"", *request: Any, **how: Any) -> Observation:
    """What is read out of an exchange made from a few words, as `exchange` takes them."""
    return observe(exchange(answer, *request, **how), BOOK)


def whole(data: bytes) -> Body:
    """A body of which nothing is lost."""
    return Body(data, b"", len(data))


def from_recording(row: dict[str, Any]) -> Exchange:
    """A recorded exchange, at the path under which the sidecar would see it: a replay has the primary's path."""
    name = row["path"].partition("#")[0].rpartition("/v1/")[2] if "/v1/" in row["path"] else row["path"]
    path = "/api/v1/responses" if name.endswith("responses") else CHAT
    return exchange(
        row["response_body"].encode(),
        row["request_body"],
        path=path,
        method=row["method"],
        status=row["status"],
        response_headers=tuple((name.lower(), value) for name, value in row["response_headers"].items()),
    )


def stream(*documents: dict[str, Any], end: bytes = b"data: [DONE]\n\n") -> bytes:
    """A stream of these chunks."""
    return b"".join(b"data: %s\n\n" % json.dumps(document).encode() for document in documents) + end


def chunk(
    content: str | None = None, *, finish: str | None = None, usage: dict[str, Any] | None = None, **delta: Any
) -> dict[str, Any]:
    """A chunk of a chat stream with one choice."""
    said = ({} if content is None else {"content": content}) | delta
    made: dict[str, Any] = {"id": "gen-1", "model": "vendor/model", "provider": "Vendor"}
    made["choices"] = [{"index": 0, "delta": said, "finish_reason": finish}]
    return made | ({"usage": usage} if usage else {})
