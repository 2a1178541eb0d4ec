"""Segments by name, as text says them. Pure."""

from typing import Final

from shadow.report.layout import count, safe
from shadow.report.totals import Dimension, Segment

BETWEEN: Final = " · "


def shown(dimension: Dimension, value: str | None, width: int | None = None) -> str:
    """A value of a dimension as text says it; what the metrics call it where it is not known."""
    if value is None:
        return "unknown" if dimension == "model" else "unattributed"
    return safe(value) if width is None else safe(value, width)


def parts(segment: Segment | str | None, dimensions: tuple[Dimension, ...], merged: int) -> list[str]:
    """The values of a segment; how many others there are, where it is these."""
    if not isinstance(segment, tuple):
        return [f"{count(merged)} others"]
    return [shown(dimension, value) for dimension, value in zip(dimensions, segment, strict=True)]
