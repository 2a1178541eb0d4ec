import pytest

from shadow.record.redaction import Redaction, compiled, without_escapes

MAIL = r"(?i)[a-z0-9._%+-]+@[a-z0-9.-]+\.[a-z]{2,}"
MEGABYTE = 1 << 20


def cleaned(text: str, *patterns: str) -> str:
    return Redaction(compiled(patterns)).clean(text)


def test_what_a_pattern_matches_is_replaced() -> None:
    """Every match of every pattern, and nothing else; how many there were is counted."""
    redaction = Redaction(compiled((MAIL, r"sk-\w+")))
    assert redaction.clean("from ann@example.com to bob@example.org with sk-abc, über") == (
        "from [redacted] to [redacted] with [redacted], über"
    )
    assert (redaction.count, redaction.exhausted) == (3, False)


def test_without_patterns_a_text_stays() -> None:
    """There is nothing to replace."""
    assert cleaned("ann@example.com") == "ann@example.com"


def test_empty_matches_replace_nothing() -> None:
    """A pattern that also matches between two characters replaces only what it finds."""
    assert cleaned("a word", r"\bword|\b") == "a [redacted]"


@pytest.mark.parametrize("hidden", [r"ann\u0040example.com", r"\u0061\u006e\u006E\u0040example\u002ecom"])
def test_escapes_hide_nothing(hidden: str) -> None:
    """What stands in a text as JSON, such as a tool call's arguments, is read as its reader will read it."""
    assert cleaned(f'{{"to":"{hidden}"}}', MAIL) == '{"to":"[redacted]"}'


@pytest.mark.parametrize("hidden", [r"sk-abcdefgh\u002bijkl\u003d", r"sk-abcdefgh\u002Bsk-ijklmnop \u0073k-ijklmnop"])
def test_escapes_end_no_match(hidden: str) -> None:
    """A key in base64 goes on behind an escaped `+`, whatever else is found beside it: nothing of it is kept."""
    found = cleaned(f'{{"key":"{hidden}"}}', r"sk-[\w+/=-]{8,}")
    assert "ijkl" not in found
    assert found.startswith('{"key":"[redacted]')


def test_escapes_that_hide_nothing_stay() -> None:
    """A text about escapes is not changed."""
    assert cleaned(r"write \u00fc for ü, ann@example.com", MAIL) == r"write \u00fc for ü, [redacted]"


def test_escapes_that_hold_json_together_stay() -> None:
    """Quotes, backslashes and line ends are not what could be hidden behind."""
    assert without_escapes(r"\u0022 \u005c \u000a \u00fc \ud83d\ude00") == r"\u0022 \u005c \u000a ü 😀"


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+b",  # with Python's `re`: for ever
        r"(?s)a.*b|a",  # with RE2: at each of a million matches to the end of the text
        r"(?:a?){50}a{50}",
        r"\b|c",  # matches nothing, half a million times
        MAIL,
        r"(?:\d[ -]?){13,19}",
    ],
)
@pytest.mark.parametrize("unit", ["a", "a@", "1 ", r"\u0061"])
def test_promise_61_a_megabyte_of_hostile_text_takes_bounded_time(pattern: str, unit: str) -> None:
    """The text comes back, be it without its rest: with an engine or a loop that is not bounded, this does not end."""
    redaction = Redaction(compiled((pattern,)))
    text = unit * (MEGABYTE // len(unit))
    assert redaction.exhausted or len(redaction.clean(text)) <= 10 * len(text)


def test_a_text_at_which_the_budget_ends_loses_its_rest() -> None:
    """What was not looked at is not kept; a later text is, up to its first match."""
    redaction = Redaction(compiled(("x",)), budget=20)
    assert redaction.clean("0x234x678x") == "0[redacted]234[redacted]"
    assert redaction.exhausted
    assert redaction.clean("one without") == "one without"
    assert redaction.clean("a text of six") == "a te[redacted]"
