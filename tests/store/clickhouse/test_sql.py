import pytest

from shadow.store.clickhouse.sql import literal
from tests.clickhouse import Current, Server

VALUES = ["", "plain", "it's", "\\", "\\'", "' OR 1 --", "a\nb\tc\0d", "☃", "'; DROP TABLE x; --", "\\x27", "%s {}"]


@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_a_value(clickhouse_server: Server, current_clickhouse: Current, value: str) -> None:
    """Whatever is in a text, servers old and new read it as it is, and as nothing else."""
    query = f"SELECT {literal(value)} AS value, length(value)"
    assert clickhouse_server.ask(f"{query} FORMAT JSONCompact") == [[value, len(value.encode())]]
    found = current_clickhouse.ask(query)
    assert [[one, int(size)] for one, size in found] == [[value, len(value.encode())]]


def test_an_id_is_its_bytes(clickhouse_server: Server) -> None:
    """As FixedString holds it."""
    written = literal(b"\x00\xff")
    assert clickhouse_server.ask(f"SELECT hex({written}) FORMAT JSONCompact") == [["00FF"]]
