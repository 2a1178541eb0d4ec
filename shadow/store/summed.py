"""What is summed up while rows are written, so that a report need not read every row: tables, and triggers that keep
them true whoever changes or deletes a row of `exchanges` or `replays`. Part of the schema: see there. Who adds rows
counts them (`shadow.store.adding`): a trigger would take a third of the time of a commit.

- `segments` numbers the combinations of tenant, feature, plan and requested model that occur, '' where unknown; `arms`
  numbers the arms. A segment without an exchange is deleted with it: a name that was erased is nowhere.
- `traffic` counts exchanges, and `outcomes` exchanges × arm, by segment and `span`: the first SPAN_BYTES of
  `exchange_id`, 4.7 hours. What is counted together is told apart by `known` (bits, below) and by words, '' for none.
- `pairs` has a narrow row for every replay that was tried. It lies in the order in which it is summed up: by arm,
  segment, draw and `code`. A draw is one of DRAWS groups of conversations, at random: sums of draws are independent of
  each other, also where a conversation is in several segments, and they add up across days and machines.
  `code` says what became of it and what is known of it (`shadow.report.gathering`). Durations are whole microseconds,
  unknown unless they are of both arms.
"""

from typing import Final

from shadow.faults import FAULTS, Fault
from shadow.report.gathering import (
    CANDIDATE_COST,
    DURATIONS,
    NORMALISED,
    PAIRED,
    PRIMARY_COST,
    QUESTIONS,
    QUESTIONS_AT,
    SIMILARITY,
)
from shadow.report.totals import DRAWS

SPAN_BYTES: Final = 3
COST_MOST: Final = 10**13  # nano-dollars: a call of more than 10,000 dollars is a mistake, and sums must not overflow

# Bits of `traffic.known`.
CALL, WHOLE, GONE, NO_ERROR, COST, TENANT, FEATURE = (1 << bit for bit in range(7))

TRIED: Final = ("completed", "failed")  # outcomes of replays that have a row in `pairs`
SEGMENT: Final = ("tenant", "feature", "plan", "model")

TABLES: Final = (
    """CREATE TABLE segments (
    id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, feature TEXT NOT NULL, plan TEXT NOT NULL, model TEXT NOT NULL,
    UNIQUE (tenant, feature, plan, model)
) STRICT""",
    "CREATE TABLE arms (id INTEGER PRIMARY KEY, arm TEXT NOT NULL UNIQUE) STRICT",
    """CREATE TABLE traffic (
    segment INTEGER NOT NULL, span BLOB NOT NULL, known INTEGER NOT NULL, error_kind TEXT NOT NULL,
    exchanges INTEGER NOT NULL, cost_nano_usd INTEGER NOT NULL,
    PRIMARY KEY (segment, span, known, error_kind)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE outcomes (
    segment INTEGER NOT NULL, span BLOB NOT NULL, arm INTEGER NOT NULL,
    outcome TEXT NOT NULL, reason TEXT NOT NULL, possible INTEGER NOT NULL,
    exchanges INTEGER NOT NULL, cost_known INTEGER NOT NULL, cost_nano_usd INTEGER NOT NULL,
    PRIMARY KEY (segment, span, arm, outcome, reason, possible)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE pairs (
    arm INTEGER NOT NULL, segment INTEGER NOT NULL, draw INTEGER NOT NULL, code INTEGER NOT NULL,
    exchange_id BLOB NOT NULL, w REAL,
    p_cost INTEGER, c_cost INTEGER, p_normalised INTEGER, c_normalised INTEGER,
    p_ttft INTEGER, c_ttft INTEGER, p_total INTEGER, c_total INTEGER, p_tpot INTEGER, c_tpot INTEGER,
    p_ttft_us INTEGER, c_ttft_us INTEGER, p_total_us INTEGER, c_total_us INTEGER, p_tpot_us INTEGER, c_tpot_us INTEGER,
    similarity REAL,
    PRIMARY KEY (arm, segment, draw, code, exchange_id)
) STRICT, WITHOUT ROWID""",
    "CREATE INDEX pairs_of_exchange ON pairs (exchange_id)",
)


# What is counted is added to what there is of its kind.
TO_TRAFFIC: Final = """ON CONFLICT DO UPDATE SET exchanges = exchanges + excluded.exchanges,
        cost_nano_usd = cost_nano_usd + excluded.cost_nano_usd"""
TO_OUTCOMES: Final = """ON CONFLICT DO UPDATE SET exchanges = exchanges + excluded.exchanges,
        cost_known = cost_known + excluded.cost_known, cost_nano_usd = cost_nano_usd + excluded.cost_nano_usd"""


def span(table: str) -> str:
    return f"substr({table}.exchange_id, 1, {SPAN_BYTES})"


def cost(column: str) -> str:
    """An amount that may be summed; NULL where it is unknown or beyond belief."""
    return f"CASE WHEN {column} BETWEEN -{COST_MOST} AND {COST_MOST} THEN {column} END"


def known(e: str) -> str:
    """What is known of an exchange, as bits: those of one kind are counted together."""
    return f"""COALESCE({e}.inference, 0) + {WHOLE} * ({e}.outcome = 'complete')
    + {GONE} * ({e}.outcome = 'client_cancelled')
    + {NO_ERROR} * ({e}.error_kind IS NULL) + {COST} * ({cost(f"{e}.cost_nano_usd")} IS NOT NULL)
    + {TENANT} * ({e}.tenant IS NOT NULL) + {FEATURE} * ({e}.feature IS NOT NULL)"""


def possible(r: str) -> str:
    """Whether a replay had a chance: not where the rate is 0, nor where client or tenant refused."""
    return f"COALESCE({r}.probability > 0, 0) * (COALESCE({r}.reason, '') <> 'consent')"


def tried(r: str) -> str:
    return f"COALESCE({r}.outcome, '') IN {TRIED}"


def paired(e: str, r: str) -> str:
    return f"({r}.outcome = 'completed' AND {e}.outcome = 'complete' AND {e}.error_kind IS NULL)"


def code(e: str, r: str) -> str:
    """The code of a replay that was tried."""
    faults = {one: number for number, one in enumerate(Fault, 1)}
    words = " ".join(
        f"WHEN {r}.reason IN ({', '.join(repr(word) for word, of in FAULTS.items() if of is one)}) THEN {number}"
        for one, number in faults.items()
        if one is not Fault.ANSWER
    )
    fault = f"CASE WHEN {r}.outcome = 'completed' THEN 0 {words} ELSE {faults[Fault.ANSWER]} END"
    both = "".join(f" + {bit} * ({_duration(e, r, name)} IS NOT NULL)" for name, bit in DURATIONS)
    normalised = " AND ".join(f"{cost(f'{one}.cost_normalised_nano_usd')} IS NOT NULL" for one in (e, r))
    questions = "".join(
        f" + {1 << (QUESTIONS_AT + 2 * number)} * COALESCE({r}.{name} + 1, 0)" for number, name in enumerate(QUESTIONS)
    )
    return f"""{fault} + {PAIRED} * {paired(e, r)}
    + {PRIMARY_COST} * ({cost(f"{e}.cost_nano_usd")} IS NOT NULL)
    + {CANDIDATE_COST} * ({cost(f"{r}.cost_nano_usd")} IS NOT NULL)
    + {NORMALISED} * ({normalised}){both} + {SIMILARITY} * ({r}.text_similarity IS NOT NULL){questions}"""


def pair(e: str, r: str) -> str:
    """The columns of `pairs` from `code` on."""
    columns = [code(e, r), f"{r}.exchange_id", f"1.0 / {r}.probability"]
    for column in ("cost_nano_usd", "cost_normalised_nano_usd"):
        columns += [cost(f"{one}.{column}") for one in (e, r)]
    for name, _ in DURATIONS:
        columns += [f"CASE WHEN {_duration(e, r, name)} IS NOT NULL THEN {one}.{name}_bucket END" for one in (e, r)]
    for name, _ in DURATIONS:
        columns += [
            f"CASE WHEN {_duration(e, r, name)} IS NOT NULL THEN CAST(ROUND({one}.{name}_s * 1e6) AS INTEGER) END"
            for one in (e, r)
        ]
    return ", ".join([*columns, f"{r}.text_similarity"])


def draw(r: str) -> str:
    """The draw of a replay: of its conversation; of itself where that is not known, by its id's last hex digits."""
    last = (f"(instr('0123456789ABCDEF', substr(hex({r}.exchange_id), {at}, 1)) - 1)" for at in (31, 32))
    return f"COALESCE({r}.conversation % {DRAWS}, (16 * {next(last)} + {next(last)}) % {DRAWS})"


def _duration(e: str, r: str, name: str) -> str:
    """Not NULL where a duration is known of both arms of a pair."""
    return f"CASE WHEN {paired(e, r)} THEN {e}.{name}_bucket + {r}.{name}_bucket END"


def _segment(e: str, s: str = "s") -> str:
    """That `s` is the segment of an exchange."""
    columns = zip(SEGMENT, ("tenant", "feature", "plan", "request_model"), strict=True)
    return " AND ".join(f"{s}.{name} = COALESCE({e}.{column}, '')" for name, column in columns)


def _add_segment(e: str) -> str:
    return f"""INSERT OR IGNORE INTO segments (tenant, feature, plan, model) VALUES (COALESCE({e}.tenant, ''),
        COALESCE({e}.feature, ''), COALESCE({e}.plan, ''), COALESCE({e}.request_model, ''));"""


def _count_traffic(e: str, times: int, source: str = "segments s") -> str:
    return f"""INSERT INTO traffic SELECT s.id, {span(e)}, {known(e)}, COALESCE({e}.error_kind, ''), {times},
        {times} * COALESCE({cost(f"{e}.cost_nano_usd")}, 0) FROM {source} WHERE {_segment(e)}
        {TO_TRAFFIC};"""


def _count_outcomes(e: str, r: str, times: int, source: str, condition: str) -> str:
    return f"""INSERT INTO outcomes SELECT s.id, {span(r)}, a.id, COALESCE({r}.outcome, ''), COALESCE({r}.reason, ''),
        {possible(r)}, {times}, {times} * ({cost(f"{e}.cost_nano_usd")} IS NOT NULL),
        {times} * COALESCE({cost(f"{e}.cost_nano_usd")}, 0)
        FROM {source}, segments s, arms a WHERE {condition} AND a.arm = {r}.arm AND {_segment(e)}
        {TO_OUTCOMES};"""


def _add_pairs(e: str, r: str, source: str, condition: str) -> str:
    return f"""INSERT INTO pairs SELECT a.id, s.id, {draw(r)}, {pair(e, r)} FROM {source}, segments s, arms a
        WHERE {condition} AND a.arm = {r}.arm AND {_segment(e)} AND {tried(r)};"""


def _forget_zeros(table: str, row: str, segment: str) -> str:
    """Delete counts of nothing: a segment without an exchange must not be kept by them."""
    return f"DELETE FROM {table} WHERE exchanges = 0 AND span = {span(row)} AND segment = ({segment});"


def _trigger(name: str, event: str, *body: str) -> str:
    """A trigger in as few characters as it takes: every connection reads the schema."""
    return f"CREATE TRIGGER {name} {event} BEGIN\n{chr(10).join(' '.join(one.split()) for one in body)}\nEND"


def _segment_of(e: str) -> str:
    return f"SELECT s.id FROM segments s WHERE {_segment(e)}"


def _replays_of(e: str, times: int) -> str:
    """Count what became of an exchange on every arm, as it was or is."""
    return _count_outcomes(e, "r", times, "replays r", f"r.exchange_id = {e}.exchange_id")


def _exchange_of(r: str) -> tuple[str, str]:
    """Where the exchange of a replay is found, and which it is."""
    return "exchanges e", f"e.exchange_id = {r}.exchange_id"


_FORGET_SEGMENT: Final = f"""DELETE FROM segments WHERE {_segment("OLD", "segments")}
    AND NOT EXISTS (SELECT 1 FROM traffic t WHERE t.segment = segments.id);"""
_REMOVE_REPLAY: Final = (
    _count_outcomes("e", "OLD", -1, *_exchange_of("OLD")),
    "DELETE FROM pairs WHERE exchange_id = OLD.exchange_id AND arm = (SELECT id FROM arms WHERE arm = OLD.arm);",
)
_ADD_REPLAY: Final = (
    _count_outcomes("e", "NEW", 1, *_exchange_of("NEW")),
    _add_pairs("e", "NEW", *_exchange_of("NEW")),
)
_FORGET_OUTCOMES: Final = _forget_zeros(
    "outcomes",
    "OLD",
    f"SELECT s.id FROM segments s, exchanges e WHERE e.exchange_id = OLD.exchange_id AND {_segment('e')}",
)

# Of a replay and its exchange, which are there, by (exchange_id, arm).
_ADDED: Final = ("replays r, exchanges e", "r.exchange_id = ?1 AND r.arm = ?2 AND e.exchange_id = ?1")
COUNT_REPLAY: Final = (
    "INSERT OR IGNORE INTO arms (arm) VALUES (?2)",
    _count_outcomes("e", "r", 1, *_ADDED),
    _add_pairs("e", "r", *_ADDED),
)

TRIGGERS: Final = (
    _trigger("exchange_added", "AFTER INSERT ON exchanges", _add_segment("NEW"), _count_traffic("NEW", 1)),
    _trigger(
        "exchange_changed",
        "AFTER UPDATE ON exchanges",
        _add_segment("NEW"),
        _count_traffic("OLD", -1),
        _count_traffic("NEW", 1),
        _replays_of("OLD", -1),
        _replays_of("NEW", 1),
        "DELETE FROM pairs WHERE exchange_id = OLD.exchange_id;",
        _add_pairs("NEW", "r", "replays r", "r.exchange_id = NEW.exchange_id"),
        _forget_zeros("traffic", "OLD", _segment_of("OLD")),
        _forget_zeros("outcomes", "OLD", _segment_of("OLD")),
        _FORGET_SEGMENT,
    ),
    _trigger(
        "exchange_deleted",
        "BEFORE DELETE ON exchanges",
        "DELETE FROM replays WHERE exchange_id = OLD.exchange_id;",
        _count_traffic("OLD", -1),
        _forget_zeros("traffic", "OLD", _segment_of("OLD")),
        _FORGET_SEGMENT,
    ),
    _trigger(
        "replay_added",
        "AFTER INSERT ON replays",
        "INSERT OR IGNORE INTO arms (arm) VALUES (NEW.arm);",
        *_ADD_REPLAY,
    ),
    _trigger(
        "replay_changed",
        "AFTER UPDATE OF outcome, reason, probability, conversation, cost_nano_usd ON replays",
        *_REMOVE_REPLAY,
        *_ADD_REPLAY,
        _FORGET_OUTCOMES,
    ),
    _trigger("replay_deleted", "BEFORE DELETE ON replays", *_REMOVE_REPLAY, _FORGET_OUTCOMES),
)

# Since migration 0009 whoever adds rows counts them. TRIGGERS are those of 0007, which is never edited again.
NO_TRIGGERS_ON_ADDING: Final = ("DROP TRIGGER exchange_added", "DROP TRIGGER replay_added")

# For rows that an earlier release wrote.
_EVERY_PAIR: Final = ("replays r, exchanges e", "e.exchange_id = r.exchange_id")
FILL: Final = (
    """INSERT INTO segments (tenant, feature, plan, model) SELECT DISTINCT COALESCE(tenant, ''), COALESCE(feature, ''),
    COALESCE(plan, ''), COALESCE(request_model, '') FROM exchanges""",
    "INSERT INTO arms (arm) SELECT DISTINCT arm FROM replays",
    _count_traffic("e", 1, "exchanges e, segments s").rstrip(";"),
    _count_outcomes("e", "r", 1, *_EVERY_PAIR).rstrip(";"),
    _add_pairs("e", "r", *_EVERY_PAIR).rstrip(";"),
)
