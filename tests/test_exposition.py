import pytest
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from shadow.exposition import OPEN, PROMETHEUS, Style, style_for


@pytest.mark.parametrize(
    ("accept", "style"),
    [
        ("", PROMETHEUS),
        ("*/*", PROMETHEUS),
        ("text/plain;version=0.0.4", PROMETHEUS),
        ("application/openmetrics-text", OPEN),
        ("text/plain;q=0.5, Application/OpenMetrics-Text; version=1.0.0; charset=utf-8", OPEN),
        ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.1", OPEN),
        ("application/openmetrics-text-of-mine", PROMETHEUS),
    ],
)
def test_the_style_is_the_one_asked_for(accept: str, style: Style) -> None:
    """OpenMetrics where its type is named, whatever else is; plain text otherwise."""
    assert style_for(accept) is style


def test_two_registries_are_one_page_of_openmetrics() -> None:
    """A strict parser reads the metrics of both."""
    pages = [OPEN.write(registry_of(name)) for name in ("ours", "theirs")]
    families = text_string_to_metric_families(OPEN.joined(*pages).decode())
    assert [family.name for family in families] == ["ours", "theirs"]


@pytest.mark.parametrize("style", [PROMETHEUS, OPEN])
def test_a_page_that_was_cut_short_is_not_whole(style: Style) -> None:
    """The end of a page tells that nothing is missing."""
    page = style.write(registry_of("theirs"))
    assert style.whole(page)
    assert not style.whole(page[:-3])


def registry_of(name: str) -> CollectorRegistry:
    registry = CollectorRegistry()
    Gauge(name, "A gauge.", registry=registry)
    return registry
