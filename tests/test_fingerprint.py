"""Fingerprints: one per key and deployment, and nothing of the key in them."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shadow.fingerprint import FINGERPRINT_CHARACTERS, SecretError, fingerprint, read_or_create_secret


def test_a_fingerprint_depends_on_key_and_secret() -> None:
    """The same key under the same secret is the same fingerprint; either one changed makes another."""
    known = fingerprint("sk-or-v1-a", b"secret")
    assert known == fingerprint("sk-or-v1-a", b"secret")
    assert len({known, fingerprint("sk-or-v1-b", b"secret"), fingerprint("sk-or-v1-a", b"other")}) == 3
    assert len(known) == FINGERPRINT_CHARACTERS


def test_a_fingerprint_is_the_published_function() -> None:
    """HMAC-SHA256, so that anyone with the secret can recompute it: RFC 4231, test case 2, cut to 128 bits."""
    assert fingerprint("what do ya want for nothing?", b"Jefe") == "5bdcc146bf60754e6a042426089575c7"


def test_the_secret_is_made_once_and_private(tmp_path: Path) -> None:
    """The first call makes the file for the owner alone; later calls read it."""
    path = tmp_path / "fingerprint.key"
    secret = read_or_create_secret(path)
    assert read_or_create_secret(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["fingerprint.key"]


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    """However many make the secret at once, all go on with the same one."""
    with ThreadPoolExecutor(16) as pool:
        secrets = set(pool.map(read_or_create_secret, [tmp_path / "fingerprint.key"] * 64))
    assert len(secrets) == 1


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The caller learns that there is no secret, with the system's reason and the keys to change."""
    (tmp_path / "file").touch()
    with pytest.raises(SecretError, match=r"file/fingerprint.key: .* or change `store.path`"):
        read_or_create_secret(tmp_path / "file" / "fingerprint.key")
