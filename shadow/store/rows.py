"""Records ↔ rows: pure. A row is a tuple in the order of the table's columns; any record makes a row SQLite takes.

What came from outside is bounded here: text is cut, numbers that no column can hold are unknown. So a commit can
only fail for the disk's or the database's sake, and no odd exchange can block those that arrive with it.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Context, Decimal, Rounded
from functools import lru_cache
from typing import Any, Final

import orjson

from shadow.exchange import Agreement, Cost, Exchange, Observation, Pending, Recorded, Replay, Rewrite, Usage
from shadow.store.buckets import bucket
from shadow.store.ids import blob
from shadow.store.schema import FACTS

Row = tuple[Any, ...]

FACT_COLUMNS: Final = tuple(re.findall(r"(\w+) (?:TEXT|REAL|INTEGER)", FACTS))
COUNT_COLUMNS: Final = tuple(column for column in FACT_COLUMNS if column.endswith("_tokens"))
COST_COLUMNS: Final = tuple(column for column in FACT_COLUMNS if "cost_" in column or column == "price_version")
EXCHANGE_COLUMNS: Final = (
    *("exchange_id", "outcome", "tenant", "feature", "plan", "key_fingerprint", "method", "path"),
    *FACT_COLUMNS,
    *("byok", "client_timeout_s"),
)
AGREEMENT_COLUMNS: Final = (
    *("finish_reason_same", "tool_calls_same", "json_valid", "text_similarity"),
    *("tool_names_same", "schema_valid", "refused"),
    *("primary_json_valid", "primary_schema_valid", "primary_refused", "agreement_notes"),
)
# What is written where a replay ends; its identity, its part in the sample and `sent_at` are there before.
ENDING_COLUMNS: Final = ("outcome", "reason", "rewrite", *FACT_COLUMNS, *AGREEMENT_COLUMNS, "rejected_parameter")
REPLAY_COLUMNS: Final = ("exchange_id", "arm", "probability", "conversation", *ENDING_COLUMNS)
# What there is of a replay that was not sent, as nearly all are: the rest stays NULL, and is not bound to be so.
UNSENT_COLUMNS: Final = ("exchange_id", "arm", "probability", "conversation", "outcome", "reason", "rewrite")

TEXT_CHARACTERS: Final = 512  # longer than any honest model name, tenant or path; a row stays a row
REWRITE_PARTS: Final = 64  # a request's own fields are a few dozen; only a hostile one has more to drop
INTEGER_MAX: Final = (1 << 63) - 1
NANO: Final = 9
_LARGEST: Final = 9  # the power of ten of the largest amount whose nano-dollars a column holds
_EXACT: Final = Context(prec=60, traps=[Rounded])  # no price list has more digits: these are refused, not rounded
_NO_FACTS: Final[Row] = (None,) * len(FACT_COLUMNS)


@dataclass(frozen=True, slots=True)
class Rows:
    """What one commit adds: rows of `exchanges`, and of `replays` those that were sent, and those that were not."""

    exchanges: list[Row]
    replays: list[Row]
    unsent: list[Row]


def rows(batch: Sequence[Recorded]) -> Rows:
    """The rows of a batch. Raises ValueError where an exchange_id is not a UUID."""
    made = Rows([], [], [])
    for recorded in batch:
        made.exchanges.append(exchange_row(recorded))
        for replay in recorded.ended:
            if replay.exchange is None:
                made.unsent.append(unsent_row(replay))
            else:
                made.replays.append(replay_row(replay))
        for pending in recorded.pending:
            made.unsent.append(pending_row(recorded.exchange.exchange_id, pending))
    return made


def exchange_row(recorded: Recorded) -> Row:
    """A primary exchange in the order of EXCHANGE_COLUMNS."""
    exchange, who = recorded.exchange, recorded.exchange.attribution
    return (
        blob(exchange.exchange_id),
        exchange.outcome.value,
        _text(who.tenant),
        _text(who.feature),
        _text(who.plan),
        _text(who.key_fingerprint),
        _text(exchange.method),
        _text(exchange.path),
        *_facts(exchange, recorded.observation),
        recorded.observation.byok,
        recorded.observation.client_timeout_s,
    )


def replay_row(replay: Replay) -> Row:
    """A replay that was sent and has ended, in the order of REPLAY_COLUMNS."""
    return (blob(replay.exchange_id), replay.arm, replay.probability, replay.conversation, *_ending(replay))


def unsent_row(replay: Replay) -> Row:
    """A replay that ended without being sent, in the order of UNSENT_COLUMNS."""
    return (
        blob(replay.exchange_id),
        replay.arm,
        replay.probability,
        replay.conversation,
        replay.outcome.value,
        _text(replay.reason),
        _rewrite(replay.rewrite),
    )


def pending_row(exchange_id: str, pending: Pending) -> Row:
    """A replay yet to be sent, in the order of UNSENT_COLUMNS."""
    return (blob(exchange_id), pending.arm, pending.probability, pending.conversation, None, None, None)


def settlement(replay: Replay) -> Row:
    """ENDING_COLUMNS, then the key of the pending row that they end."""
    return (*_ending(replay), blob(replay.exchange_id), replay.arm)


def late_cost(exchange_id: str, cost: Cost, usage: Usage) -> Row:
    """COST_COLUMNS, then COUNT_COLUMNS, then the key of the row of `exchanges` that they complete."""
    return (*_cost(cost), *_counts(usage), blob(exchange_id))


def nano_usd(usd: Decimal | None) -> tuple[int | None, str | None]:
    """An amount as whole nano-dollars, and as text where these do not say it exactly. Unknown where neither can."""
    if usd is None or not usd.is_finite() or (usd and usd.adjusted() > _LARGEST):
        return None, None
    try:
        scaled = _EXACT.scaleb(usd, NANO)
    except Rounded:
        return None, None
    whole = round(scaled)  # half to even
    if abs(whole) > INTEGER_MAX:
        return None, None
    return whole, None if whole == scaled else str(usd)


def usd(nano: int | None, exact: str | None) -> Decimal | None:
    """The amount of a row, exactly as it was stored."""
    if exact is not None:
        return Decimal(exact)
    return None if nano is None else Decimal(nano).scaleb(-NANO)


def _ending(replay: Replay) -> Row:
    facts = _NO_FACTS
    if replay.exchange is not None:
        facts = _facts(replay.exchange, replay.observation or Observation())
    return (
        replay.outcome.value,
        _text(replay.reason),
        _rewrite(replay.rewrite),
        *facts,
        *_agreement(replay.agreement or Agreement()),
        _text(replay.rejected_parameter),
    )


def _facts(exchange: Exchange, seen: Observation) -> Row:
    """In the order of FACT_COLUMNS."""
    usage, timings = seen.usage, seen.timings
    return (
        exchange.started_at,
        exchange.status,
        _text(exchange.failure),
        seen.inference,
        seen.stream,
        _text(seen.request_model),
        _text(seen.response_model),
        _text(seen.provider),
        _text(seen.generation_id),
        *_counts(usage),
        *_cost(seen.cost),
        exchange.first_byte_s,
        timings.ttft_s,
        exchange.total_s,
        timings.tpot_s,
        timings.largest_gap_s,
        bucket(timings.ttft_s),
        bucket(exchange.total_s),
        bucket(timings.tpot_s),
        _text(seen.finish_reason),
        _text(seen.error_kind),
        _words(seen.features),
        _words(frozenset((*seen.anomalies, *usage.anomalies, *([timings.note] if timings.note else [])))),
        exchange.request_body.size,
        exchange.response_body.size,
    )


def _counts(usage: Usage) -> Row:
    """In the order of COUNT_COLUMNS."""
    return (
        _count(usage.input_tokens),
        _count(usage.output_tokens),
        _count(usage.cache_read_input_tokens),
        _count(usage.cache_write_input_tokens),
        _count(usage.reasoning_output_tokens),
    )


def _cost(cost: Cost) -> Row:
    """In the order of COST_COLUMNS."""
    charged = nano_usd(cost.usd)
    return (
        *charged,
        cost.source.value,
        # The same object where nothing was cached: not made into a number twice.
        *(charged if cost.normalised_usd is cost.usd else nano_usd(cost.normalised_usd)),
        _text(cost.price_version),
        None if cost.stated_usd is None else _text(str(cost.stated_usd)),
    )


def _agreement(agreement: Agreement) -> Row:
    return (
        agreement.finish_reason_same,
        agreement.tool_calls_same,
        agreement.json_valid,
        agreement.text_similarity,
        agreement.tool_names_same,
        agreement.schema_valid,
        agreement.refused,
        agreement.primary_json_valid,
        agreement.primary_schema_valid,
        agreement.primary_refused,
        _words(frozenset(agreement.notes)) if agreement.notes else None,
    )


def _rewrite(rewrite: Rewrite | None) -> str | None:
    if rewrite is None:
        return None
    parts = {name: [_text(said) for said in part[:REWRITE_PARTS]] for name, part in asdict(rewrite).items()}
    return orjson.dumps(parts).decode()


@lru_cache(maxsize=1024)  # all words are of closed sets, and few of their subsets are common
def _words(words: frozenset[str]) -> str:
    return orjson.dumps(sorted(words)).decode()


def _count(value: int | None) -> int | None:
    return value if value is not None and abs(value) <= INTEGER_MAX else None


def _text(value: str | None) -> str | None:
    """Short, and without the lone surrogates that JSON may smuggle in and UTF-8 cannot say."""
    if value is None:
        return None
    value = value[:TEXT_CHARACTERS]
    return value if value.isascii() else value.encode("utf-8", "replace").decode()
