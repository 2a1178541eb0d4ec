"""The report as Markdown."""

import re
from pathlib import Path

from shadow.exchange import Recorded
from shadow.report import as_markdown
from shadow.report.comparison import compare
from shadow.report.totals import Scope
from shadow.store.aggregates import read
from tests.report.population import exchange, mixed, observation, replay, store


def rendered(path: Path, scope: Scope) -> str:
    return as_markdown.render(compare(read(path, scope), scope))


def test_tables_are_tables(tmp_path: Path) -> None:
    """Each has a heading, a line that says how columns are aligned, and as many cells in every row."""
    shown = rendered(store(tmp_path / "shadow.db", mixed(2000)), Scope(breakdowns=(("tenant",),)))
    tables = re.findall(r"(?:^\|.*\|\n)+", shown, re.MULTILINE)
    assert len(tables) == 2 * (2 + 4)  # for each candidate the comparison and its verdicts, and four of segments
    for table in tables:
        heading, aligned, *rows = table.splitlines()
        assert set(aligned) <= set("|-: ")
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in (heading, aligned, *rows)} == {heading.count("|")}


def test_the_first_lines_say_what_each_candidate_is(tmp_path: Path) -> None:
    """Title, what was carried, and one line for each candidate."""
    shown = rendered(store(tmp_path / "shadow.db", mixed(2000)), Scope(breakdowns=())).splitlines()
    assert shown[0].startswith("# Shadow report")
    assert [line.split(":")[0] for line in shown if line.startswith("- ")] == ["- canal", "- ferry"]


def test_names_are_no_markup(tmp_path: Path) -> None:
    """Neither HTML, nor a link, nor the end of a cell."""
    name = "<script>alert(1)</script> | [x](http://y) `z` **b**"
    one = exchange(tenant=name)
    path = store(tmp_path / "shadow.db", [Recorded(one, observation(), (replay(one),))])
    shown = rendered(path, Scope(where=(("tenant", name),)))
    assert r"\<script\>" in shown
    assert not re.search(r"(?<!\\)[<>`]", shown)
    assert "](http" not in shown.replace(r"\](http", "").replace(r"\]\(http", "")


def test_nothing_recorded(tmp_path: Path) -> None:
    """A title, and that there is nothing."""
    shown = rendered(store(tmp_path / "shadow.db", []), Scope())
    assert shown.startswith("# Shadow report\n")
    assert "No exchanges were recorded" in shown
