"""Values in the text of a query: pure. An old server takes no parameters beside it."""

from typing import Final

_ESCAPES: Final = str.maketrans({"\\": "\\\\", "'": "\\'"})


def literal(value: str | bytes | int) -> str:
    """A value as SQL, whatever is in it; bytes are those of an exchange's id."""
    if isinstance(value, str):
        return f"'{value.translate(_ESCAPES)}'"
    return f"unhex('{value.hex()}')" if isinstance(value, bytes) else str(value)
