"""Writes what editors know of the configuration: `python config/schemas.py [DIRECTORY]`, this one where none is given.

Made from the records that the program itself reads, so that what an editor underlines is what `shadow check` refuses.
It knows less: secrets, other files and what two keys mean together are looked at by `shadow check` alone.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from shadow.config import Config, PriceList, Registry
from shadow.report.gates import Gates
from shadow.values import Address, ByteSize, ListenAddress

NAMES: Final = {"shadow": Config, "tenants": Registry, "gates": Gates}
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
ADDRESS: Final = {"type": "string", "pattern": r"^.+:\d{1,5}$"}
SIZE: Final = {"type": "string", "pattern": r"^\d+ ?([KMGkmg]?i?[Bb])?$"}
UNREAD: Final = {("title", str), ("ge", int)}
READS_ADDRESS, READS_SIZE, READS_PRICES = (get_args(kind)[1].function for kind in (ListenAddress, ByteSize, PriceList))


class Schema(GenerateJsonSchema):
    """Values as they stand in the file, where the program keeps them in another form."""

    def function_before_schema(self, schema: Any) -> JsonSchemaValue:
        read = schema["function"]["function"]
        if read is READS_ADDRESS:
            return dict(ADDRESS)
        inner = super().function_before_schema(schema)
        if read is READS_SIZE:
            return {"anyOf": [inner, SIZE]}
        return {"anyOf": [inner["items"], inner]} if read is READS_PRICES else inner

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        found = super().default_schema(schema)
        if isinstance(schema.get("default"), Address):
            return found | {"default": str(schema["default"])}
        if isinstance(found.get("default"), dict | list):
            del found["default"]  # a section's: its keys have theirs
        return found


def schema_of(name: str) -> dict[str, Any]:
    """The schema of one file of the configuration."""
    found = TypeAdapter(NAMES[name]).json_schema(schema_generator=Schema)
    if name == "shadow":  # the registry may be a file of its own, which is named
        found["properties"]["registry"] = {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/Registry"}]}
    return {"$schema": DIALECT} | tidied(found)


def tidied(node: Any) -> Any:
    """A schema without titles that only repeat names of keys, and without pydantic's own word for a size's bound."""
    if isinstance(node, list):
        return [tidied(value) for value in node]
    if not isinstance(node, dict):
        return node
    return {key: tidied(value) for key, value in node.items() if (key, type(value)) not in UNREAD}


def main(directory: Path) -> None:
    """Write all of them."""
    for name in NAMES:
        text = json.dumps(schema_of(name), indent=2, ensure_ascii=False)
        (directory / f"{name}.schema.json").write_text(text + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
