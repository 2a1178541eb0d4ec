"""What is kept of prompts and answers: rows of `bodies`, written with the rows that they belong to.

A primary exchange's row holds request and answer, a replay's its answer. Both are JSON documents under zstd: the
request as it was sent, the answer as an object of `text`, `reasoning`, `refusal` and `tool_calls`, without those that
it does not have. A replay's answer is kept only beside what is kept of its primary: where that may not be kept or has
been deleted, the answer may not come after it.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson
import zstandard

from shadow.exchange import PRIMARY, Answer, Bodies, Recorded, Replay, ToolCall
from shadow.store.ids import blob, text
from shadow.store.rows import Row

BODY_COLUMNS: Final = ("exchange_id", "arm", "tenant", "whole", "redactions", "answer", "request")
MAX_DOCUMENT_BYTES: Final = 1 << 30  # of what is read back, which this program wrote and bounded

_NAMES: Final = ", ".join(BODY_COLUMNS)
_PLACES: Final = ", ".join("?" * len(BODY_COLUMNS))
ADD_BODIES: Final = f"INSERT OR IGNORE INTO bodies ({_NAMES}) VALUES ({_PLACES})"  # noqa: S608 (our own names)
ADD_ANSWER: Final = f"""INSERT OR IGNORE INTO bodies ({_NAMES}) SELECT {_PLACES}
    WHERE EXISTS (SELECT 1 FROM bodies WHERE exchange_id = ? AND arm = '{PRIMARY}')"""  # noqa: S608
ANY: Final = "SELECT EXISTS (SELECT 1 FROM bodies)"
OF_EXCHANGE: Final = f"SELECT {_NAMES} FROM bodies WHERE exchange_id = ?"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Kept:
    """One row, read back. `request` is a JSON object; None where there is none. `whole` is as in `Bodies`."""

    exchange_id: str
    arm: str
    tenant: str
    request: dict[str, Any] | None
    answer: Answer | None
    whole: bool
    redactions: int


def packed(document: bytes) -> bytes:
    """A document as it is stored."""
    return zstandard.ZstdCompressor(level=3).compress(document)


def unpacked(data: bytes) -> bytes:
    """A document as it was. Raises zstandard.ZstdError where it is none."""
    return zstandard.ZstdDecompressor().decompress(data, max_output_size=MAX_DOCUMENT_BYTES)


def primary_rows(batch: Iterable[Recorded]) -> Iterator[Row]:
    """Parameters of ADD_BODIES, for those exchanges of a batch that have bodies to keep."""
    for recorded in batch:
        if recorded.bodies is not None:
            yield _row(recorded.exchange.exchange_id, PRIMARY, recorded.bodies)


def answer_rows(replays: Iterable[Replay]) -> Iterator[Row]:
    """Parameters of ADD_ANSWER, for those replays that have an answer to keep."""
    for replay in replays:
        if replay.bodies is not None:
            row = _row(replay.exchange_id, replay.arm, replay.bodies)
            yield (*row, row[0])


def of_exchange(connection: sqlite3.Connection, exchange_id: str) -> dict[str, Kept]:
    """What is kept of an exchange, by arm."""
    found = map(_kept, connection.execute(OF_EXCHANGE, (blob(exchange_id),)))
    return {one.arm: one for one in found}


def _row(exchange_id: str, arm: str, kept: Bodies) -> Row:
    """In the order of BODY_COLUMNS."""
    return (blob(exchange_id), arm, kept.tenant, kept.whole, kept.redactions, kept.answer, kept.request)


def _kept(row: Row) -> Kept:
    exchange_id, arm, tenant, whole, redactions, answer, request = row
    return Kept(
        text(exchange_id),
        arm,
        tenant,
        None if request is None else orjson.loads(unpacked(request)),
        None if answer is None else _answer(orjson.loads(unpacked(answer))),
        bool(whole),
        redactions,
    )


def _answer(document: dict[str, Any]) -> Answer:
    return Answer(
        document.get("text", ""),
        document.get("reasoning", ""),
        document.get("refusal"),
        tuple(ToolCall(call["name"], call["arguments"], call["id"]) for call in document.get("tool_calls", ())),
    )
