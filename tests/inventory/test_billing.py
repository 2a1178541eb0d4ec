"""Tokens, where costs come from, and what only OpenRouter does."""

from decimal import Decimal

from shadow.inventory.billing import costs, dependencies, tokens
from shadow.inventory.facts import Calls, Facts, ModelUse, TenantUse
from shadow.inventory.rules import OPENROUTER_ONLY
from shadow.wire.features import FEATURES
from tests.inventory.reading import only, rows


def use(source: str, **counts: int) -> ModelUse:
    return ModelUse("m", "m", "P", source, Calls(**counts))


def test_tokens_are_shares_of_what_they_are_part_of() -> None:
    """Cached ones of the input, reasoning of the output, over all models."""
    counts = {"input_tokens": 50, "cache_read_input_tokens": 20, "output_tokens": 10, "reasoning_output_tokens": 5}
    found = tokens(Facts(models=[use("reported", calls=1, **counts), use("unknown", calls=1, **counts)]))
    assert [(row["kind"], row["count"], row["share"]) for row in rows(found)] == [
        ("input", 100, None),
        ("cache read", 40, 0.4),
        ("cache write", 0, 0.0),
        ("output", 20, None),
        ("reasoning", 10, 0.5),
    ]


def test_costs_are_told_apart_by_where_they_come_from() -> None:
    """The best source first; unknown is counted and has no sum."""
    uses = [
        use("unknown", calls=2),
        use("catalogue", calls=1, cost_known=1, cost_nano=5),
        use("reported", calls=3, cost_known=3, cost_nano=10**9, byok=1),
    ]
    assert [
        (row["source"], row["calls"], row["byok_calls"], row["cost_usd"]) for row in rows(costs(Facts(models=uses)))
    ] == [
        ("reported", 3, 1, Decimal(1)),
        ("catalogue", 1, 0, Decimal("0.000000005")),
        ("unknown", 2, 0, None),
    ]


def test_dependencies_are_counted_by_tenant() -> None:
    """One use may need several replacements; what every gateway does is none."""
    uses = [
        TenantUse("a", "", frozenset({"fallbacks", "plugins", "tools"}), Calls(3)),
        TenantUse("b", "", frozenset({"plugins"}), Calls(2)),
    ]
    found = dependencies(Facts(tenants=uses))
    assert [row["dependency"] for row in rows(found)] == ["plugins", "fallbacks"]
    plugins = only(found, dependency="plugins")
    assert (plugins["tenants"], plugins["calls"], plugins["cost_usd"]) == (2, 5, None)


def test_what_only_openrouter_does_can_be_seen() -> None:
    """Each of it is a feature that requests are read for."""
    assert OPENROUTER_ONLY.keys() <= FEATURES
