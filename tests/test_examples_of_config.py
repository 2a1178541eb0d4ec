"""The example configurations are valid, and the full one leaves no key out."""

import typing
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from shadow.config import Config
from shadow.configfile import parse

ROOT = Path(__file__).parents[1]
FULL = ROOT / "config" / "shadow.yaml"
EXAMPLES = sorted(path for path in ROOT.glob("config/*.yaml") if path.name not in ("tenants.yaml", "gates.yaml"))


@pytest.fixture
def environment() -> dict[str, str]:
    """The secrets that the examples name."""
    return {
        "FERRY_API_KEY": "sk-test",
        "OPENROUTER_SHADOW_KEY": "sk-or-test",
        "CH_USER": "shadow",
        "CH_PASSWORD": "secret",
    }


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_valid(path: Path, environment: dict[str, str], tmp_path: Path) -> None:
    """Each file in config/ is accepted as it stands, once the secrets it names exist."""
    for file in (path, path.with_name("tenants.yaml")):
        (tmp_path / file.name).write_text(file.read_text())
    (tmp_path / "local.key").write_text("sk-test")
    parse(path.read_text(), tmp_path, environment)


def test_the_full_example_shows_every_key() -> None:
    """A key that the code reads and config/shadow.yaml does not show would be known to nobody."""
    shown = set(keys_of(yaml.safe_load(FULL.read_text()))) | set(
        keys_of({"registry": yaml.safe_load(FULL.with_name("tenants.yaml").read_text())})
    )
    assert sorted(set(fields_of(Config)) - shown) == []


def keys_of(node: object) -> Iterator[str]:
    """Every mapping key in a YAML tree, whatever its depth."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield str(key)
            yield from keys_of(value)
    elif isinstance(node, list):
        for value in node:
            yield from keys_of(value)


def fields_of(section: type) -> Iterator[str]:
    """Every field name of a configuration section and of the sections in it."""
    for name, annotation in typing.get_type_hints(section).items():
        yield name
        yield from sections_in(annotation)


def sections_in(annotation: object) -> Iterator[str]:
    """The field names of the sections that a type annotation mentions."""
    if hasattr(annotation, "__pydantic_config__"):
        yield from fields_of(annotation)
    for argument in typing.get_args(annotation):
        yield from sections_in(argument)
