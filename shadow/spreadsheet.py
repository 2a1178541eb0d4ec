"""What a spreadsheet must not take for a formula: names in a table may come from anybody (OWASP, "CSV Injection")."""

from typing import Final

STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


def inert(text: str) -> str:
    """The text as a cell: behind an apostrophe where it would be computed."""
    return f"'{text}" if text.startswith(STARTS) else text
