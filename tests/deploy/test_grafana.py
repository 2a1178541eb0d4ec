"""The dashboards: every panel's query is one that Prometheus parses, about metrics that exist."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy.dashboards import DASHBOARDS, asked, queries, read
from tests.deploy.promql import metrics_of_the_code, mistakes

of_each = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)


@of_each
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_prometheus_parses_every_query(path: Path, tmp_path: Path) -> None:
    """Each expression, its variables filled in, could be a rule."""
    rules = [{"record": f"panel:{n}", "expr": asked(query, 300)} for n, (_, query) in enumerate(queries(path))]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": path.stem, "rules": rules}]}))
    command = ("promtool", "check", "rules", str(tmp_path / "rules.yaml"))
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout


@of_each
def test_queries_are_about_metrics_that_exist(path: Path) -> None:
    """A panel that asks for a metric or a label that the code does not have would stay empty for ever."""
    known = metrics_of_the_code()
    assert {title: found for title, query in queries(path) if (found := mistakes(query, known))} == {}


@of_each
def test_variables_are_declared_and_lead_somewhere(path: Path) -> None:
    """Each variable of a query is one of the dashboard's, and those ask for labels that exist."""
    dashboard = read(path)
    declared = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    used = {name for _, query in queries(path) for name in re.findall(r"\$(\w+)", query) if not name.startswith("__")}
    assert used == set(declared) - {"datasource"}
    known = metrics_of_the_code()
    for name in used:
        found = re.fullmatch(r"label_values\((\w+), (\w+)\)", declared[name]["definition"])
        assert found
        assert found[2] in known[found[1]] | {"instance"}


@of_each
def test_panels_can_be_told_apart(path: Path) -> None:
    """Titles and numbers stand once, no panel lies on another, and each asks the data source that is chosen above."""
    panels = read(path)["panels"]
    for key in ("id", "title"):
        assert len({panel[key] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    assert {target["datasource"]["uid"] for panel in panels for target in panel.get("targets", ())} == {"${datasource}"}
