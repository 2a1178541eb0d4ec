"""What the demo writes is a valid configuration that says what the demo is about."""

import stat
from pathlib import Path

from shadow.config import Config
from shadow.configfile import parse
from shadow.demo import settings
from shadow.demo.settings import Places
from shadow.demo.workload import TENANTS
from shadow.fingerprint import fingerprint

PLACES = Places("127.0.0.1:1", "127.0.0.1:2", "http://127.0.0.1:3", "http://127.0.0.1:4", "http://127.0.0.1:5")


def read(directory: Path) -> Config:
    """The configuration that was written, with nothing in the environment."""
    path = settings.write(directory, PLACES)
    return parse(path.read_text(), path.parent, {})


def test_it_is_valid_as_it_stands(tmp_path: Path) -> None:
    """No variable of the environment is needed, then or later."""
    config = read(tmp_path)
    assert (str(config.listen), config.upstream.url) == ("127.0.0.1:1", "http://127.0.0.1:3")
    assert [candidate.name for candidate in config.candidates] == ["thrifty", "flaky"]
    assert [candidate.api_key() for candidate in config.candidates] == [settings.THRIFTY_KEY, settings.FLAKY_KEY]
    assert config.store.path == tmp_path / "shadow.db"


def test_tenants_are_known_by_their_keys(tmp_path: Path) -> None:
    """The registry holds the fingerprints that the sidecar will compute, and no key."""
    config = read(tmp_path)
    secret = config.fingerprint_secret_path.read_bytes().strip()
    assert config.registry.owners == {fingerprint(tenant.key, secret): tenant.name for tenant in TENANTS}
    assert not any(tenant.key in (tmp_path / "tenants.yaml").read_text() for tenant in TENANTS)


def test_one_tenant_consents_to_less(tmp_path: Path) -> None:
    """So that the report has something withheld to show."""
    tenants = read(tmp_path).registry.tenants
    assert tenants["initech"].consent == ("thrifty",)


def test_the_secret_is_private(tmp_path: Path) -> None:
    """Mode 0600."""
    settings.write(tmp_path, PLACES)
    assert stat.S_IMODE((tmp_path / "fingerprint.key").stat().st_mode) == 0o600
