"""The tables, as named migrations: each runs once, in order, in a transaction of its own, and is never edited again.

How values are kept, in every column of both tables:

- `exchange_id` is the 16-byte BLOB of a UUIDv7 (`shadow.store.ids`: `blob`, `text`, and `floor(at)` for ranges of
  time). Rows are clustered by it, hence by time; no other index serves a period.
- Unknown is NULL. Truth is 1 or 0. Times are Unix seconds, durations seconds, both REAL.
- Money is `*_nano_usd`: whole nano-US-dollars, rounded half to even, for sums. Where that is not the exact amount,
  the `*_usd_exact` beside it holds the decimal text; otherwise it is NULL.
- `stated_cost_usd` is the charge that the answer itself states, as decimal text, whatever the billing mode.
- `*_bucket` is the log-spaced bucket of a duration (`shadow.store.buckets`), computed when the row is written.
- `features`, `anomalies`, `agreement_notes` are JSON arrays of text; `rewrite` is the JSON object of
  `shadow.exchange.Rewrite`.

`exchanges` has one row for each primary exchange. `replays` has one for each exchange × other arm; the facts in it are
those of the replay's own exchange, NULL where nothing was sent. A pair is a join on `exchange_id`. A replay whose
`outcome` is NULL is pending: it was drawn and has not ended; `sent_at` is set just before it is sent. `conversation`
is a hash that those drawn together share: a sample of conversations is no sample of independent exchanges.

`bodies` has what is kept of bodies where a tenant consents (`shadow.store.bodies`): one row for each primary exchange
and each replay of it that was answered. It has row ids because SQLite keeps far more of a large row beside its key in
such a table than in one WITHOUT ROWID, where two kilobytes already fill a page of their own.

`losses` has one row where exchanges were deleted to keep the file small (`shadow.store.cap`): how many of them had been
shipped, how many had not, and the last one's id.

`outbox` and `shipping` say what has yet to be sent to ClickHouse (`shadow.store.outbox`), and are empty where none is
configured. `shipping` has one row: the server that rows go to, a random name of this sender, the range of ids that were
stored before it was configured and have yet to be entered, the sequence up to which entries are being sent, and how
many were deleted unsent.

`spend` has one row for each arm with a budget × UTC day (as text, `2026-12-01`), and `reservations` one for each
replay of such an arm that was sent and has not ended (`shadow.store.spend`). Neither is deleted with the exchanges: a
few kilobytes a year.
"""

from dataclasses import dataclass
from typing import Final

from shadow.store import summed

APPLICATION_ID: Final = 0x53484457  # "SHDW": marks the file as a store of this program


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema's history."""

    name: str
    statements: tuple[str, ...]


# What is known of one exchange on any arm: the same columns, in the same order, in both tables.
FACTS: Final = """
    started_at REAL, status INTEGER, failure TEXT, inference INTEGER, stream INTEGER,
    request_model TEXT, response_model TEXT, provider TEXT, generation_id TEXT,
    input_tokens INTEGER, output_tokens INTEGER,
    cache_read_input_tokens INTEGER, cache_write_input_tokens INTEGER, reasoning_output_tokens INTEGER,
    cost_nano_usd INTEGER, cost_usd_exact TEXT, cost_source TEXT,
    cost_normalised_nano_usd INTEGER, cost_normalised_usd_exact TEXT, price_version TEXT, stated_cost_usd TEXT,
    first_byte_s REAL, ttft_s REAL, total_s REAL, tpot_s REAL, largest_gap_s REAL,
    ttft_bucket INTEGER, total_bucket INTEGER, tpot_bucket INTEGER,
    finish_reason TEXT, error_kind TEXT, features TEXT, anomalies TEXT,
    request_bytes INTEGER, response_bytes INTEGER"""

MIGRATIONS: Final = (
    Migration(
        "0001-exchanges-and-replays",
        (
            f"""CREATE TABLE exchanges (
    exchange_id BLOB NOT NULL PRIMARY KEY,
    outcome TEXT NOT NULL, tenant TEXT, feature TEXT, plan TEXT, key_fingerprint TEXT,
    method TEXT NOT NULL, path TEXT NOT NULL,{FACTS}
) STRICT, WITHOUT ROWID""",
            f"""CREATE TABLE replays (
    exchange_id BLOB NOT NULL, arm TEXT NOT NULL,
    outcome TEXT, reason TEXT, probability REAL, conversation INTEGER, sent_at REAL, rewrite TEXT,{FACTS},
    finish_reason_same INTEGER, tool_calls_same INTEGER, json_valid INTEGER, text_similarity REAL,
    PRIMARY KEY (exchange_id, arm)
) STRICT, WITHOUT ROWID""",
            # The few that have not ended: found at a start without reading the many that have.
            "CREATE INDEX replays_pending ON replays (exchange_id) WHERE outcome IS NULL",
        ),
    ),
    Migration(
        "0002-more-facts",
        (
            *(f"ALTER TABLE exchanges ADD COLUMN {column}" for column in ("byok INTEGER", "client_timeout_s REAL")),
            *(
                f"ALTER TABLE replays ADD COLUMN {column}"
                for column in (
                    *("tool_names_same INTEGER", "schema_valid INTEGER", "refused INTEGER"),
                    *("primary_json_valid INTEGER", "primary_schema_valid INTEGER", "primary_refused INTEGER"),
                    *("agreement_notes TEXT", "rejected_parameter TEXT"),
                )
            ),
        ),
    ),
    Migration(
        "0003-bodies",
        (
            # The large columns last: whoever looks for the others reads none of their pages.
            """CREATE TABLE bodies (
    body_id INTEGER PRIMARY KEY, exchange_id BLOB NOT NULL, arm TEXT NOT NULL, tenant TEXT NOT NULL,
    whole INTEGER NOT NULL, redactions INTEGER NOT NULL, answer BLOB, request BLOB
) STRICT""",
            "CREATE UNIQUE INDEX bodies_by_exchange ON bodies (exchange_id, arm)",
            "CREATE INDEX bodies_by_tenant ON bodies (tenant)",
        ),
    ),
    Migration(
        "0004-outbox",
        (
            # A number is given once, or a change would be sent with a version that ClickHouse has seen.
            """CREATE TABLE outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, exchange_id BLOB NOT NULL UNIQUE, entered_at INTEGER NOT NULL
) STRICT""",
            """CREATE TABLE shipping (
    target TEXT NOT NULL PRIMARY KEY, sender TEXT NOT NULL, walked BLOB NOT NULL, walk_until BLOB, sending INTEGER,
    lost INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID""",
        ),
    ),
    Migration(
        "0005-losses",
        (
            """CREATE TABLE losses (
    cause TEXT NOT NULL PRIMARY KEY, shipped INTEGER NOT NULL, unshipped INTEGER NOT NULL, last_id BLOB NOT NULL
) STRICT, WITHOUT ROWID""",
        ),
    ),
    Migration(
        "0006-spend",
        (
            """CREATE TABLE spend (
    arm TEXT NOT NULL, day TEXT NOT NULL, nano_usd INTEGER NOT NULL, PRIMARY KEY (arm, day)
) STRICT, WITHOUT ROWID""",
            """CREATE TABLE reservations (
    exchange_id BLOB NOT NULL, arm TEXT NOT NULL, day TEXT NOT NULL, nano_usd INTEGER NOT NULL,
    PRIMARY KEY (exchange_id, arm)
) STRICT, WITHOUT ROWID""",
        ),
    ),
    Migration("0007-sums-kept-while-writing", (*summed.TABLES, *summed.FILL, *summed.TRIGGERS)),
    Migration(
        "0008-odd-answers",
        (
            # Most rows have none: a report counts those that have some without reading the others.
            "CREATE INDEX exchanges_odd ON exchanges (anomalies, exchange_id) WHERE anomalies <> '[]'",
            "CREATE INDEX replays_odd ON replays (arm, anomalies, exchange_id) WHERE anomalies <> '[]'",
        ),
    ),
    Migration("0009-rows-are-counted-by-who-adds-them", summed.NO_TRIGGERS_ON_ADDING),
)


def script() -> str:
    """All tables as text, as a fresh file gets them."""
    return "".join(f"{statement};\n\n" for one in MIGRATIONS for statement in one.statements).removesuffix("\n")
