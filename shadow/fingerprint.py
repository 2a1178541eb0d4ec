"""API keys as fingerprints: a keyed hash that tells keys apart and gives none away.

HMAC-SHA256 under a secret of the deployment, cut to 128 bits. A plain hash of a key would let anyone who holds a
list of leaked keys look it up; a keyed one does not. A fleet shares the secret, so that a key has one fingerprint.
"""

import hmac
import os
import secrets
from pathlib import Path
from typing import Final

SECRET_BYTES: Final = 32
FINGERPRINT_CHARACTERS: Final = 32  # 128 bits: no two of a company's keys collide, and rows stay short


class SecretError(Exception):
    """There is no secret to make fingerprints with; the text says why and what to do."""


def fingerprint(api_key: str, secret: bytes) -> str:
    """The fingerprint of an API key: 32 hexadecimal characters."""
    return hmac.digest(secret, api_key.encode(), "sha256").hex()[:FINGERPRINT_CHARACTERS]


def read_or_create_secret(path: Path) -> bytes:
    """The secret kept in `path`, made on first use with mode 0600. Raises SecretError where it can be neither.

    Two processes that start together agree: the first to link its file wins and both read that one.
    """
    try:
        if not path.exists():
            _create(path)
        return path.read_bytes().strip()
    except OSError as error:
        raise SecretError(
            f"{path}: the secret for key fingerprints can be neither read nor made: {error.strerror}; "
            "make the directory writable, or change `store.path` or `fingerprint_key_file`"
        ) from error


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(SECRET_BYTES))
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
