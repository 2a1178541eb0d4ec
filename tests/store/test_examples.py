"""Examples of pairs that disagree: who agreed to be one, of which kind, and how many."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from shadow.exchange import Agreement, Answer
from shadow.report.examples import Example
from shadow.report.totals import Scope
from shadow.store.errors import StoreError
from shadow.store.examples import EACH, read
from shadow.store.sqlite import SQLiteStore
from tests.store.samples import bodies, exchange_id, recorded, replay

REQUEST = {"messages": [{"role": "user", "content": "Hi"}]}


async def keep(store: SQLiteStore, number: int, tenant: str = "acme", arm: str = "ferry", **agreement: Any) -> None:
    """An exchange and its replay with what both said."""
    await store.add([recorded(number, arm, bodies=bodies(REQUEST, {"text": "yes"}, tenant, redactions=1))])
    said = bodies(None, {"text": "no"}, tenant, whole=False)
    await store.settle([replay(number, arm, agreement=Agreement(**agreement), bodies=said)])


def found(path: Path, scope: Scope | None = None, tenants: set[str] | None = None) -> list[tuple[str, str]]:
    return [(one.kind, one.exchange_id) for one in read(path, scope or Scope(), tenants)]


async def test_an_example_has_what_both_said(store: SQLiteStore, path: Path) -> None:
    """The request, both answers, and whether all of it was kept as it was."""
    await keep(store, 0, finish_reason_same=False)
    assert await asyncio.to_thread(read, path, Scope()) == (
        Example(
            "finish_reason",
            exchange_id(0),
            "ferry",
            "acme",
            REQUEST,
            Answer("yes"),
            Answer("no"),
            whole=False,
            redactions=1,
        ),
    )


@pytest.mark.parametrize(
    ("agreement", "kind"),
    [
        ({"refused": True, "primary_refused": False}, "refusal"),
        ({"json_valid": False, "primary_json_valid": True}, "json"),
        ({"schema_valid": False, "primary_schema_valid": True}, "schema"),
        ({"tool_names_same": False, "tool_calls_same": False}, "tool_names"),
        ({"tool_names_same": True, "tool_calls_same": False}, "tool_arguments"),
        ({"finish_reason_same": False}, "finish_reason"),
        ({"finish_reason_same": True, "text_similarity": 0.2}, "text"),
    ],
)
async def test_every_kind_is_found(store: SQLiteStore, path: Path, agreement: dict[str, Any], kind: str) -> None:
    """By the first thing in which the answers disagree."""
    await keep(store, 0, **agreement)
    assert found(path) == [(kind, exchange_id(0))]


@pytest.mark.parametrize(
    "agreement",
    [
        {"finish_reason_same": True, "text_similarity": 0.9},
        {"refused": True, "primary_refused": True},
        {"json_valid": False, "primary_json_valid": False},
    ],
)
async def test_what_agrees_is_no_example(store: SQLiteStore, path: Path, agreement: dict[str, Any]) -> None:
    """Nor is a fault that the primary has as well."""
    await keep(store, 0, **agreement)
    assert found(path) == []


async def test_the_latest_few_of_a_kind_are_shown(store: SQLiteStore, path: Path) -> None:
    """However many there are."""
    for number in range(5):
        await keep(store, number, finish_reason_same=False)
    assert found(path) == [("finish_reason", exchange_id(number)) for number in (4, 3)]
    assert EACH == 2


async def test_only_who_consents_today_is_shown(store: SQLiteStore, path: Path) -> None:
    """Where it is known who does; what others once let be kept is not looked at."""
    await keep(store, 0, "acme", finish_reason_same=False)
    await keep(store, 1, "globex", finish_reason_same=False)
    assert found(path, tenants={"acme"}) == [("finish_reason", exchange_id(0))]
    assert found(path, tenants=set()) == []


async def test_nothing_kept_is_no_example(store: SQLiteStore, path: Path) -> None:
    """A pair without bodies cannot be shown."""
    await store.add([recorded(0, "ferry")])
    await store.settle([replay(0, agreement=Agreement(finish_reason_same=False))])
    assert found(path) == []


async def test_examples_keep_to_the_scope(store: SQLiteStore, path: Path) -> None:
    """Other candidates and other segments have none in it."""
    await keep(store, 0, finish_reason_same=False)
    assert found(path, Scope(candidate="canal")) == []
    assert found(path, Scope(where=(("tenant", "nobody"),))) == []
    assert len(found(path, Scope(candidate="ferry", where=(("tenant", "acme"),)))) == 1


def test_a_missing_database_is_told(tmp_path: Path) -> None:
    """As by every other reader."""
    with pytest.raises((StoreError, OSError)):
        read(tmp_path / "nowhere.db", Scope())
