"""What is kept of prompts, with the facts of their exchanges: what a later replay to an arm begins with."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from shadow.exchange import PRIMARY, Answer, Attribution, Body, Cost, CostSource, Exchange, Observation, Outcome, Usage
from shadow.store.bodies import of_exchange
from shadow.store.ids import blob, text
from shadow.store.reading import connections, unreadable
from shadow.store.rows import usd

# An id's second half is random: in its order, any first part of what there is comes from all of the period.
OUTSTANDING: Final = f"""SELECT b.exchange_id FROM bodies b
    WHERE b.exchange_id >= ? AND b.exchange_id < ? AND b.arm = '{PRIMARY}' AND b.request IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM replays r WHERE r.exchange_id = b.exchange_id AND r.arm = ?)
    ORDER BY substr(b.exchange_id, 9), b.exchange_id LIMIT ?"""  # noqa: S608 (our own names)
FACTS: Final = """outcome, tenant, feature, plan, key_fingerprint, method, path, started_at, status, inference, stream,
    request_model, response_model, input_tokens, output_tokens, cost_nano_usd, cost_usd_exact, cost_source, total_s,
    finish_reason, error_kind, features, anomalies"""
OF_ONE: Final = f"SELECT {FACTS} FROM exchanges WHERE exchange_id = ?"  # noqa: S608 (our own names)
MOST: Final = 1_000_000  # ids are held in memory: 100 MB


@dataclass(frozen=True, slots=True)
class Stored:
    """A primary exchange as it can be told from what is stored. `request` is the JSON document that is kept.

    Its bodies are empty; the request's is not whole where what is kept is not. `observation` has the answer that is
    kept. `redactions` counts what was replaced in either.
    """

    exchange: Exchange
    observation: Observation
    request: dict[str, Any]
    redactions: int


def outstanding(path: Path, arm: str, period: tuple[bytes, bytes], most: int | None = None) -> list[str]:
    """Exchanges of a period (ids from the first on and before the last) whose request is kept and that an arm has no
    row of, in the order in which any first part of them is a sample of all. Raises StoreError."""
    try:
        with connections(path) as [connection, *_]:
            found = connection.execute(OUTSTANDING, (*period, arm, MOST if most is None else min(most, MOST)))
            return [text(one) for (one,) in found]
    except sqlite3.Error as error:
        raise unreadable(path, error) from error


def stored(path: Path, exchange_ids: Sequence[str]) -> list[Stored]:
    """Those of these exchanges that are still there with their request. Raises StoreError."""
    try:
        with connections(path) as [connection, *_]:
            found = [_stored(connection, exchange_id) for exchange_id in exchange_ids]
    except sqlite3.Error as error:
        raise unreadable(path, error) from error
    return [one for one in found if one is not None]


def _stored(connection: sqlite3.Connection, exchange_id: str) -> Stored | None:
    kept = of_exchange(connection, exchange_id).get(PRIMARY)
    row = connection.execute(OF_ONE, (blob(exchange_id),)).fetchone()
    if kept is None or kept.request is None or row is None:
        return None
    outcome, tenant, feature, plan, fingerprint, method, path, *facts = row
    started_at, status, inference, stream, request_model, response_model, input_tokens, *facts = facts
    output_tokens, nano, exact, source, total_s, finish_reason, error_kind, features, anomalies = facts
    exchange = Exchange(
        exchange_id=exchange_id,
        arm=PRIMARY,
        started_at=started_at,
        method=method,
        path=path,
        attribution=Attribution(tenant, feature, plan, fingerprint),
        request_headers=(),
        request_body=Body() if kept.whole else Body(size=1),
        outcome=Outcome(outcome),
        status=status,
        response_headers=(),
        response_body=Body(),
        first_byte_s=None,
        total_s=total_s,
    )
    observation = Observation(
        inference=bool(inference),
        stream=None if stream is None else bool(stream),
        request_model=request_model,
        response_model=response_model,
        usage=Usage(input_tokens=input_tokens, output_tokens=output_tokens),
        cost=Cost(usd(nano, exact), CostSource(source)),
        finish_reason=finish_reason,
        error_kind=error_kind,
        features=frozenset(orjson.loads(features or "[]")),
        anomalies=tuple(orjson.loads(anomalies or "[]")),
        answer=kept.answer or Answer(),
    )
    return Stored(exchange, observation, kept.request, kept.redactions)
