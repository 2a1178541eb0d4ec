"""Tenants, features and keys: who they are, and what is to be done before they move."""

from decimal import Decimal

import pytest

from shadow.config import Registry, Tenant
from shadow.inventory.callers import features, keys, tenants
from shadow.inventory.facts import Calls, Facts, FeatureUse, KeyUse, TenantUse
from tests.inventory.reading import only, rows

CHAT = "/api/v1/chat/completions"
REGISTRY = Registry(
    tenants={
        "acme": Tenant(
            plan="pro", billing_owner="pay@acme.example", allowance_usd_per_month=Decimal(200), consent=("x",)
        ),
        "globex": Tenant(consent=()),
    },
    environments={"f" * 32: "production"},
    feature_budgets_usd_per_month={"chat": Decimal(500)},
)


def spent(nano: int = 0, calls: int = 1, **more: int) -> Calls:
    return Calls(calls, answered=calls, cost_known=calls, cost_nano=nano, **more)


def test_a_tenant_is_one_row_with_what_the_registry_says() -> None:
    """Plan, owner, allowance, spend, and where its prompts may go; those that spend most come first."""
    uses = [
        TenantUse("globex", "free", frozenset(), spent(5)),
        TenantUse("acme", "old", frozenset({"plugins"}), spent(10**9)),
        TenantUse("acme", "pro", frozenset({"tools"}), spent(10**9)),
        TenantUse("initech", "", frozenset(), spent(1)),
    ]
    found = tenants(Facts(tenants=uses), REGISTRY, ("x", "y"), silent_consents=True)
    acme, globex, initech = rows(found)
    assert (acme["tenant"], acme["plan"], acme["billing_owner"]) == ("acme", "pro", "pay@acme.example")
    assert (acme["allowance_usd_per_month"], acme["cost_usd"], acme["calls"]) == (200, 2, 2)
    assert (acme["depends_on"], acme["means"]) == (("plugins",), "needs a replacement for plugins")
    assert [one["candidates"] for one in (acme, globex, initech)] == [("x",), (), ("x", "y")]
    assert (globex["plan"], initech["plan"], initech["means"]) == ("free", None, "base URL and key")


def test_silence_is_no_consent_unless_it_is_said_to_be() -> None:
    """With `consent_default: deny`, a tenant that the registry does not know is sent nowhere."""
    found = tenants(
        Facts(tenants=[TenantUse("initech", "", frozenset(), spent())]), REGISTRY, ("x",), silent_consents=False
    )
    assert rows(found)[0]["candidates"] == ()


def test_nobody_is_found_first() -> None:
    """Calls that no rule attributed are a row, and so is spend that is not known."""
    unattributed = TenantUse("", "", frozenset(), Calls(3, answered=3, cost_known=1))
    [row] = rows(tenants(Facts(tenants=[unattributed]), Registry(), (), silent_consents=False))
    assert (row["tenant"], row["cost_unknown"]) == (None, 2)
    assert row["means"] == "find out who this is before anything moves; its spend is not wholly known"


def test_a_feature_says_what_is_not_compared() -> None:
    """Only chat completions are replayed; what only OpenRouter does needs a replacement. A budget is the registry's."""
    uses = [
        FeatureUse("chat", CHAT, frozenset({"stream"}), spent(2)),
        FeatureUse("search", "/api/v1/embeddings", frozenset(), spent(1)),
        FeatureUse("agents", CHAT, frozenset({"fallbacks", "tools"}), spent(3)),
    ]
    found = features(Facts(features=uses), REGISTRY)
    assert only(found, feature="chat")["means"] == "only what every gateway speaks"
    assert only(found, feature="search")["means"] == "not compared: /api/v1/embeddings"
    assert [only(found, feature=name)["budget_usd_per_month"] for name in ("chat", "search")] == [Decimal(500), None]
    assert only(found, feature="agents")["uses"] == ("fallbacks", "tools")
    assert only(found, feature="agents")["means"] == "needs a replacement for fallbacks"


@pytest.mark.parametrize(
    ("uses", "means"),
    [
        ([("acme", False, 0)], "one owner: replace it at any time"),
        ([("acme", False, 0), ("globex", False, 0)], "shared by 2 tenants: each gets a key of its own"),
        ([("", False, 0)], "nobody's: find its owner, or retire it"),
        ([("acme", True, 0)], "uses provider keys of its own: settle who holds them"),
        ([("acme", False, 1)], "uses provider keys of its own: settle who holds them"),
    ],
)
def test_a_key_is_shared_owned_or_nobodys(uses: list[tuple[str, bool, int]], means: str) -> None:
    """What becomes of it depends on that."""
    found = keys(
        Facts(keys=[KeyUse("f" * 32, tenant, sent, spent(byok=byok)) for tenant, sent, byok in uses]), REGISTRY
    )
    [row] = rows(found)
    assert (row["environment"], row["means"]) == ("production", means)


def test_a_key_has_an_age() -> None:
    """From its first to its last call in the period."""
    day = 86_400.0
    uses = [
        KeyUse("e" * 32, name, False, spent(first_at=at * day, last_at=at * day)) for name, at in (("a", 2), ("b", 1))
    ]
    [row] = rows(keys(Facts(keys=uses), REGISTRY))
    assert (f"{row['first_at']:%d}", f"{row['last_at']:%d}", row["environment"]) == ("02", "03", None)
    assert row["tenants"] == ("a", "b")
