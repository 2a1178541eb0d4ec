"""`shadow export`: rows as files."""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from shadow.cli import main, writing
from shadow.exchange import Cost, CostSource, Recorded
from tests.report.population import exchange, mixed, observation, replay, store


def shadow(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["export", *map(str, arguments)])


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return store(tmp_path / "shadow.db", mixed(50))


def test_json_lines(database: Path) -> None:
    """One object a line, on standard output."""
    lines = [json.loads(line) for line in shadow("replays", "--db", database).stdout.splitlines()]
    assert (len(lines), {line["arm"] for line in lines}) == (100, {"ferry", "canal"})


def test_csv(tmp_path: Path) -> None:
    """A heading; unknown is empty, truth a word, lists are JSON, and no text is a formula."""
    one = exchange(tenant="=2+2")
    path = store(tmp_path / "shadow.db", [Recorded(one, observation(), (replay(one),))])
    [row] = csv.DictReader(io.StringIO(shadow("exchanges", "--db", path, "--format", "csv").stdout))
    assert (row["tenant"], row["provider"], row["stream"], row["features"]) == ("'=2+2", "", "true", "[]")
    assert (row["cost_usd"], row["total_s"]) == ("0.001", "2.0")


def test_money_is_a_number_in_csv(tmp_path: Path) -> None:
    """Also where a provider gives some back."""
    refunded = observation(Cost(Decimal("-0.25"), CostSource.REPORTED))
    path = store(tmp_path / "shadow.db", [Recorded(exchange(), refunded)])
    [row] = csv.DictReader(io.StringIO(shadow("exchanges", "--db", path, "--format", "csv").stdout))
    assert row["cost_usd"] == "-0.25"


def test_parquet(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Typed columns, in groups of rows, whether or not a column has any value."""
    parquet: Any = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed: the extra `parquet`")
    monkeypatch.setattr(writing, "GROUP", 20)
    out = database.with_name("exchanges.parquet")
    assert shadow("exchanges", "--db", database, "--format", "parquet", "--out", out).exit_code == 0
    file = parquet.ParquetFile(out)
    assert (file.metadata.num_rows, file.metadata.num_row_groups) == (50, 3)
    types = {field.name: str(field.type) for field in file.schema_arrow}
    assert (types["started_at"], types["status"], types["stream"]) == ("timestamp[us, tz=UTC]", "int64", "bool")
    assert (types["cost_usd"], types["tpot_s"], types["features"]) == ("string", "double", "string")


def test_parquet_without_its_library_is_told(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to install."""
    monkeypatch.setattr(writing, "PARQUET", False)
    found = shadow("exchanges", "--db", database, "--format", "parquet", "--out", database.with_name("x"))
    assert (found.exit_code, found.stderr) == (
        2,
        "shadow: parquet needs pyarrow: install the package with its extra, shadow-sidecar[parquet]\n",
    )
    assert not database.with_name("x").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("exchanges",), "give either -c CONFIG or --db PATH"),
        (("exchanges", "--db", "x", "--candidate", "ferry"), "--candidate is about replays"),
        (("replays", "--db", "x", "--format", "parquet"), "--format parquet needs --out FILE"),
        (("prompts", "--db", "x"), "is not one of"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], told: str) -> None:
    """Is refused with what would be right."""
    found = shadow(*arguments)
    assert found.exit_code == 2
    assert told in found.stderr


def test_a_store_that_cannot_be_read_leaves_no_file(tmp_path: Path) -> None:
    """Exit code 3, and neither a heading nor half a file."""
    found = shadow("exchanges", "--db", tmp_path / "none.db", "--format", "csv", "--out", tmp_path / "out.csv")
    assert (found.exit_code, list(tmp_path.iterdir())) == (3, [])


def test_a_file_that_cannot_be_written(database: Path) -> None:
    """Is told with its name."""
    found = shadow("exchanges", "--db", database, "--out", database / "no" / "out")
    assert found.exit_code == 2
    assert "out cannot be written" in found.stderr


def test_a_configuration_names_the_store(database: Path) -> None:
    """As for every other command."""
    config = database.with_name("shadow.yaml")
    config.write_text(f"upstream: {{url: 'https://openrouter.ai'}}\nstore: {{path: {database.name}}}\n")
    assert len(shadow("exchanges", "-c", config).stdout.splitlines()) == 50
