"""Completes what the forwarder found out about who asks: rules that look into the body, and the tenant's plan. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from shadow.config import AttributionRules, Registry, Rule
from shadow.exchange import Attribution, Exchange
from shadow.wire.request import InferenceRequest

VALUE_CHARACTERS: Final = 256  # as the forwarder bounds what it finds in headers

Path = tuple[str, ...]  # keys from the body's top, one a level


class BodyAttribution:
    """The recorder's share of one configuration's attribution."""

    def __init__(self, rules: AttributionRules, registry: Registry) -> None:
        self._tenant = _paths(rules.tenant)
        self._feature = _paths(rules.feature)
        self._tenants = registry.tenants

    def complete(self, exchange: Exchange, request: InferenceRequest | None) -> Exchange:
        """The exchange with all that its request tells of its caller. What the forwarder found stays."""
        known = exchange.attribution
        tenant, feature = known.tenant, known.feature
        if (tenant is None and self._tenant) or (feature is None and self._feature):
            body = {} if request is None else request.body
            tenant = tenant or _first(self._tenant, body)
            feature = feature or _first(self._feature, body)
        complete = Attribution(tenant, feature, self._plan(tenant), known.key_fingerprint)
        return exchange if complete == known else replace(exchange, attribution=complete)

    def _plan(self, tenant: str | None) -> str | None:
        registered = None if tenant is None else self._tenants.get(tenant)
        return None if registered is None else registered.plan


def _paths(rules: Iterable[Rule]) -> tuple[Path, ...]:
    return tuple(tuple(rule.body.split(".")) for rule in rules if rule.body is not None)


def _first(paths: Iterable[Path], body: Mapping[str, Any]) -> str | None:
    return next((found for path in paths if (found := _at(path, body))), None)


def _at(path: Path, body: Any) -> str | None:
    """The text or whole number at a path, bounded and printable; None where there is none."""
    for key in path:
        if not isinstance(body, Mapping):
            return None
        body = body.get(key)
    if isinstance(body, bool) or not isinstance(body, str | int):
        return None
    found = str(body)[:VALUE_CHARACTERS].strip()
    return found if found.isprintable() and found else None
