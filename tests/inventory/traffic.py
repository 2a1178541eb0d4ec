"""Made-up calls for the inventory, each with one thing of its own."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

from shadow.exchange import (
    Attribution,
    Cost,
    CostSource,
    Observation,
    Outcome,
    Recorded,
    Replay,
    ReplayOutcome,
    Rewrite,
    Usage,
)
from tests.report.population import BEGUN, exchange, observation, replay

KEY, OTHER_KEY = "a" * 32, "b" * 32
CHAT, EMBEDDINGS = "/api/v1/chat/completions", "/api/v1/embeddings"


def call(
    at: int = 0,
    tenant: str | None = "acme",
    feature: str | None = "chat",
    *,
    key: str | None = KEY,
    path: str = CHAT,
    outcome: Outcome = Outcome.COMPLETE,
    ended: tuple[Replay, ...] = (),
    **seen: Any,
) -> Recorded:
    """One model call, `at` seconds after the beginning."""
    one = exchange(BEGUN + at, tenant=tenant, feature=feature, outcome=outcome)
    one = replace(one, attribution=Attribution(tenant, feature, "pro" if tenant else None, key), path=path)
    facts: dict[str, Any] = {
        "request_model": "vendor/model-1",
        "response_model": "vendor/model-1-2026-01-01",
        "provider": "Vendor",
        "usage": Usage(1234, 56, 1000, 0, 6),
        "cost": Cost(Decimal("0.25"), CostSource.REPORTED),
    }
    return Recorded(one, replace(observation(), **{**facts, **seen}), ended)


def replays_of(one: Recorded, *ends: tuple[str, str | None, dict[str, Any]]) -> Recorded:
    """The call with what became of it on an arm of its own for each end."""
    made = []
    for number, (outcome, reason, changes) in enumerate(ends):
        ended = replay(one.exchange, ReplayOutcome(outcome), reason, arm=f"arm-{number}")
        sent = replace(one.exchange, arm=ended.arm) if outcome in ("failed", "completed") else None
        made.append(replace(ended, exchange=sent, **changes))
    return replace(one, ended=tuple(made))


def traffic() -> Iterator[Recorded]:
    """A little of everything that the inventory asks about."""
    yield call(0, client_timeout_s=600.0)
    yield call(1, client_timeout_s=30.0, stream=False)
    yield call(2, "globex", "agents", features=frozenset({"tools", "fallbacks"}), response_model="other/model-2")
    yield call(3, "globex", "agents", key=OTHER_KEY, byok=True, cost=Cost(Decimal("0.5"), CostSource.CATALOGUE))
    yield call(4, None, None, key=None, request_model=None, response_model=None, cost=Cost(), usage=Usage())
    yield call(5, "acme", "search", path=EMBEDDINGS, features=frozenset({"provider_keys"}))
    yield call(6, outcome=Outcome.CLIENT_CANCELLED, cost=Cost())
    yield call(7, error_kind="rate_limited", cost=Cost())
    listing = call(8)
    yield replace(listing, observation=Observation())  # no model call
    yield replays_of(
        call(9, features=frozenset({"tools"})),
        ("completed", None, {"rewrite": Rewrite(dropped=("seed",))}),
        ("failed", "param_rejected", {"rejected_parameter": "logit_bias"}),
        ("ineligible", "server_tools", {}),
        ("failed", "server_error", {}),
    )
