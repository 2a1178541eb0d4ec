"""How metrics are written: Prometheus' text, or OpenMetrics for whoever asks for it; and how two halves make one page.

The forwarder and the recorder keep a registry each. Both are written in the style that the scraper asked the forwarder
for, because exemplars exist in OpenMetrics only, and its pages end with a line that may stand once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

OPENMETRICS: Final = "application/openmetrics-text"


@dataclass(frozen=True, slots=True)
class Style:
    """One way to write a registry, and what the answer's Content-Type then is. `end` closes a page."""

    content_type: str
    write: Callable[[CollectorRegistry], bytes]
    end: bytes = b""

    def joined(self, first: bytes, second: bytes) -> bytes:
        """Two registries of different metrics, each written in this style, as one page."""
        return first.removesuffix(self.end) + second if second else first

    def whole(self, page: bytes) -> bool:
        """Whether a page that came from elsewhere may be joined: one without its end was cut short."""
        return page.endswith(self.end or b"\n")


PROMETHEUS: Final = Style("text/plain; version=0.0.4; charset=utf-8", generate_latest)
OPEN: Final = Style(f"{OPENMETRICS}; version=1.0.0; charset=utf-8", generate_openmetrics, b"# EOF\n")


def style_for(accept: str) -> Style:
    """The style for a request's Accept header. Who names OpenMetrics, as Prometheus does, prefers it to plain text."""
    asked = (part.partition(";")[0].strip().lower() for part in accept.split(","))
    return OPEN if OPENMETRICS in asked else PROMETHEUS
