"""The report as a table for spreadsheets."""

import csv
import io
from pathlib import Path

import pytest

from shadow.exchange import Recorded
from shadow.report import as_csv
from shadow.report.comparison import compare
from shadow.report.totals import Scope
from shadow.store.aggregates import read
from tests.report.population import exchange, mixed, observation, replay, store, usd


def rows_of(path: Path, scope: Scope) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(as_csv.render(compare(read(path, scope), scope)))))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """Two candidates by tenant, and by feature and model."""
    path = store(tmp_path_factory.mktemp("report") / "shadow.db", mixed(3000))
    return rows_of(path, Scope(breakdowns=(("tenant",), ("feature", "model"))))


def test_a_line_for_every_candidate_and_segment(rows: list[dict[str, str]]) -> None:
    """Overall first, then the segments of each breakdown, told apart by what they are of."""
    ferry = [row["segment"] for row in rows if row["candidate"] == "ferry"]
    assert ferry == ["overall", *["tenant"] * 4, *["feature,model"] * 6]
    assert [row["tenant"] for row in rows[1:5]] == ["acme", "globex", "initech", ""]


def test_figures_have_their_interval_beside(rows: list[dict[str, str]]) -> None:
    """The estimate between its limits; counts and sums stand alone."""
    [ferry] = [row for row in rows if row["candidate"] == "ferry" and row["segment"] == "overall"]
    low, change, high = (float(ferry[f"change{end}"]) for end in ("_low", "", "_high"))
    assert low <= change <= high < 0
    assert int(ferry["exchanges"]) == 3000
    assert ferry["cost_verdict"] == "better"


def test_unknown_is_empty(tmp_path: Path) -> None:
    """Never zero: one pair of unknown cost."""
    one = exchange()
    recorded = [Recorded(one, observation(usd(None)), (replay(one),))]
    [overall] = rows_of(store(tmp_path / "shadow.db", recorded), Scope(breakdowns=()))
    assert {overall[name] for name in ("primary_usd", "change", "monthly_usd_low", "candidate_error_rate")} == {""}
    assert (overall["pairs"], overall["cost_pairs"]) == ("1", "0")


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_names_are_no_formulas(tmp_path: Path, name: str) -> None:
    """A tenant's name is text to a spreadsheet, whatever it begins with."""
    one = exchange(tenant=name)
    path = store(tmp_path / "shadow.db", [Recorded(one, observation(), (replay(one),))])
    assert rows_of(path, Scope())[1]["tenant"] == f"'{name}"


def test_names_with_commas_and_quotes_stay_whole(tmp_path: Path) -> None:
    """What CSV gives a meaning to is quoted."""
    one = exchange(tenant='a,"b"\nc')
    path = store(tmp_path / "shadow.db", [Recorded(one, observation(), (replay(one),))])
    assert rows_of(path, Scope())[1]["tenant"] == 'a,"b"\nc'


def test_nothing_recorded_is_a_heading(tmp_path: Path) -> None:
    """A table without lines is a table."""
    assert as_csv.render(compare(read(store(tmp_path / "shadow.db", []), Scope()), Scope())) == "candidate\r\n"
