"""Recorded exchanges served back: the recorded status, headers and body bytes, streams in network-like chunks.

A request finds its recording by name (header `X-Scenario`), else by an equal JSON body on the same path, else by equal
messages, streamed or not alike: a replay's other fields were rewritten, its messages were not. Several recordings of
one request take turns.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any, Final

import orjson

from shadow.demo.request import Request
from shadow.demo.script import Headers, Part, Pause, Script, chunked, whole

Row = Mapping[str, Any]  # name, host, path, request_body, status, response_headers, response_body

# Whoever recorded the exchanges decoded bodies and kept connections by itself: these headers tell of that.
FRAMING: Final = frozenset({"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"})
LARGEST_CHUNK: Final = 1400  # what a network packet holds: larger writes were split on their way


class Recorded:
    """A behaviour for `StandIn` that serves rows. `in_turn` answers what it does not find with its rows, one by one:
    streams with streams.
    """

    def __init__(self, rows: Sequence[Row], seed: int = 0, *, in_turn: bool = False) -> None:
        self._names = {row["name"]: row for row in rows}
        self._by_body: dict[bytes, list[Row]] = {}
        self._by_messages: dict[bytes, list[Row]] = {}
        for row in rows:
            self._by_body.setdefault(_key(row["path"], row["request_body"]), []).append(row)
            if (said := _said(row["request_body"])) is not None:
                self._by_messages.setdefault(said, []).append(row)
        self._rows = tuple(rows)
        self._in_turn = in_turn
        self._turns: Counter[bytes] = Counter()
        self._seed = seed

    def __call__(self, request: Request) -> Script:
        """The recorded answer; 404 where there is none."""
        row = self._find(request)
        if row is None:
            return whole(404, (("content-type", "application/json"),), b'{"error":{"message":"not recorded"}}')
        return script(row, Random(f"{self._seed} {row['name']}"))  # noqa: S311 (repeatable, not secret)

    def _find(self, request: Request) -> Row | None:
        name = request.head.header("x-scenario")
        if name is not None:
            return self._names.get(name)
        by_body, said = _key(request.head.path, request.json), _said(request.json)
        if by_body in self._by_body:
            return self._next(self._by_body[by_body], by_body)
        if said is not None and said in self._by_messages:
            return self._next(self._by_messages[said], said)
        if not self._in_turn:
            return None
        streams = bool(request.json.get("stream"))
        alike = [row for row in self._rows if _streams(row) is streams]
        return self._next(alike or self._rows, b"stream" if streams else b"plain")

    def _next(self, rows: Sequence[Row], key: bytes) -> Row:
        self._turns[key] += 1
        return rows[(self._turns[key] - 1) % len(rows)]


def script(row: Row, random: Random) -> Script:
    """The steps that serve one recording."""
    headers: Headers = tuple((name, value) for name, value in row["response_headers"].items() if name not in FRAMING)
    body = row["response_body"].encode()
    if _streams(row):
        return chunked(row["status"], headers, _network_chunks(body, random))
    if body and row["response_headers"].get("transfer-encoding") == "chunked":
        return chunked(row["status"], headers, (body,))
    return whole(row["status"], headers, body)


def _streams(row: Row) -> bool:
    return str(row["response_headers"].get("content-type", "")).startswith("text/event-stream")


def _network_chunks(body: bytes, random: Random) -> Iterator[Part]:
    """Mostly one event a chunk, sometimes several; now and then one ends in the middle of a line or character."""
    start = 0
    while start < len(body):
        end = start
        for _ in range(random.choice((1, 1, 1, 2, 5))):
            found = body.find(b"\n\n", end)
            end = len(body) if found < 0 else found + 2
        if random.random() < 0.15:
            end = random.randint(start + 1, end)
        end = min(end, start + LARGEST_CHUNK)
        yield body[start:end]
        yield Pause(random.expovariate(1 / 0.002))
        start = end


def _said(body: Any) -> bytes | None:
    """What tells a conversation: its messages, and whether it is streamed. None where there are none."""
    messages = body.get("messages", body.get("input", body.get("prompt"))) if isinstance(body, Mapping) else None
    return None if messages is None else _key(str(bool(body.get("stream"))), messages)


def _key(place: str, value: Any) -> bytes:
    place = place.partition("#")[0]  # some recordings keep the fragment, which stays with the client
    return place.encode() + b" " + orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
