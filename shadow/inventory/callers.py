"""Who calls, for what, with which key. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from shadow.config import Registry, Tenant
from shadow.inventory import rules
from shadow.inventory.document import Column, Section, Value, section, usd
from shadow.inventory.facts import Calls, Facts, KeyUse

NAMES_MOST: Final = 3  # of the tenants of a key
CALLS: Final = Column("calls", "calls", "count")
COST: Final = Column("cost_usd", "cost, USD", "usd")
UNKNOWN: Final = Column("cost_unknown", "unknown cost", "count")
MEANS: Final = Column("means", "for the move")
TENANTS: Final = (
    Column("tenant", "tenant", "label"),
    Column("plan", "plan"),
    Column("billing_owner", "billing owner"),
    Column("allowance_usd_per_month", "allowance, USD", "usd"),
    CALLS,
    COST,
    UNKNOWN,
    Column("candidates", "may be sent to", "words"),
    Column("depends_on", "only OpenRouter does", "words"),
    MEANS,
)
FEATURES: Final = (
    Column("feature", "feature", "label"),
    Column("endpoints", "endpoints", "words"),
    Column("uses", "uses", "words"),
    Column("budget_usd_per_month", "budget, USD", "usd"),
    CALLS,
    COST,
    UNKNOWN,
    MEANS,
)
KEYS: Final = (
    Column("key_fingerprint", "key", "label"),
    Column("environment", "environment"),
    Column("tenants", "tenants", "words"),
    Column("first_at", "first seen", "time"),
    Column("last_at", "last seen", "time"),
    CALLS,
    COST,
    Column("byok_calls", "own provider key", "count"),
    MEANS,
)


@dataclass(slots=True)
class _Group:
    """What is gathered of one name."""

    calls: Calls = field(default_factory=Calls)
    uses: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)  # plans of a tenant, endpoints of a feature
    tenants: Counter[str] = field(default_factory=Counter)
    provider_keys: bool = False

    @property
    def depends(self) -> frozenset[str]:
        return frozenset(self.uses & rules.OPENROUTER_ONLY.keys())


def tenants(facts: Facts, registry: Registry, candidates: tuple[str, ...], silent_consents: bool) -> Section:
    """The tenants by what they spend, with what the registry says of them.

    `silent_consents`: a tenant of which it says nothing may be sent to every candidate.
    """
    found: dict[str, _Group] = defaultdict(_Group)
    for use in facts.tenants:
        one = found[use.tenant]
        one.calls.add(use.calls)
        one.uses |= use.uses
        one.words |= {use.plan} - {""}
    meaning = (
        "Who has to be told, who pays, and what must be replaced before each can move. A tenant whose prompts no "
        "candidate may see is not compared: ask for its consent first."
    )
    rows = (
        _tenant(name, one, registry.tenants.get(name, Tenant()), candidates, silent_consents)
        for name, one in _ranked(found)
    )
    return section("tenants", "Tenants", meaning, TENANTS, rows)


def features(facts: Facts, registry: Registry) -> Section:
    """The features of the product by what they spend, with what the registry lets them cost."""
    found: dict[str, _Group] = defaultdict(_Group)
    for use in facts.features:
        one = found[use.feature]
        one.calls.add(use.calls)
        one.uses |= use.uses
        one.words.add(use.path)
    meaning = "Features move one by one: begin with one that uses little of the API, matters least and is compared."
    rows = (
        (
            name or None,
            tuple(sorted(one.words)),
            tuple(sorted(one.uses)),
            registry.feature_budgets_usd_per_month.get(name),
            one.calls.calls,
            usd(one.calls.cost_nano, one.calls.cost_known),
            one.calls.cost_unknown,
            rules.of_feature(name, frozenset(one.words), one.depends),
        )
        for name, one in _ranked(found)
    )
    return section("features", "Features", meaning, FEATURES, rows)


def keys(facts: Facts, registry: Registry) -> Section:
    """The keys in use, by fingerprint, those with the most calls first."""
    found: dict[str, _Group] = defaultdict(_Group)
    for use in facts.keys:
        _add_key(found[use.fingerprint], use)
    meaning = (
        "In the next phase every tenant gets a key of its own, so that each request has an owner and a leaked key a "
        "small reach. Keys are shown as fingerprints; “first seen” is within this period."
    )
    ranked = sorted(found.items(), key=lambda item: (-item[1].calls.calls, item[0]))
    return section("keys", "Keys", meaning, KEYS, (_key(name, one, registry) for name, one in ranked))


def _tenant(
    name: str, one: _Group, entry: Tenant, candidates: tuple[str, ...], silent_consents: bool
) -> tuple[Value, ...]:
    allowed = entry.consent if entry.consent is not None else (candidates if silent_consents else ())
    return (
        name or None,
        entry.plan or ", ".join(sorted(one.words)) or None,
        entry.billing_owner,
        entry.allowance_usd_per_month,
        one.calls.calls,
        usd(one.calls.cost_nano, one.calls.cost_known),
        one.calls.cost_unknown,
        tuple(allowed),
        tuple(sorted(one.depends)),
        rules.of_tenant(name, one.depends, one.calls.cost_unknown),
    )


def _add_key(one: _Group, use: KeyUse) -> None:
    one.calls.add(use.calls)
    one.tenants[use.tenant] += use.calls.calls
    one.provider_keys |= use.provider_keys


def _key(name: str, one: _Group, registry: Registry) -> tuple[Value, ...]:
    named = [tenant for tenant, _ in one.tenants.most_common() if tenant]
    byok = one.provider_keys or one.calls.byok > 0
    more = (f"and {len(named) - NAMES_MOST} more",) if len(named) > NAMES_MOST else ()
    return (
        name or None,
        registry.environments.get(name),
        (*named[:NAMES_MOST], *more),
        datetime.fromtimestamp(one.calls.first_at, UTC),
        datetime.fromtimestamp(one.calls.last_at, UTC),
        one.calls.calls,
        usd(one.calls.cost_nano, one.calls.cost_known),
        one.calls.byok,
        rules.of_key(len(named), not named, byok) if name else "no key was sent",
    )


def _ranked(found: dict[str, _Group]) -> Iterator[tuple[str, _Group]]:
    """Those that spend most first."""
    yield from sorted(found.items(), key=lambda item: (-item[1].calls.cost_nano, -item[1].calls.calls, item[0]))
