"""What the documents say is true: commands exist, examples are valid, links lead somewhere."""

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest
import yaml

from shadow import cli
from shadow.config import Config
from shadow.configfile import parse
from shadow.events import Event
from shadow.exchange import ReplayOutcome
from shadow.forward import metrics as forwarded
from shadow.forward import refusals
from shadow.mirror.reasons import REASONS
from shadow.record import metrics as recorded
from shadow.store.clickhouse.errors import Refusal
from shadow.store.errors import Trouble

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
INSTALLED = {".venv", ".venv-litellm", ".venv-clients", "node_modules", ".pytest_cache"}  # what others wrote
DOCUMENTS = sorted(path for path in ROOT.rglob("*.md") if not INSTALLED.intersection(path.parts))
METRICS = (ROOT / "deploy" / "prometheus" / "metrics.md").read_text()
OPERATING = (ROOT / "deploy" / "operating.md").read_text()
IN_OPERATING = set(re.findall(r"`([a-z_0-9]+)`", OPERATING))
KEYS = get_type_hints(Config)
SECRETS = {"FERRY_API_KEY": "sk-test"}


def blocks(language: str, text: str = README) -> list[str]:
    """The fenced blocks of one language, without their indentation."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def test_the_table_of_commands_is_complete() -> None:
    """The README's table lists the commands of the program, no more and no fewer."""
    listed = re.findall(r"^\| `shadow ([a-z]+)", README, re.MULTILINE)
    assert sorted(listed) == sorted(cli.main.commands)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_options_in_documents_exist(path: Path) -> None:
    """Every `shadow COMMAND --option` written anywhere is one that the command has."""
    for name, rest in re.findall(r"shadow ([a-z]+)((?: +[^`|\n#]+)?)", "\n".join(code_in(path.read_text()))):
        if name not in cli.main.commands:
            continue
        known = {option for parameter in cli.main.commands[name].params for option in parameter.opts}
        assert set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", rest)) <= known, (name, rest)


def code_in(text: str) -> list[str]:
    """What a document shows as code: fenced blocks and inline spans."""
    return re.findall(r"```.*?```", text, re.DOTALL) + re.findall(r"`([^`\n]+)`", text)


def test_the_configuration_of_the_readme_is_valid(tmp_path: Path) -> None:
    """The example, and the example with its second part, are accepted as they stand."""
    (tmp_path / "tenants.yaml").write_text("tenants: {acme: {plan: pro, consent: [ferry]}}")
    smallest, candidates = blocks("yaml")
    parse(smallest, tmp_path, SECRETS)
    assert parse(smallest + candidates, tmp_path, SECRETS).candidates[0].name == "ferry"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_documents_exist(path: Path) -> None:
    """What is written as a command of the program is one: at the start of a line or span of code, or after a `|`."""
    code = code_in(re.sub(r"```text\n.*?```", "", path.read_text(), flags=re.DOTALL))
    named = re.findall(r"^(?:```sh\n)?(?:[^#\n]*[|&] )?(?:\.venv/bin/)?shadow ([a-z]+)", "\n".join(code), re.MULTILINE)
    assert set(named) - set(cli.main.commands) == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_keys_in_documents_exist(path: Path) -> None:
    """A key path such as `store.max_bytes` that a document names is one of the configuration."""
    named = re.findall(r"`([a-z_]+)((?:\.[a-zN_]+)+)(?::[^`]*)?`", path.read_text())
    keys = [(top, rest) for top, rest in named if top in KEYS and rest != ".yaml"]
    assert [f"{top}{rest}" for top, rest in keys if not is_key(KEYS[top], rest[1:].split("."))] == []


def is_key(annotation: Any, parts: list[str]) -> bool:
    """Whether a path leads to a field, through sections, lists of them (`N`) and mappings of them (any name)."""
    if not parts:
        return True
    if is_dataclass(annotation):
        hints = get_type_hints(annotation)
        return parts[0] in hints and is_key(hints[parts[0]], parts[1:])
    inner = [each for each in get_args(annotation) if each is not type(None)]
    if get_origin(annotation) in (tuple, Mapping):
        return is_key(inner[-1] if get_origin(annotation) is Mapping else inner[0], parts[1:])
    return any(is_key(each, parts) for each in inner)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    """A relative link in a document points at a file of this repository."""
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_the_table_of_metrics_is_complete() -> None:
    """Every metric of both processes is on the page of metrics with its labels, and none that does not exist."""
    table = METRICS.partition("| metric |")[2]
    listed = dict(re.findall(r"`(shadow_[a-z_]+)(?:\{([a-z_,]+)\})?`", table))
    registries = (forwarded.Metrics(()).registry, recorded.Metrics().registry)
    collectors = [collector for registry in registries for collector in registry._collector_to_names]
    assert listed == {name: labels for collector in collectors for name, labels in exposed(collector)}


def test_every_metric_is_on_a_dashboard() -> None:
    """What is worth counting is worth seeing: each metric of the table is in a panel of deploy/grafana."""
    shown = "".join(path.read_text() for path in (ROOT / "deploy" / "grafana").glob("*.json"))
    listed = re.findall(r"`(shadow_[a-z_]+)(?:\{[a-z_,]+\})?`", METRICS.partition("| metric |")[2])
    assert [name for name in listed if not re.search(rf"\b{name}(_bucket|_sum|_count)?\b", shown)] == []


def exposed(collector: Any) -> Iterator[tuple[str, str]]:
    """The names under which a collector's metrics are exposed, each with its labels."""
    if hasattr(collector, "_labelnames"):  # a metric of the client library
        yield collector._name + "_total" * (collector._type == "counter"), ",".join(collector._labelnames)
        return
    for family in collector.collect():
        yield family.name + "_total" * (family.type == "counter"), ",".join(family._labelnames)


def test_ci_runs_the_command_of_the_readme() -> None:
    """The block that CI reads holds one line, the one a newcomer pastes."""
    [marked] = re.findall(r"<!-- tests -->\n```sh\n(.*?)\n```\n<!-- end -->", README, re.DOTALL)
    assert "\n" not in marked
    assert marked.endswith("pytest")


def test_every_event_is_on_the_operating_page() -> None:
    """Its table has each event of the log once, under its level, and none that does not exist."""
    table = OPERATING.partition("| event | level | do |")[2]
    rows = [row.split("|")[1:3] for row in table.splitlines() if row.startswith("| `")]
    listed = [(name, level.strip()) for names, level in rows for name in re.findall(r"`([a-z_]+)`", names)]
    assert sorted(listed) == sorted((one.name.lower(), logging.getLevelName(one.level).lower()) for one in Event)


@pytest.mark.parametrize("outcome", REASONS)
def test_every_reason_is_on_the_operating_page(outcome: ReplayOutcome) -> None:
    """Whoever finds a word in a report or a metric finds there what it asks for."""
    assert REASONS[outcome] - IN_OPERATING == set()


def test_every_answer_of_the_sidecars_own_is_on_the_operating_page() -> None:
    """Its table has each code with the status it comes with, and none that does not exist."""
    table = OPERATING.partition("| `X-Shadow-Error` |")[2].partition("\n\n")[0]
    rows = [row.split("|")[1:3] for row in table.splitlines() if row.startswith("| `")]
    listed = [(code, int(status)) for codes, status in rows for code in re.findall(r"`([a-z_]+)`", codes)]
    own = [one for one in vars(refusals).values() if isinstance(one, refusals.Refusal)]
    assert sorted(listed) == sorted((one.code, one.status) for one in own)


def test_every_trouble_of_a_store_is_on_the_operating_page() -> None:
    """The values of the labels that say why SQLite or ClickHouse takes no rows."""
    assert {*Trouble, *Refusal} - {Trouble.CLOSED} - IN_OPERATING == set()


def test_every_alert_is_on_the_operating_page() -> None:
    """Each alert of the rules is linked to its section of the runbook."""
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yaml").read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule}
    linked = set(re.findall(r"\[(\w+)\]\(prometheus/README\.md#(?:\w+)\)", OPERATING))
    assert alerts == linked


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_to_sections_lead_to_one(path: Path) -> None:
    """What follows the `#` of a link is a heading of the document it points at."""
    for target, section in re.findall(r"\]\((?!https?://)([^)#]*)#([^)]+)\)", path.read_text()):
        linked = path.parent / target if target else path
        headings = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE)
        assert section in {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}, target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_metrics_in_documents_exist(path: Path) -> None:
    """A metric that a document names, with any labels of it, is in the table of metrics."""
    listed = dict(re.findall(r"`(shadow_[a-z_]+)(?:\{([a-z_,]+)\})?`", METRICS.partition("| metric |")[2]))
    for name, labels in re.findall(r"(?<![\w.(])(shadow_[a-z_]+[a-z])(?:\{([^}]*)\})?", path.read_text()):
        assert name in listed, name
        assert set(re.findall(r"([a-z_]+)(?==|,|$)", re.sub(r'"[^"]*"', "", labels))) <= {*listed[name].split(",")}


def test_the_readme_is_a_map() -> None:
    """It leads to every other page of the project, and is short enough to be read."""
    assert len(README.splitlines()) <= 250
    reached, found = set[Path](), {ROOT / "README.md"}
    while found - reached:
        page = (found - reached).pop()
        reached.add(page)
        links = re.findall(r"\]\((?!https?://|#)([^)#]+\.md)", page.read_text())
        found |= {(page.parent / link).resolve() for link in links}
    assert set(DOCUMENTS) - reached == set()
