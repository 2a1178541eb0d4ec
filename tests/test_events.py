"""The closed set of events, held to what the code tells of."""

import ast
import logging
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

import shadow
from shadow.events import Event

PACKAGE = Path(shadow.__file__).parent
LEVELS = {logging.INFO, logging.WARNING, logging.ERROR}
OF_EVERY_LINE = {"time", "level", "process", "event", "message", "logger"}
ASIDE = {"exchange_id"}  # may stand beside any sentence


def told() -> Iterator[tuple[str, Event, set[str]]]:
    """Every call of `tell` in the program: where it is, its event, the fields it gives."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "tell":
                [event] = node.args
                assert isinstance(event, ast.Attribute), f"{path}:{node.lineno}: name the event in the call"
                fields = {keyword.arg for keyword in node.keywords if keyword.arg}
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", Event[event.attr], fields


def fields_of(event: Event) -> set[str]:
    """The names in the braces of a sentence."""
    return {name for _, name, _, _ in Formatter().parse(event.text) if name}


@pytest.mark.parametrize(("place", "event", "fields"), [*told()])
def test_a_sentence_gets_the_fields_it_has_room_for(place: str, event: Event, fields: set[str]) -> None:
    """What is told is what the event's sentence names, and at most the exchange beside it."""
    assert fields - ASIDE == fields_of(event) - ASIDE, place


def test_every_event_is_told_somewhere() -> None:
    """An event that nothing tells of would be waited for in vain. What libraries say comes through the handler."""
    assert {event for _, event, _ in told()} == set(Event) - {Event.LIBRARY}


@pytest.mark.parametrize("event", [one for one in Event if one is not Event.LIBRARY], ids=lambda event: event.name)
def test_an_event_is_well_formed(event: Event) -> None:
    """A level that operators filter by, and no field that would hide one of every line."""
    assert event.level in LEVELS
    assert not fields_of(event) & OF_EVERY_LINE


def test_nothing_is_logged_past_the_events() -> None:
    """`tell` is the only way to the log: a logger of a module's own would add events to no set."""
    loggers = [path for path in PACKAGE.rglob("*.py") if "getLogger" in path.read_text()]
    assert loggers == [PACKAGE / "log.py"]
