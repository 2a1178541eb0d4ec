"""The statements with which a period is added up inside SQLite, and what their columns mean.

Placeholders in braces are filled in by `shadow.store.sums` with names and numbers of its own; values are bound.
"""

from typing import Final

from shadow.report.totals import Dimension

BUCKETS: Final = 2048  # more than there are, so that a group and a bucket share one number
BUCKET_ZERO: Final = 1024  # the buckets of durations below a second are negative

COLUMNS: Final[dict[Dimension, str]] = {
    "tenant": "e.tenant",
    "feature": "e.feature",
    "plan": "e.plan",
    "model": "e.request_model",
}

# What is known of an exchange, as bits: those of one kind are grouped together, and a group has little to carry.
CALL, WHOLE, GONE, NO_ERROR, COST, TENANT, FEATURE = (1 << bit for bit in range(7))
TRAFFIC: Final = """SELECT (e.inference IS TRUE) + 2 * (e.outcome = 'complete') + 4 * (e.outcome = 'client_cancelled')
    + 8 * (e.error_kind IS NULL) + 16 * (e.cost_nano_usd IS NOT NULL) + 32 * (e.tenant IS NOT NULL)
    + 64 * (e.feature IS NOT NULL) AS known, COUNT(*), SUM(e.cost_nano_usd) {dimensions}
    FROM exchanges e WHERE {condition} GROUP BY {columns} known"""

# What was never to be replayed has no weight: a rate of 0, a client's or a tenant's refusal.
OUTCOMES: Final = """SELECT {group}, r.outcome, r.reason,
    r.probability > 0 AND r.reason IS NOT 'consent' AS possible,
    COUNT(*), SUM(1.0 / r.probability), COUNT(e.cost_nano_usd), SUM(e.cost_nano_usd)
    FROM replays r JOIN exchanges e USING (exchange_id) JOIN arms a ON a.arm = r.arm {joins}
    WHERE r.outcome IS NOT 'completed' AND {condition} GROUP BY 1, 2, 3, 4"""

ARMS: Final = """SELECT arm, MIN(exchange_id), MAX(exchange_id) FROM replays
    WHERE exchange_id >= ? AND exchange_id < ? {condition} GROUP BY arm"""

# What is known of a completed replay, as bits: those of one kind are grouped together, so that all sums of a group
# are over the same pairs, and a kind that lacks something is counted and left out.
PAIRED, PRIMARY_COST, CANDIDATE_COST, NORMALISED, TTFT, TOTAL = (1 << bit for bit in range(6))
KINDS: Final = 64
COPY: Final = """CREATE TEMP TABLE pairs AS SELECT {groups}, 1.0 / r.probability AS w, r.conversation AS talk,
    (e.outcome = 'complete' AND e.error_kind IS NULL)
    + 2 * (e.cost_nano_usd IS NOT NULL) + 4 * (r.cost_nano_usd IS NOT NULL)
    + 8 * (e.cost_normalised_nano_usd IS NOT NULL AND r.cost_normalised_nano_usd IS NOT NULL)
    + 16 * (e.ttft_bucket IS NOT NULL AND r.ttft_bucket IS NOT NULL)
    + 32 * (e.total_bucket IS NOT NULL AND r.total_bucket IS NOT NULL) AS known,
    e.cost_nano_usd AS p_cost, r.cost_nano_usd AS c_cost,
    e.cost_normalised_nano_usd AS p_normalised, r.cost_normalised_nano_usd AS c_normalised,
    e.ttft_bucket AS p_ttft, r.ttft_bucket AS c_ttft, e.total_bucket AS p_total, r.total_bucket AS c_total,
    (r.cost_nano_usd - e.cost_nano_usd) / r.probability AS x_cost,
    (r.cost_normalised_nano_usd - e.cost_normalised_nano_usd) / r.probability AS x_normalised,
    (r.ttft_s - e.ttft_s) / r.probability AS x_ttft, (r.total_s - e.total_s) / r.probability AS x_total
    FROM replays r JOIN exchanges e USING (exchange_id) JOIN arms a ON a.arm = r.arm {joins}
    WHERE r.outcome = 'completed' AND {condition}"""
MEASURES: Final = (
    ("cost", PRIMARY_COST | CANDIDATE_COST),
    ("normalised", NORMALISED),
    ("ttft", TTFT),
    ("total", TOTAL),
)
FIRST: Final = (
    *(f"SUM(x_{name})" for name, _ in MEASURES),
    *(f"SUM(p_{name}), SUM(c_{name}), SUM(w * p_{name})" for name in ("cost", "normalised")),
)
SUMS: Final = """SELECT {group} * {kinds} + known AS k,
    COUNT(*), COUNT(w), SUM(w), {sums} FROM pairs GROUP BY k"""
# Sums of every conversation of an arm; a pair without one is one of its own.
TALKS: Final = """CREATE TEMP TABLE talks AS SELECT {arm} AS arm, COALESCE(talk, -rowid) AS talk,
    MIN({group}) AS least, MAX({group}) AS most, {inner}
    FROM pairs WHERE known & {paired} AND w IS NOT NULL GROUP BY 1, 2"""
WITHIN: Final = "SELECT least, {outer} FROM talks WHERE least = most GROUP BY 1"
ACROSS: Final = """SELECT k, {outer} FROM (SELECT {group} AS k, {inner} FROM pairs
    WHERE known & {paired} AND w IS NOT NULL AND ({arm}, talk) IN (SELECT arm, talk FROM talks WHERE least <> most)
    GROUP BY k, talk) GROUP BY k"""
INNER: Final = ", ".join(
    f"SUM(w) FILTER (WHERE x_{name} IS NOT NULL) AS w_{name}, SUM(x_{name}) AS wx_{name}" for name, _ in MEASURES
)
OUTER: Final = ", ".join(
    f"COUNT(w_{name}), SUM(w_{name} * w_{name}), SUM(w_{name} * wx_{name}), SUM(wx_{name} * wx_{name})"
    for name, _ in MEASURES
)
HISTOGRAM: Final = """SELECT {group} * {buckets} + {zero} + {bucket} AS k, SUM(w) FROM pairs
    WHERE known & {known} = {known} AND w IS NOT NULL GROUP BY k"""
