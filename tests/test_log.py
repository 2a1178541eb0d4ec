"""Log lines: one event, one line, whatever is in it."""

import io
import logging
import re

import orjson

from shadow.log import JSONLines, where


def line_of(message: str, *arguments: object, failure: Exception | None = None) -> str:
    """What the recorder writes for one record."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONLines("recorder"))
    record = logging.LogRecord(
        "shadow.test",
        logging.WARNING,
        __file__,
        1,
        message,
        arguments,
        (type(failure), failure, None) if failure else None,
    )
    handler.handle(record)
    return stream.getvalue()


def test_hostile_text_stays_on_one_line() -> None:
    """Line ends, quotes and control bytes in a value cannot forge a second event."""
    written = line_of("refused %s", 'x\n{"level":"info"}\r\x1b[31m')
    assert written.count("\n") == 1
    assert orjson.loads(written)["message"] == 'refused x\n{"level":"info"}\r\x1b[31m'


def test_a_line_says_when_who_and_how_bad() -> None:
    """Time in UTC, level, process and logger are there to filter by."""
    event = orjson.loads(line_of("stopped"))
    assert event["time"].endswith("Z")
    assert (event["level"], event["process"], event["logger"]) == ("warning", "recorder", "shadow.test")


def test_a_crash_keeps_its_type_and_trace() -> None:
    """An exception adds its type and its trace, still on one line."""
    written = line_of("crashed", failure=ValueError("no"))
    event = orjson.loads(written)
    assert (event["error"], written.count("\n")) == ("ValueError", 1)
    assert "ValueError: no" in event["traceback"]


def test_an_error_is_told_by_its_type_and_place() -> None:
    """Where it was raised, and not its text: that may quote a prompt."""
    try:
        int("a prompt")
    except ValueError as error:
        told = where(error)
    assert re.fullmatch(r"ValueError in .*/test_log\.py:\d+", told)


def test_an_error_without_a_place_has_a_type() -> None:
    """An error that was never raised has no place."""
    assert where(LookupError()) == "LookupError"
