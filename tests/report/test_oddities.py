"""What was odd about answers, in every format."""

import csv
import dataclasses
import io
import json
from pathlib import Path

import pytest

from shadow.exchange import Recorded
from shadow.report import as_csv, as_json, as_markdown, text
from shadow.report.comparison import Report, compare
from shadow.report.oddities import NAMES, sentence
from shadow.report.totals import Scope
from shadow.store.aggregates import read
from shadow.wire.observe import ANOMALIES
from tests.report.population import exchange, observation, replay, store

SAID = "Odd answers at the primary: no token counts 3, stream without its end 1; at ferry: HTML page for an answer 1."


def test_every_word_has_a_name() -> None:
    """Of the closed set that rows carry, and no other."""
    assert NAMES.keys() == ANOMALIES
    assert len(set(NAMES.values())) == len(NAMES)


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """Three exchanges, all of them odd, and one odd replay."""
    ones = [exchange() for _ in range(3)]
    of_primary = (("usage_missing",), ("usage_missing",), ("usage_missing", "end_missing"))
    seen = [dataclasses.replace(observation(), anomalies=words) for words in of_primary]
    again = [dataclasses.replace(observation(), anomalies=words) for words in (("html_page",), (), ())]
    recorded = [Recorded(one, of, (replay(one, seen=by),)) for one, of, by in zip(ones, seen, again, strict=True)]
    return compare(read(store(tmp_path / "shadow.db", recorded), Scope()), Scope())


def test_people_read_how_many_answers_were_odd_and_how(report: Report) -> None:
    """Arm by arm, the most frequent first, in words; in a terminal and in Markdown."""
    assert sentence(report) == SAID
    assert SAID in " ".join(text.render(report).split())
    assert SAID in as_markdown.render(report)


def test_programs_read_the_words_of_the_rows(report: Report) -> None:
    """With their counts, of the primary and of each candidate."""
    document = json.loads(as_json.render(report))
    assert document["traffic"]["anomalies"] == {"usage_missing": 3, "end_missing": 1}
    assert document["candidates"][0]["anomalies"] == {"html_page": 1}


def test_a_spreadsheet_has_them_overall(report: Report) -> None:
    """In the last columns, and not again in segments."""
    overall, *segments = csv.DictReader(io.StringIO(as_csv.render(report)))
    assert list(overall.items())[-2:] == [
        ("primary_anomalies", "usage_missing 3, end_missing 1"),
        ("candidate_anomalies", "html_page 1"),
    ]
    assert [one["primary_anomalies"] for one in segments] == [""]


def test_where_nothing_was_odd_nothing_is_said(tmp_path: Path) -> None:
    """No line, and empty objects."""
    one = exchange()
    path = store(tmp_path / "shadow.db", [Recorded(one, observation(), (replay(one),))])
    report = compare(read(path, Scope()), Scope())
    assert (sentence(report), "Odd" in text.render(report)) == ("", False)
    assert json.loads(as_json.render(report))["traffic"]["anomalies"] == {}
