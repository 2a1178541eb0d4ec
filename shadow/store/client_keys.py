"""Which API keys clients have used, by fingerprint, as far as exchanges are kept."""

import sqlite3
from pathlib import Path
from typing import Final

from shadow.store.reading import connections, unreadable

# Reads every row where the key was never used, up to a second a million; asked once a start, on a connection of its
# own. An index would cost every row, for that one question.
USED: Final = "SELECT EXISTS (SELECT 1 FROM exchanges WHERE key_fingerprint = ?)"


def used(path: Path, key_fingerprint: str) -> bool:
    """Whether an exchange in the database came with this key. Raises StoreError."""
    try:
        with connections(path) as opened:
            return bool(opened[0].execute(USED, (key_fingerprint,)).fetchone()[0])
    except sqlite3.Error as error:
        raise unreadable(path, error) from error
