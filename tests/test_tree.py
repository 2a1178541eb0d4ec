"""The shape of the tree is what its map says."""

import re
from pathlib import Path

import shadow

PACKAGE = Path(shadow.__file__).parent


def test_the_map_lists_every_module_and_room() -> None:
    """The package's docstring names each module and room once, so that a reader can trust it as a map."""
    listed = re.findall(r"^    (\w+) ", shadow.__doc__ or "", re.MULTILINE)
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert sorted(listed) == sorted(modules | rooms)


def test_every_room_states_its_import_rule() -> None:
    """Each room has a ruff.toml whose first line says what it may not know, and why."""
    for room in PACKAGE.glob("*/__init__.py"):
        rule = room.with_name("ruff.toml").read_text()
        assert rule.startswith("# "), room.parent.name
        assert "banned-api" in rule, room.parent.name
