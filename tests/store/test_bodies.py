import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from shadow.exchange import Answer, ToolCall
from shadow.store.bodies import Kept, of_exchange
from shadow.store.sqlite import SQLiteStore
from tests.store.conftest import FEW_PAGES, Query
from tests.store.samples import BEGAN, bodies, exchange_id, recorded, replay

REQUEST = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}
SAID = {"text": "Hello.", "tool_calls": [{"name": "f", "arguments": "{}", "id": None}]}
ANSWER = Answer("Hello.", tool_calls=(ToolCall("f", "{}"),))
ARMS = "SELECT arm FROM bodies ORDER BY body_id"


def read(path: Path, number: int = 0) -> dict[str, Kept]:
    with closing(sqlite3.connect(path)) as connection:
        return of_exchange(connection, exchange_id(number))


async def test_bodies_are_read_back(store: SQLiteStore, path: Path) -> None:
    """The primary's request and answer, and a replay's answer, as they were handed over."""
    await store.add([recorded(0, "ferry", bodies=bodies(REQUEST, SAID, redactions=2, whole=False))])
    await store.settle([replay(0, bodies=bodies(None, {"refusal": "No."}))])
    assert read(path) == {
        "primary": Kept(exchange_id(0), "primary", "acme", REQUEST, ANSWER, whole=False, redactions=2),
        "ferry": Kept(exchange_id(0), "ferry", "acme", None, Answer(refusal="No."), whole=True, redactions=0),
    }


async def test_bodies_of_a_resent_exchange_are_there_once(store: SQLiteStore, query: Query) -> None:
    """A batch that comes again, even at the same time, adds none."""
    batch = [recorded(0, bodies=bodies(REQUEST))]
    await asyncio.gather(store.add(batch), store.add(batch))
    await store.add(batch)
    assert query(ARMS) == [("primary",)]


async def test_an_answer_is_kept_beside_its_primarys_bodies_only(store: SQLiteStore, query: Query) -> None:
    """Where nothing was kept of the primary, or it is gone, a replay that ends later leaves none."""
    await store.add([recorded(0, "ferry"), recorded(1, "ferry", bodies=bodies(REQUEST))])
    await store.prune(BEGAN + 1)
    await store.settle([replay(number, bodies=bodies(None, SAID)) for number in (0, 1)])
    assert query(ARMS) == []


async def test_bodies_go_before_their_rows(store: SQLiteStore, query: Query) -> None:
    """With a retention of their own; the accounts stay."""
    await store.add([recorded(number, bodies=bodies({"n": number})) for number in range(10)])
    assert await store.prune_bodies(BEGAN + 0.007, {"acme"}) == 7
    assert query("SELECT count(*) FROM bodies UNION ALL SELECT count(*) FROM exchanges") == [(3,), (10,)]


async def test_bodies_go_with_their_rows(store: SQLiteStore, query: Query) -> None:
    """None stays behind an exchange that retention has taken."""
    await store.add([recorded(number, bodies=bodies({"n": number})) for number in range(10)])
    assert await store.prune(BEGAN + 0.007) == 7
    assert query("SELECT count(*) FROM bodies UNION ALL SELECT count(*) FROM exchanges") == [(3,), (3,)]


async def test_bodies_go_when_consent_does(store: SQLiteStore, query: Query) -> None:
    """Those of tenants that do not consent any more, in as many steps as it takes."""
    kept = [recorded(number, bodies=bodies(REQUEST, tenant=f"tenant-{number % 3}")) for number in range(200)]
    await store.add(kept)
    assert await store.prune_bodies(BEGAN, {"tenant-1", "tenant-2"}) == 67
    assert query("SELECT DISTINCT tenant FROM bodies ORDER BY 1") == [("tenant-1",), ("tenant-2",)]


async def test_large_bodies_leave_the_file(store: SQLiteStore, path: Path, query: Query, blank_bytes: int) -> None:
    """Their space is given back."""
    words = [str(number) for number in range(100_000)]
    await store.add([recorded(number, bodies=bodies(words)) for number in range(10)])
    await store.prune_bodies(BEGAN + 1, ())
    assert query("SELECT count(*) FROM bodies") == [(0,)]
    assert path.stat().st_size <= blank_bytes + FEW_PAGES
