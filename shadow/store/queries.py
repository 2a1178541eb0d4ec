"""The statements with which a period is added up inside SQLite. `shadow.store.summed` says what the tables hold.

Placeholders in braces are filled in by `shadow.store.sums` with names and numbers of its own; values are bound.
"""

from collections.abc import Collection
from typing import Final

from shadow.exchange import PRIMARY
from shadow.report.gathering import CUTS, DURATIONS, EXACT, WEIGHTED
from shadow.report.totals import SIDES as BOTH
from shadow.report.totals import Dimension, Side
from shadow.store import summed

COLUMNS: Final[dict[Dimension, str]] = {
    "tenant": "e.tenant",
    "feature": "e.feature",
    "plan": "e.plan",
    "model": "e.request_model",
}
SEGMENT: Final = " AND ".join(f"s.{name} = COALESCE({column}, '')" for name, column in COLUMNS.items())

ENDS: Final = "SELECT MIN(exchange_id), MAX(exchange_id) FROM exchanges WHERE exchange_id >= ? AND exchange_id < ?"

# Whole spans out of the sums, and what is left of the period at its ends out of the rows: they answer alike.
TRAFFIC: Final = """SELECT t.known, t.error_kind, SUM(t.exchanges), SUM(t.cost_nano_usd) {dimensions}
    FROM traffic t JOIN segments s ON s.id = t.segment
    WHERE t.span >= ? AND t.span < ? {condition} GROUP BY t.known, t.error_kind {dimensions}"""
TRAFFIC_OF_ROWS: Final = f"""SELECT {summed.known("e")} AS known, COALESCE(e.error_kind, '') AS kind, COUNT(*),
    COALESCE(SUM({summed.cost("e.cost_nano_usd")}), 0) {{dimensions}} FROM exchanges e JOIN segments s ON {SEGMENT}
    WHERE e.exchange_id >= ? AND e.exchange_id < ? {{condition}} GROUP BY known, kind {{dimensions}}"""

ARMS: Final = """SELECT a.arm, MIN(o.span) FROM outcomes o JOIN arms a ON a.id = o.arm
    WHERE o.span >= ? AND o.span < ? GROUP BY a.arm"""
ARMS_OF_ROWS: Final = (
    "SELECT arm, MIN(exchange_id) FROM replays WHERE exchange_id >= ? AND exchange_id < ? GROUP BY arm"
)
FIRST_OF_ARM: Final = "SELECT MIN(exchange_id) FROM replays WHERE arm = ? AND exchange_id >= ? AND exchange_id < ?"
LAST_OF_ARM: Final = FIRST_OF_ARM.replace("MIN", "MAX")

OUTCOMES: Final = """SELECT a.arm, m.number, o.outcome, o.reason, o.possible,
    SUM(o.exchanges), SUM(o.cost_known), SUM(o.cost_nano_usd)
    FROM outcomes o JOIN temp.m{index} m ON m.segment = o.segment JOIN arms a ON a.id = o.arm
    WHERE o.span >= ? AND o.span < ? GROUP BY a.arm, m.number, o.outcome, o.reason, o.possible"""
OUTCOMES_OF_ROWS: Final = f"""SELECT r.arm, m.number, COALESCE(r.outcome, '') AS ended, COALESCE(r.reason, '') AS why,
    {summed.possible("r")} AS chance, COUNT(*), COUNT({summed.cost("e.cost_nano_usd")}),
    COALESCE(SUM({summed.cost("e.cost_nano_usd")}), 0)
    FROM replays r JOIN exchanges e ON e.exchange_id = r.exchange_id JOIN segments s ON {SEGMENT}
    JOIN temp.m{{index}} m ON m.segment = s.id
    WHERE r.exchange_id >= ? AND r.exchange_id < ? GROUP BY r.arm, m.number, ended, why, chance"""

# Rows with anomalies, which are few, out of an index that has no others.
ODD_EXCHANGES: Final = f"""SELECT '{PRIMARY}', e.anomalies, COUNT(*) FROM exchanges e INDEXED BY exchanges_odd
    WHERE e.anomalies <> '[]' AND e.exchange_id >= ? AND e.exchange_id < ? {{condition}} GROUP BY e.anomalies"""
ODD_REPLAYS: Final = """SELECT r.arm, r.anomalies, COUNT(*) FROM replays r INDEXED BY replays_odd {join}
    WHERE r.anomalies <> '[]' AND r.exchange_id >= ? AND r.exchange_id < ? {condition} GROUP BY r.arm, r.anomalies"""
OF_EXCHANGE: Final = "CROSS JOIN exchanges e ON e.exchange_id = r.exchange_id"

# The segments of the scope, each with its number in a breakdown; 0 are those that are not listed.
WANTED: Final = """CREATE TEMP TABLE wanted AS SELECT DISTINCT o.arm AS arm, o.segment AS segment
    FROM outcomes o JOIN segments s ON s.id = o.segment JOIN arms a ON a.id = o.arm WHERE {condition}
    ORDER BY o.arm, o.segment"""
NAMED: Final = "CREATE TEMP TABLE s{index} (number INTEGER PRIMARY KEY, {names}, UNIQUE ({names}))"
NUMBERED: Final = """CREATE TEMP TABLE m{index} AS SELECT s.id AS segment, {number} AS number FROM segments s {join}
    WHERE {condition}"""
NUMBERED_INDEX: Final = "CREATE UNIQUE INDEX temp.m{index}_of ON m{index} (segment, number)"

# The tried replays of a share of the draws, read in the order in which they lie.
_PAIRS: Final = """FROM {source} k CROSS JOIN pairs p ON p.arm = k.arm AND p.segment = k.segment
    AND p.draw >= ? AND p.draw < ? WHERE p.exchange_id >= ? AND p.exchange_id < ?"""
CELL: Final = (
    *("COUNT(*)", "COUNT(w)", "SUM(w)", "SUM(w * w)"),
    *(f"SUM({column})" for column in EXACT),
    *(f"SUM(w * {column})" for column in WEIGHTED),
)
SUMS: Final = tuple(f"x{number}" for number in range(len(CELL)))
CELLS: Final = f"""CREATE TEMP TABLE cells AS SELECT k.arm AS arm, k.segment AS segment, p.draw AS draw, p.code AS code,
    {", ".join(f"{what} AS {name}" for what, name in zip(CELL, SUMS, strict=True))}
    {_PAIRS.format(source="wanted")} GROUP BY k.rowid, p.draw, p.code"""
CELLS_OF: Final = f"""SELECT a.arm, m.number, c.draw, c.code, {", ".join(f"SUM(c.{name})" for name in SUMS)}
    FROM cells c JOIN temp.m{{index}} m ON m.segment = c.segment JOIN arms a ON a.id = c.arm
    GROUP BY a.arm, m.number, c.draw, c.code"""

SIDES: Final[tuple[tuple[str, Side], ...]] = tuple((name, side) for name, _ in DURATIONS for side in BOTH)
BUCKETS: Final = 2048  # more than there are, so that a segment and a bucket share one number, which is sorted fast
BUCKET_ZERO: Final = 1024  # the buckets of durations below a second are negative
HISTOGRAMS: Final = "CREATE TEMP TABLE histograms (duration INTEGER, place INTEGER, weight REAL)"
HISTOGRAM: Final = f"""INSERT INTO histograms
    SELECT {{duration}}, k.rowid * {BUCKETS} + {BUCKET_ZERO} + p.{{column}} AS place, SUM(p.w)
    {_PAIRS.format(source="wanted")} AND p.{{column}} IS NOT NULL AND p.w IS NOT NULL
    GROUP BY place"""
HISTOGRAMS_OF: Final = f"""SELECT a.arm, m.number, h.duration, h.place % {BUCKETS} - {BUCKET_ZERO} AS bucket,
    SUM(h.weight) FROM histograms h JOIN wanted k ON k.rowid = h.place / {BUCKETS}
    JOIN temp.m{{index}} m ON m.segment = k.segment JOIN arms a ON a.id = k.arm
    GROUP BY a.arm, m.number, h.duration, bucket"""

_CUT: Final = tuple(f"c{number}" for number in range(len(CUTS)))
CUT: Final = f"CREATE TEMP TABLE cuts (arm INTEGER, number INTEGER, {', '.join(_CUT)})"
ADD_CUT: Final = f"INSERT INTO cuts SELECT id, ?, {', '.join('?' * len(CUTS))} FROM arms WHERE arm = ?"
CUT_HERE: Final = """CREATE TEMP TABLE cut_here AS SELECT w.arm AS arm, w.segment AS segment, c.* FROM wanted w
    JOIN temp.m{index} m ON m.segment = w.segment JOIN cuts c ON c.arm = w.arm AND c.number = m.number"""


def below(asked: Collection[int]) -> str:
    """How much of each draw is in or below the cuts, of those that are asked for; the others take no time."""
    sums = [f"SUM(p.w * (p.{side[0]}_{name} <= k.c{number}))" for number, (name, side, _) in enumerate(CUTS)]
    inner = [f"{what if number in asked else 'NULL'} AS b{number}" for number, what in enumerate(sums)]
    return f"""SELECT a.arm, b.number, b.draw, {", ".join(f"SUM(b.b{number})" for number in range(len(CUTS)))}
    FROM (SELECT k.arm AS arm, k.number AS number, k.segment AS segment, p.draw AS draw, {", ".join(inner)}
    {_PAIRS.format(source="cut_here")} GROUP BY k.rowid, p.draw) b
    JOIN arms a ON a.id = b.arm GROUP BY a.arm, b.number, b.draw"""
