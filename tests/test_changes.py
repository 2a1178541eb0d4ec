"""What differs between two configurations, in words of the file."""

from dataclasses import replace
from pathlib import Path

import pytest

from shadow.changes import LIVE, SHOWN_CHARACTERS, changes, taken_over
from shadow.config import Config
from shadow.configfile import parse

BASE = """
upstream: {url: https://openrouter.ai}
consent_default: deny
candidates:
  - {name: ferry, url: "https://gateway.example.com/v1", models: {"*": m}, sample: {rate: 0.05}}
  - {name: local, url: "http://127.0.0.1:8000/v1", models: {"*": m}}
registry: {tenants: {acme: {plan: pro}}}
drain_s: 30
"""


def config(text: str = BASE) -> Config:
    return parse(text, Path("/etc/shadow"), {}, secrets=False)


def test_alike_is_no_change() -> None:
    """Two readings of one file differ in nothing."""
    assert changes(config(), config()) == ()


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("rate: 0.05", "rate: 0.1", "candidates.ferry.sample.rate: 0.05 → 0.1"),
        ("plan: pro", "plan: free", "registry.tenants.acme.plan: pro → free"),
        ("consent_default: deny", "consent_default: allow", "consent_default: deny → allow"),
        ("drain_s: 30", "drain_s: 60", "drain_s: 30.0 → 60.0"),
        ('{"*": m}, sample', '{"*": m, a: b}, sample', "candidates.ferry.models.a: added: b"),
        ('{"*": m}, sample', "{a: b}, sample", "candidates.ferry.models.*: removed"),
    ],
)
def test_a_change_is_named_by_its_key_path(before: str, after: str, told: str) -> None:
    """Candidates go by their names, and each value is told as it was and as it is."""
    assert told in map(str, changes(config(), config(BASE.replace(before, after))))


def test_a_candidate_comes_and_goes_as_one() -> None:
    """One that was added or removed is one change, and moves no other."""
    [first, _] = config().candidates
    without = replace(config(), candidates=(first,))
    [gone], [come] = changes(config(), without), changes(without, config())
    assert str(gone) == "candidates.local: removed"
    assert str(come).startswith("candidates.local: added: Candidate(name='local'")


def test_the_first_candidate_is_a_change() -> None:
    """From none to one, as at the end of a trial without candidates."""
    [change] = changes(replace(config(), candidates=()), replace(config(), candidates=config().candidates[:1]))
    assert change.where == "candidates.ferry"


def test_a_long_value_is_cut() -> None:
    """A line of the log stays a line."""
    long = replace(config(), fingerprint_key_file=Path("/" + "x" * 1000))
    [change] = changes(config(), long)
    assert change.after is not None
    assert len(change.after) == SHOWN_CHARACTERS + 1


def test_what_is_live_is_taken_over_and_nothing_else() -> None:
    """Candidates, consents and the registry are the new ones; ports and paths stay those that are in use."""
    wanted = config(BASE.replace("rate: 0.05", "rate: 0.1").replace("drain_s: 30", "drain_s: 60"))
    now = taken_over(config(), wanted)
    assert (now.candidates, now.drain_s) == (wanted.candidates, 30)
    assert {change.where: change.live for change in changes(config(), wanted)} == {
        "candidates.ferry.sample.rate": True,
        "drain_s": False,
    }


def test_what_is_live_exists() -> None:
    """The live keys are keys of the configuration."""
    assert set(LIVE) <= set(Config.__slots__)
