"""The statements with which a scope is added up inside ClickHouse: what `shadow.store.queries` is to SQLite.

What is known of a row, and which amounts are summed, is said by the same expressions (`shadow.store.summed`), and a
pair's figures were computed when it was written. Placeholders in braces are names, numbers and literals of our own.
Every table is read with FINAL: a row may have been sent twice and not be merged yet.
"""

from typing import Final

from shadow.exchange import PRIMARY
from shadow.report.gathering import CUTS
from shadow.report.totals import Dimension
from shadow.store import summed
from shadow.store.queries import CELL, SIDES

EXCHANGE: Final[dict[Dimension, str]] = {
    "tenant": "ifNull(e.tenant, '')",
    "feature": "ifNull(e.feature, '')",
    "plan": "ifNull(e.plan, '')",
    "model": "ifNull(e.request_model, '')",
}
REPLAY: Final[dict[Dimension, str]] = {
    "tenant": "ifNull(r.tenant, '')",
    "feature": "ifNull(r.feature, '')",
    "plan": "ifNull(r.plan, '')",
    "model": "ifNull(r.primary_request_model, '')",
}

ENDS: Final = """SELECT count(), hex(min(exchange_id)), hex(max(exchange_id)) FROM {database}.exchanges AS e
    WHERE {condition}"""
ARMS: Final = """SELECT r.arm, hex(min(r.exchange_id)), hex(max(r.exchange_id)) FROM {database}.replays AS r
    WHERE {condition} GROUP BY r.arm"""
TRAFFIC: Final = f"""SELECT {summed.known("e")} AS known, ifNull(e.error_kind, '') AS kind, count(),
    ifNull(sum({summed.cost("e.cost_nano_usd")}), 0) {{dimensions}}
    FROM {{database}}.exchanges AS e FINAL WHERE {{condition}} GROUP BY known, kind {{dimensions}}"""
OUTCOMES: Final = f"""SELECT r.arm, {{number}} AS number, ifNull(r.outcome, '') AS ended, ifNull(r.reason, '') AS why,
    {summed.possible("r")} AS chance, count(), count({summed.cost("r.primary_cost_nano_usd")}),
    ifNull(sum({summed.cost("r.primary_cost_nano_usd")}), 0)
    FROM {{database}}.replays AS r FINAL WHERE {{condition}} GROUP BY r.arm, number, ended, why, chance"""
CELLS: Final = f"""SELECT r.arm, {{number}} AS number, draw, code, {", ".join(CELL)}
    FROM {{database}}.replays AS r FINAL WHERE code IS NOT NULL AND {{condition}} GROUP BY r.arm, number, draw, code"""
_SIDES: Final = ", ".join(f"r.{side[0]}_{name}" for name, side in SIDES)
HISTOGRAMS: Final = f"""SELECT r.arm, {{number}} AS number, side, bucket, sum(r.w)
    FROM {{database}}.replays AS r FINAL ARRAY JOIN {list(range(len(SIDES)))} AS side, [{_SIDES}] AS bucket
    WHERE bucket IS NOT NULL AND r.w IS NOT NULL AND {{condition}} GROUP BY r.arm, number, side, bucket"""
ODD_EXCHANGES: Final = f"""SELECT '{PRIMARY}', ifNull(e.anomalies, '[]') AS words, count()
    FROM {{database}}.exchanges AS e FINAL WHERE words != '[]' AND {{condition}} GROUP BY words"""
ODD_REPLAYS: Final = """SELECT r.arm, ifNull(r.anomalies, '[]') AS words, count()
    FROM {database}.replays AS r FINAL WHERE words != '[]' AND {condition} GROUP BY r.arm, words"""
GROUPED: Final = (CELLS, HISTOGRAMS, OUTCOMES)
# `place` is the number of an arm and segment; each cut is a bucket by it.
_BELOW: Final = ", ".join(f"sum(w * ({side[0]}_{name} <= {{cut{at}}}))" for at, (name, side, _) in enumerate(CUTS))
BELOW: Final = f"""SELECT arm, number, draw, {_BELOW}
    FROM (SELECT r.arm AS arm, {{number}} AS number, toInt32({{arm}} * {{groups}} + number) AS place,
        r.draw AS draw, r.w AS w,
        {", ".join(f"r.{side[0]}_{name} AS {side[0]}_{name}" for name, side in SIDES)}
        FROM {{database}}.replays AS r FINAL WHERE r.w IS NOT NULL AND r.p_total IS NOT NULL AND {{condition}})
    GROUP BY arm, number, draw"""
