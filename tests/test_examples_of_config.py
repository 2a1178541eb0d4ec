"""The example configurations are valid, and the full one leaves no key out."""

import json
import runpy
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path

import jsonschema
import pytest
import yaml

from shadow.config import Config
from shadow.configfile import parse

ROOT = Path(__file__).parents[1]
FULL = ROOT / "config" / "shadow.yaml"
EXAMPLES = sorted(path for path in ROOT.glob("config/*.yaml") if path.name not in ("tenants.yaml", "gates.yaml"))
SCHEMAS = sorted(ROOT.glob("config/*.schema.json"))
NAMING = sorted([*ROOT.glob("config/*.yaml"), *ROOT.glob("examples/quickstart/*.yaml")])


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


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the schemas that the program's records give now."""
    directory = tmp_path_factory.mktemp("schemas")
    runpy.run_path(str(ROOT / "config" / "schemas.py"))["main"](directory)
    return directory


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_a_schema_is_what_the_records_give(path: Path, made: Path) -> None:
    """An editor knows what the program reads; `python config/schemas.py` writes them anew."""
    assert path.read_text() == (made / path.name).read_text()


@pytest.mark.parametrize("path", NAMING, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_fits_the_schema_that_it_names(path: Path) -> None:
    """Each names one in its first line, as editors look for it, and has nothing that this would underline."""
    named = path.read_text().partition("\n")[0].removeprefix("# yaml-language-server: $schema=")
    jsonschema.validate(plain(path.read_text()), json.loads((path.parent / named).read_text()))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("upstream: {url: https://openrouter.ai}\nlisten: 8080", "8080"),
        ("upstream: {url: https://openrouter.ai}\ndrain: 5", "drain"),
        ("upstream: {url: https://openrouter.ai}\nstore: {max_bytes: much}", "much"),
        ("store: {path: shadow.db}", "upstream"),
    ],
)
def test_a_schema_underlines_mistakes(text: str, told: str) -> None:
    """Of kinds, keys, sizes, and what is missing."""
    with pytest.raises(jsonschema.ValidationError, match=told):
        jsonschema.validate(plain(text), json.loads((ROOT / "config" / "shadow.schema.json").read_text()))


def plain(text: str) -> object:
    """A YAML text as JSON has it: dates are text."""
    return json.loads(json.dumps(yaml.safe_load(text), default=str))


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
