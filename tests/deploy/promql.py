"""What an expression in PromQL mentions, read closely enough to hold it to the metrics of the code."""

import re
from collections.abc import Iterator
from typing import Any

from shadow.exchange import Outcome, ReplayOutcome
from shadow.forward import metrics as forwarded
from shadow.mirror.reasons import REASONS
from shadow.record import metrics as recorded
from shadow.record.metrics import NO_REASON
from shadow.record.pairs import PRIMARY_SIDE, REPLAY_SIDE
from shadow.store.errors import Trouble

TEXT = re.compile(r'"[^"]*"')
METRIC = re.compile(r"(?<![\w:])(shadow_\w+|up)\b(\{[^}]*\})?")
RECORDED = re.compile(r"(?<![\w:])shadow:\w+:\w+")
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
OF_THE_SCRAPE = frozenset({"job", "instance"})
MATCHER = re.compile(r'\b(\w+)(?:=~|!~|!=|=)"([^"$]*)"')
# What labels of closed sets may be. `arm`, `tenant`, `feature` and `model` are open.
VALUES: dict[str, set[str]] = {
    "agrees": {"yes", "no"},
    "outcome": {*Outcome, *ReplayOutcome},
    "question": {"finish_reason", "tool_names", "tool_calls", "json", "schema", "refusal"},
    "reason": {NO_REASON}.union(*REASONS.values()),
    "result": {*forwarded.HANDOFF_RESULTS, *recorded.DelayedCost, *recorded.KeptBodies, *recorded.SpanResult},
    "side": {PRIMARY_SIDE, REPLAY_SIDE},
    "trouble": set(Trouble),
}


def metrics_of_the_code() -> dict[str, frozenset[str]]:
    """Every series a running sidecar can expose, by the name that a query uses, with its labels."""
    found: dict[str, frozenset[str]] = {"up": frozenset()}
    for registry in (forwarded.Metrics(()).registry, recorded.Metrics().registry):
        for collector in registry._collector_to_names:
            for name, kind, labels in _families(collector):
                if kind == "histogram":
                    found |= {f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels, f"{name}_count": labels}
                else:
                    found[f"{name}_total" if kind == "counter" else name] = labels
    return found


def _families(collector: Any) -> Iterator[tuple[str, str, frozenset[str]]]:
    if hasattr(collector, "_labelnames"):  # a metric of the client library: it shows no family without a child
        yield collector._name, collector._type, frozenset(collector._labelnames)
        return
    for family in collector.collect():
        yield family.name, family.type, frozenset(family._labelnames)


def mistakes(expression: str, known: dict[str, frozenset[str]]) -> list[str]:
    """Metrics that do not exist, labels that those it reads do not have, and values that no such label takes."""
    bare = TEXT.sub('""', expression)
    found, labels = [], set(OF_THE_SCRAPE)
    for name, matchers in METRIC.findall(bare):
        if name not in known:
            found.append(f"there is no metric {name}")
            continue
        labels |= known[name]
        asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
        found += [f"{name} has no label {label}" for label in sorted(asked - known[name] - OF_THE_SCRAPE)]
    grouped = {label.strip() for group in GROUPING.findall(bare) for label in group.split(",") if label.strip()}
    if not RECORDED.search(bare):
        found += [f"nothing here has a label {label}" for label in sorted(grouped - labels)]
    for label, asked_for in MATCHER.findall(expression):
        odd = set(asked_for.split("|")) - VALUES.get(label, {asked_for, *asked_for.split("|")})
        found += [f"{label} is never {value}" for value in sorted(odd)]
    return found


def names(expression: str) -> set[str]:
    """The metrics and recorded series that an expression reads."""
    bare = TEXT.sub('""', expression)
    return {name for name, _ in METRIC.findall(bare)} | set(RECORDED.findall(bare))
