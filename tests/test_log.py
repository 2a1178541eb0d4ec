"""Log lines: one event, one line, whatever is in it."""

import io
import logging
import re
from collections.abc import Iterator

import orjson
import pytest

from shadow.events import Event
from shadow.log import configure, tell, where

HOSTILE = 'x\n{"level":"info"}\r\x1b[31m'


class Terminal(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def own_handlers() -> Iterator[None]:
    """The root logger as it was: `configure` replaces its handlers."""
    root, own = logging.getLogger(), logging.getLogger("shadow")
    handlers, level, own_level = root.handlers[:], root.level, own.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    own.setLevel(own_level)


@pytest.fixture
def written() -> io.StringIO:
    """What the recorder writes to a pipe."""
    stream = io.StringIO()
    configure("recorder", stream)
    return stream


def test_an_event_is_one_object_on_one_line(written: io.StringIO) -> None:
    """Time in UTC, level, process, the event's name, its sentence, and each of its fields to filter by."""
    tell(Event.REPLAY_BROKE, arm="ferry", error="ValueError", exchange_id="0193")
    line = orjson.loads(written.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "error",
        "process": "recorder",
        "event": "replay_broke",
        "message": "a replay to ferry broke: ValueError",
        "arm": "ferry",
        "error": "ValueError",
        "exchange_id": "0193",
    }


def test_hostile_text_stays_on_one_line(written: io.StringIO) -> None:
    """Promise 52: line ends, quotes and control bytes in a value cannot forge a second event."""
    tell(Event.STORE_GONE, path=HOSTILE)
    assert written.getvalue().count("\n") == 1
    assert orjson.loads(written.getvalue())["path"] == HOSTILE


def test_a_terminal_gets_sentences() -> None:
    """Where a person looks, an event is a sentence, and nothing in it moves the cursor."""
    stream = Terminal()
    configure("forwarder", stream)
    tell(Event.STORE_GONE, path=HOSTILE, exchange_id="0193")
    [line] = stream.getvalue().splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d error   forwarder: the database x\\n.* is gone .* \[0193\]", line)
    assert line.isprintable()


def test_libraries_speak_up_from_warnings_on(written: io.StringIO) -> None:
    """What a library logs is an event, too, with the library's name; its chatter is left out."""
    logging.getLogger("asyncio").info("chatter")
    logging.getLogger("asyncio").warning("slow")
    line = orjson.loads(written.getvalue())
    assert (line["event"], line["logger"], line["message"]) == ("library", "asyncio", "slow")


def test_an_exception_of_a_library_is_told_by_its_place(written: io.StringIO) -> None:
    """Its own text may quote a prompt."""
    try:
        int("a prompt")
    except ValueError:
        logging.getLogger("aiohttp.server").exception("failed")
    assert "a prompt" not in written.getvalue()
    assert orjson.loads(written.getvalue())["error"].startswith("ValueError in ")


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
