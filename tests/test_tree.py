"""The shape of the tree is what its maps say."""

import ast
import re
from pathlib import Path
from typing import Final

import pytest

import shadow

PACKAGE: Final = Path(shadow.__file__).parent
PACKAGES: Final = sorted(path.parent for path in PACKAGE.rglob("__init__.py"))
INHERITING: Final = {"demo/scenarios", "store/clickhouse"}  # nested, and bound by the rule of the room around them


def name(package: Path) -> str:
    return package.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("package", PACKAGES, ids=name)
def test_the_map_lists_every_module_and_package(package: Path) -> None:
    """A package's docstring names each module and package in it once, so that a reader can trust it as a map."""
    doc = ast.get_docstring(ast.parse((package / "__init__.py").read_text())) or ""
    lines = re.findall(r"^ {4}\w+ {2,}(?=\S)", doc, re.MULTILINE)
    modules = {path.stem for path in package.glob("*.py")} - {"__init__", "__main__"}
    packages = {path.parent.name for path in package.glob("*/__init__.py")}
    assert "\nThe modules in the order in which " in doc
    assert sorted(line.strip() for line in lines) == sorted(modules | packages)
    assert len({len(line) for line in lines}) == 1, "the map is out of column"


@pytest.mark.parametrize("package", PACKAGES, ids=name)
def test_every_package_states_its_import_rule(package: Path) -> None:
    """Each has a ruff.toml whose first line says what it may not know, and why, or is bound by its parent's."""
    stated = package / "ruff.toml"
    assert stated.exists() == (name(package) not in INHERITING)
    rule = (stated if stated.exists() else package.parent / "ruff.toml").read_text()
    assert rule.startswith("# ")
    assert "banned-api" in rule
