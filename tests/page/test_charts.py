"""Charts: drawn in the page's colours, for both widths."""

import re
from xml.etree import ElementTree

from shadow.page import charts
from shadow.page.charts import Bar
from shadow.page.waterfall import Step


def test_colours_are_the_pages() -> None:
    """No colour that stands for one is left, so that a chart follows the theme."""
    drawn = charts.intervals([Bar("acme", -0.4, -0.5, -0.3), Bar("globex", 0.4, 0.3, 0.5)])
    assert not re.search(r"#0[0-9a-f]0[0-9a-f]0[0-9a-f]", drawn)
    assert "var(--good)" in drawn
    assert "var(--bad)" in drawn


def test_each_is_drawn_for_a_wide_and_a_narrow_place() -> None:
    """Both have a name, and text of the same size."""
    for drawn in (
        charts.intervals([Bar("acme", -0.4, -0.5, -0.3)]),
        charts.distributions({1: 2.0, 5: 1.0}, {3: 1.0}),
        charts.steps([Step("exchanges", "", 0, 9), Step("failed", "", 4, 5), Step("pairs", "", 0, 5)]),
    ):
        root = ElementTree.fromstring(f"<both>{drawn}</both>")  # noqa: S314 (drawn here)
        assert [svg.get("class") for svg in root] == ["chart wide", "chart narrow"]
        assert all(svg.get("role") == "img" and svg.get("aria-label") for svg in root)
        assert set(re.findall(r'font-size="(\w+)"', drawn)) == {"13px"}


def test_a_name_is_text() -> None:
    """Whatever markup it looks like."""
    drawn = charts.intervals([Bar("<script>&\"'", -0.4, -0.5, -0.3)])
    assert "<script" not in drawn
    assert "&lt;script&gt;" in drawn


def test_names_that_are_cut_alike_stay_apart() -> None:
    """One line each, numbered."""
    drawn = charts.intervals([Bar("x" * 60 + end, -0.4, -0.5, -0.3) for end in "ab"])
    assert len(set(re.findall(r">([^<]*xxx[^<]*)<", drawn))) == 4  # two names in two widths
