"""Whose prompts reach whom."""

import pytest

from shadow.configfile import parse
from shadow.mirror.consent import consents


@pytest.fixture
def settings(tmp_path):
    """A configuration with a registry, and what silence means."""

    def make(default):
        (tmp_path / "registry.yaml").write_text(
            "tenants:\n"
            "  willing: {consent: [ferry]}\n"
            "  picky: {consent: [other]}\n"
            "  closed: {consent: []}\n"
            "  silent: {plan: pro}\n"
        )
        text = (
            "upstream: {url: 'https://openrouter.ai'}\nregistry: registry.yaml\n"
            f"consent_default: {default}\n"
            "candidates:\n"
            "- {name: ferry, url: 'https://a.example/v1', models: {}}\n"
            "- {name: other, url: 'https://b.example/v1', models: {}}\n"
        )
        return parse(text, tmp_path, {})

    return make


@pytest.mark.parametrize("default", ["allow", "deny"])
@pytest.mark.parametrize(("tenant", "expected"), [("willing", True), ("picky", False), ("closed", False)])
def test_what_a_tenant_said_holds(settings, default, tenant, expected):
    """The registry's word is final, whatever the default is."""
    assert consents(settings(default), tenant, "ferry") is expected


@pytest.mark.parametrize("tenant", ["silent", "unknown", None])
def test_silence_means_what_the_configuration_says(settings, tenant):
    """Tenants that said nothing, unknown ones and nobody's exchanges follow the default."""
    assert consents(settings("allow"), tenant, "ferry") is True
    assert consents(settings("deny"), tenant, "ferry") is False
