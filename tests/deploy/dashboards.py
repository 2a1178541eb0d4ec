"""The Grafana dashboards as their files say, and what Grafana would ask Prometheus for them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DASHBOARDS = sorted((ROOT / "deploy" / "grafana").glob("*.json"))
VARIABLE = re.compile(r"\$\{?(\w+)\}?")


def read(path: Path) -> dict[str, Any]:
    dashboard: dict[str, Any] = json.loads(path.read_text())
    return dashboard


def queries(path: Path) -> Iterator[tuple[str, str]]:
    """Of every panel its title and each expression, as written."""
    for panel in read(path)["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def asked(expression: str, seconds: int) -> str:
    """The expression with its variables filled in: everything is selected, and ranges last so many seconds."""
    return VARIABLE.sub(lambda found: f"{seconds}s" if found[1].startswith("__") else ".*", expression)
