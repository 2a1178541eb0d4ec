"""Whose prompts a candidate may see. Consent is a tenant's; the configuration only says what silence means."""

from shadow.config import Config


def consents(config: Config, tenant: str | None, candidate: str) -> bool:
    """Whether a tenant's prompts may reach a candidate.

    What the registry says of the tenant decides; for tenants it is silent about, and for exchanges that no tenant
    owns, `consent_default`.
    """
    entry = config.registry.tenants.get(tenant) if tenant is not None else None
    if entry is not None and entry.consent is not None:
        return candidate in entry.consent
    return config.consent_default == "allow"
