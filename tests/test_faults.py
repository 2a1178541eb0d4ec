"""Whose fault an error is."""

import pytest

from shadow.faults import FAULTS, Fault, fault
from shadow.mirror.failures import SILENT, TRIPPING
from shadow.mirror.reasons import Failed
from shadow.wire.errors import ErrorKind


def test_every_error_has_its_fault_and_nothing_else_has() -> None:
    """A reason or kind that is added must be placed before it can be reported."""
    assert FAULTS.keys() == {*map(str, Failed), *map(str, ErrorKind)}


def test_the_sidecars_own_failures_are_silent() -> None:
    """What the report leaves out of the rates is what the mirror learns nothing from."""
    assert {word for word in Failed if fault(word) is Fault.SIDECAR} == SILENT


def test_a_refused_request_opens_no_circuit() -> None:
    """It says nothing about the next request; whatever makes an arm unavailable does."""
    assert not {word for word in TRIPPING if fault(word) is Fault.REQUEST}


@pytest.mark.parametrize("word", [None, "a word of a later release"])
def test_an_error_that_nobody_knows_is_the_arms(word: str | None) -> None:
    """It must not disappear from the rates."""
    assert fault(word) is Fault.ANSWER
