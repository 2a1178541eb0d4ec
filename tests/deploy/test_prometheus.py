"""The rules: valid, tested, explained, and about metrics that exist."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.promql import metrics_of_the_code, mistakes, names

HERE = Path(__file__).parents[2] / "deploy" / "prometheus"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((HERE / "rules.yaml").read_text())["groups"] for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDS = {rule["record"] for rule in RULES if "record" in rule}
TEST_FILES = sorted(path.name for path in HERE.glob("*_test.yaml"))
TESTS = [test for name in TEST_FILES for test in yaml.safe_load((HERE / name).read_text())["tests"]]
RUNBOOK = (HERE / "README.md").read_text()

promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")


def run(*command: str) -> str:
    """What promtool says, once it has found nothing wrong."""
    done = subprocess.run(("promtool", *command), cwd=HERE, capture_output=True, text=True, check=False)  # noqa: S603, S607
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@promtool
def test_prometheus_takes_the_rules() -> None:
    """Every expression parses, and no rule stands twice."""
    assert f"{len(RULES)} rules found" in run("check", "rules", "--lint=all", "--lint-fatal", "rules.yaml")


@promtool
def test_alerts_fire_when_they_should_and_only_then() -> None:
    """Prometheus' own unit tests of the rules pass."""
    assert "SUCCESS" in run("test", "rules", *TEST_FILES)


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_has_a_test_of_either_kind(alert: str) -> None:
    """One in which it fires, and one in which nothing is wrong enough: an alert that always fires passes the first."""
    expected = [
        case.get("exp_alerts", []) for test in TESTS for case in test["alert_rule_test"] if case["alertname"] == alert
    ]
    assert any(expected)
    quiet = [
        test["name"]
        for test in TESTS
        if {case["alertname"] for case in test["alert_rule_test"]} == {alert}
        and not any(case.get("exp_alerts") for case in test["alert_rule_test"])
    ]
    assert quiet


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_says_what_to_do(alert: str) -> None:
    """Its runbook is a section of the page beside the rules, which says what is seen, what it means, what to do."""
    anchor = f"deploy/prometheus/README.md#{alert.lower()}"
    assert ALERTS[alert]["annotations"]["runbook_url"] == anchor
    assert ALERTS[alert]["labels"]["severity"] in ("critical", "warning", "info")
    section = re.search(rf"^## {alert}\n(.*?)(?=^## |\Z)", RUNBOOK, re.MULTILINE | re.DOTALL)
    assert section
    assert all(word in section[1] for word in ("**You see**", "**It means**", "**Do**"))


def test_the_table_of_alerts_is_complete() -> None:
    """Each alert is in it once with its severity, and each section is about one."""
    rows = dict(re.findall(r"^\| \[(\w+)\]\(#\w+\) \| (\w+) \|", RUNBOOK, re.MULTILINE))
    assert rows == {name: rule["labels"]["severity"] for name, rule in ALERTS.items()}
    assert set(re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE)) == set(ALERTS)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_rules_are_about_metrics_that_exist(rule: dict[str, Any]) -> None:
    """Each metric is one of the code with the labels that are asked for, and what is recorded is read from a record."""
    assert mistakes(rule["expr"], metrics_of_the_code()) == []
    assert {name for name in names(rule["expr"]) if ":" in name} <= RECORDS


def test_the_runbook_is_about_metrics_that_exist() -> None:
    """What it tells a reader to look at is there."""
    for metric, labels in re.findall(r"`(shadow_\w+)(\{[^}]*\})?`", RUNBOOK):
        assert mistakes(metric + labels, {**metrics_of_the_code(), "shadow_store_lag_seconds": frozenset()}) == []
