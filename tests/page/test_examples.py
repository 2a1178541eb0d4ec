"""Examples on the page: what differs is in sight, and nothing of it is anything but text."""

from dataclasses import replace
from pathlib import Path

from shadow.exchange import Answer, ToolCall
from shadow.page.examples import ANSWER_CHARACTERS, cut, shown
from shadow.page.page import render
from shadow.report.examples import Example
from tests.page.traffic import HOSTILE, compared, one_pair

ASKED = {
    "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
}
ONE = Example("text", "id", "ferry", "acme", ASKED, Answer("yes"), Answer("no"), whole=True, redactions=0)


def test_what_was_asked_is_the_users_last_message() -> None:
    """In parts or whole; of other endpoints the prompt or the input."""
    assert shown([ONE], "ferry")[0].asked == "Hi"
    for request in ({"prompt": "Hi"}, {"input": "Hi"}, {"messages": [{"role": "user", "content": "Hi"}]}):
        assert shown([replace(ONE, request=request)], "ferry")[0].asked == "Hi"


def test_what_was_not_kept_is_said() -> None:
    """Neither an empty place nor a guess."""
    [one] = shown([replace(ONE, request=None, primary=Answer(), whole=False, redactions=2)], "ferry")
    assert (one.asked, one.primary) == ("The request was not kept.", "Nothing was said.")
    assert one.note == "2 redacted, parts of it were not kept"


def test_long_answers_are_cut_to_what_differs() -> None:
    """What both say before it is left out, and marked."""
    alike = "a" * 5000
    [one] = shown([replace(ONE, primary=Answer(f"{alike}yes"), candidate=Answer(f"{alike}no{'z' * 5000}"))], "ferry")
    assert one.primary == f"…{'a' * 80}yes"
    assert one.candidate.startswith(f"…{'a' * 80}no")
    assert one.candidate.endswith("…")
    assert len(one.candidate) == ANSWER_CHARACTERS + 2


def test_tool_calls_are_part_of_what_was_said() -> None:
    """With their names and arguments."""
    said = Answer("Well.", tool_calls=(ToolCall("weather", '{"city": "Oslo"}'),))
    assert shown([replace(ONE, primary=said)], "ferry")[0].primary == 'Well.\n→ weather({"city": "Oslo"})'


def test_nothing_turns_text_around() -> None:
    """A character that cannot be seen is written out."""
    assert cut("a\u202eb\x1bc\nd", 100) == "a\\u202eb\\x1bc\nd"


def test_other_candidates_examples_are_elsewhere() -> None:
    """Each stands with its own."""
    assert shown([ONE], "canal") == ()


def test_markup_in_an_answer_is_text(tmp_path: Path) -> None:
    """Whatever a model says."""
    found = [replace(ONE, candidate=Answer(HOSTILE), tenant=HOSTILE)]
    made = render(*compared(tmp_path / "shadow.db", one_pair()), found)
    assert "Where answers disagree" in made
    assert "<script" not in made
    assert "&lt;script&gt;" in made
