"""`shadow report --gate FILE`: what a pipeline stops at."""

from dataclasses import fields, replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from shadow.cli import main
from shadow.configfile import ConfigError, validated
from shadow.exchange import Agreement, Recorded
from shadow.report.comparison import GATES
from shadow.report.gates import AgreementMargins, Gates, Margins
from tests.report.population import BEGUN, exchange, mixed, observation, replay, store

EXAMPLE = Path(__file__).parents[2] / "config" / "gates.yaml"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ferry costs 40 % less and is slower; canal fails too often."""
    return store(tmp_path_factory.mktemp("gate") / "shadow.db", mixed(4000))


def report(database: Path, gates: str, *options: str) -> Result:
    path = database.with_name("gates.yaml")
    path.write_text(gates)
    return CliRunner().invoke(main, ["report", f"--db={database}", f"--gate={path}", *options])


NOBODY = "  there is no candidate with replays in this scope"
WRONG = """
pairs: 3
confidence: 2
thin_segments: maybe
margins: {cost: much, speed: 1, agreement: {json: 0}}
"""
ONLY_COST = "margins: {ttft_p95: null, error_rate: null}"


def test_what_holds_ends_with_0(database: Path) -> None:
    """Cost alone is judged, and ferry saves: the report as ever, and nothing on standard error."""
    found = report(database, ONLY_COST, "--candidate=ferry")
    assert (found.exit_code, found.stderr) == (0, "")
    assert "ferry: better" in found.stdout


def test_what_does_not_hold_ends_with_1_and_is_listed(database: Path) -> None:
    """Each candidate, place and measure in a line, with interval and margin; the report is there all the same."""
    found = report(database, "{}", "--format=json")
    assert found.exit_code == 1
    heading, *lines = found.stderr.splitlines()
    assert heading == "shadow: what does not hold:"
    assert any(line.startswith("  canal, overall: errors is worse: +") for line in lines)
    assert any(line.startswith("  ferry, overall: first token p95 is worse: +") for line in lines)
    assert found.stdout.startswith("{")


def test_thin_segments_are_left_out_unless_they_are_to_fail(database: Path) -> None:
    """A tenant with few pairs is nobody's reason to stop, unless the file says so."""
    gates = f"{ONLY_COST}\npairs: 350"
    asked = ("--by=tenant", "--candidate=ferry")
    assert report(database, gates, *asked).exit_code == 0
    strict = report(database, f"{gates}\nthin_segments: fail", *asked)
    assert strict.exit_code == 1
    assert "of at least 350 pairs); it takes " in strict.stderr
    assert "more pairs, about " in strict.stderr


def test_questions_that_seldom_arise_are_left_out_too(tmp_path: Path) -> None:
    """Of three hundred answers two were to be JSON: no reason to stop, unless the file says so."""
    asked = Agreement(primary_json_valid=True, json_valid=True)
    recorded = []
    for number in range(300):
        one = exchange(BEGUN + number * 600.0)
        ended = replace(replay(one), agreement=asked if number < 2 else Agreement())
        recorded.append(Recorded(one, observation(), (ended,)))
    path = store(tmp_path / "shadow.db", recorded)
    gates = "margins: {ttft_p95: null, error_rate: 0.05}"
    assert report(path, gates).exit_code == 0
    strict = report(path, f"{gates}\nthin_segments: fail")
    assert strict.exit_code == 1
    assert "ferry, overall: invalid JSON is not known well enough (2 of at least 200 pairs)" in strict.stderr


def test_too_few_pairs_overall_do_not_hold(database: Path) -> None:
    """What is not known is not good enough to move."""
    found = report(database, f"{ONLY_COST}\npairs: 100000", "--candidate=ferry")
    assert found.exit_code == 1
    assert "ferry, overall: cost is not known well enough" in found.stderr


def test_only_segments_that_were_asked_for_are_judged(database: Path) -> None:
    """JSON breaks down by itself: what holds must not hang on the format."""
    one, other = (report(database, "{}", f"--format={style}").stderr for style in ("text", "json"))
    assert one == other
    assert len(report(database, "{}", "--by=feature").stderr.splitlines()) > len(one.splitlines())


def test_no_candidate_does_not_hold(tmp_path: Path) -> None:
    """A pipeline that compares nothing must not pass for that."""
    found = report(store(tmp_path / "shadow.db", []), "{}")
    assert (found.exit_code, found.stderr.splitlines()[1:]) == (
        1,
        ["  there is no candidate with replays in this scope"],
    )


def test_every_mistake_is_named_at_once(database: Path) -> None:
    """By its key path, as in the configuration, before anything is read."""
    found = report(
        database, "pairs: 3\nconfidence: 2\nthin_segments: maybe\nmargins: {cost: much, speed: 1, agreement: {json: 0}}"
    )
    assert found.exit_code == 2
    assert found.stderr.splitlines()[0].endswith("gates.yaml: 6 mistakes")
    assert {line.strip() for line in found.stderr.splitlines()[1:]} == {
        "pairs: must be at least 30",
        "confidence: must be less than 1",
        "thin_segments: must be 'ignore' or 'fail'",
        "margins.cost: must be a number",
        "margins.speed: unknown key",
        "margins.agreement.json: must be more than 0",
    }


def test_a_file_that_is_not_there_is_told(database: Path) -> None:
    """With its name."""
    found = CliRunner().invoke(main, ["report", f"--db={database}", "--gate=nowhere.yaml"])
    assert found.exit_code == 2
    assert "nowhere.yaml" in found.stderr


@pytest.mark.parametrize("text", ["[1]", "a: b: c", "3"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    """Whatever YAML makes of it."""
    with pytest.raises(ConfigError, match="gates"):
        validated(Gates, text, "gates")


def test_the_example_says_what_is_judged_by_without_it() -> None:
    """Every key of the example is there with its default, and none is missing."""
    text = EXAMPLE.read_text()
    assert validated(Gates, text, "gates") == GATES
    shown = yaml.safe_load(text)
    for section, at in ((Gates, shown), (Margins, shown["margins"]), (AgreementMargins, shown["margins"]["agreement"])):
        assert {field.name for field in fields(section)} == set(at)
