"""The migration's inventory: all sections over one set of facts. Pure."""

from datetime import UTC, datetime

from shadow.config import Config, Registry
from shadow.inventory.billing import costs, dependencies, tokens
from shadow.inventory.callers import features, keys, tenants
from shadow.inventory.compatibility import compatibility
from shadow.inventory.document import Document
from shadow.inventory.facts import Facts
from shadow.inventory.models import models


def inventory(facts: Facts, config: Config | None) -> Document:
    """The document. Without a configuration it says nothing of what only the registry knows."""
    registry = config.registry if config else Registry()
    candidates = tuple(one.name for one in config.candidates) if config else ()
    silent_consents = config is not None and config.consent_default == "allow"
    return Document(
        _time(facts.first_at),
        _time(facts.last_at),
        sum(use.calls.calls for use in facts.models),
        (
            models(facts),
            tenants(facts, registry, candidates, silent_consents),
            features(facts, registry),
            keys(facts, registry),
            tokens(facts),
            costs(facts),
            dependencies(facts),
            compatibility(facts),
        ),
    )


def _time(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)
