"""The map of the room is what the room is."""

import re
from pathlib import Path

import shadow.demo


def test_the_map_lists_every_module() -> None:
    """The room's docstring names each module and package once."""
    room = Path(shadow.demo.__file__).parent
    listed = re.findall(r"^    (\w+) {2,}", shadow.demo.__doc__ or "", re.MULTILINE)
    modules = {path.stem for path in room.glob("*.py")} | {path.parent.name for path in room.glob("*/__init__.py")}
    assert sorted(listed) == sorted(modules - {"__init__", "__main__"})
