"""Runs of replays of what is stored, with a real store, mirror and candidate."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from shadow.config import Capture, Config, Registry, Tenant
from shadow.exchange import Attribution, Exchange, Recorded, Replay, ReplayOutcome
from shadow.mirror.mirror import Mirror
from shadow.record.bodies import Keeper
from shadow.record.ledger import StoreLedger
from shadow.record.metrics import Metrics
from shadow.record.run import Order, Run, State
from shadow.record.stored import BEYOND_BUDGET, UNWATCHED_S, RefusedError, StoredReplays
from shadow.store.ids import END
from shadow.store.sqlite import SQLiteStore
from shadow.store.stored import outstanding
from shadow.wire.observe import read
from shadow.wire.prices import PriceBook
from tests.mirror.making import KEY, KEY_VARIABLE, Clock, Gate, answer, chat, config
from tests.record.samples import sample

REGISTRY = Registry(tenants={"acme": Tenant(bodies=True), "wary": Tenant(bodies=True, consent=())})
KEPT = Keeper(Capture(bodies="consented"), REGISTRY)
BOOK = PriceBook({}, None, openrouter=True)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def asked(number: int, **fields: Any) -> Exchange:
    body = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": f"Question {number}"}], **fields}
    return chat(body)


class Bench:
    """A recorder's parts around a store, with `replays` to begin."""

    def __init__(self, path: Path, settings: Config, store: SQLiteStore) -> None:
        self.config = replace(settings, store=replace(settings.store, path=path), registry=REGISTRY)
        self.store, self.metrics, self.clock = store, Metrics(), Clock()
        self.ledger = StoreLedger(store, KEPT, self.metrics)
        self.mirror = Mirror(self.config, self.ledger)
        self.replays = StoredReplays(self.config, KEPT, self.mirror, store, self.ledger, self.metrics, self.clock)

    async def keep(self, *exchanges: Exchange, ended: tuple[Replay, ...] = ()) -> None:
        batch = []
        for exchange in exchanges:
            seen = read(exchange, BOOK)
            mine = tuple(one for one in ended if one.exchange_id == exchange.exchange_id)
            batch.append(Recorded(exchange, seen.observation, mine, bodies=KEPT.of_primary(exchange, seen)))
        await self.store.add(batch)

    def left(self) -> int:
        """Kept exchanges that the candidate has no row of."""
        return len(outstanding(self.config.store.path, "ferry", (b"", END)))

    async def run(self, **order: Any) -> dict[str, Any]:
        """A run, watched to its end."""
        self.replays.begin(Order("ferry", **order))
        return await self.until(lambda run: run["state"] != State.RUNNING)

    async def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(30):
            while not condition(run := self.replays.progress() or {}):  # noqa: ASYNC110 (nothing tells of all of it)
                await asyncio.sleep(0.01)
            return run

    async def rows(self) -> list[tuple[Any, ...]]:
        query = "SELECT outcome, reason, probability FROM replays ORDER BY exchange_id"
        return await self.store._writer.chore(lambda connection: connection.execute(query).fetchall())


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)


@asynccontextmanager
async def bench(directory: Path, handler: Handler = answer, **candidate: Any) -> AsyncIterator[Bench]:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", handler)
    path = directory / "shadow.db"
    async with TestServer(app) as server:
        store = await SQLiteStore.open(path)
        it = Bench(path, config(str(server.make_url("")).rstrip("/"), **candidate), store)
        await it.mirror.start()
        try:
            yield it
        finally:
            await it.replays.close()
            it.ledger.hurry()
            await it.mirror.close()
            await store.close()


async def test_each_kept_request_is_replayed_once_with_certainty(tmp_path: Path) -> None:
    """Whatever the candidate's own rate: nobody drew these. Counted as any replay is, and never sent again."""
    async with bench(tmp_path, sample={"rate": 0}) as it:
        await it.keep(*map(asked, range(20)))
        run = await it.run()
        assert (run["state"], run["found"], run["ended"], run["left"]) == ("done", 20, {"completed": 20}, {})
        assert await it.rows() == [("completed", None, 1.0)] * 20
        assert (
            sample(
                it.metrics.expose().decode(), "shadow_replays_total", arm="ferry", outcome="completed", reason="none"
            )
            == 20
        )
        assert (await it.run())["found"] == 0


async def test_cost_is_summed_and_the_unknown_counted(tmp_path: Path) -> None:
    """Nine tokens in and two out at the configured price, exactly."""
    async with bench(tmp_path) as it:
        await it.keep(asked(1), asked(2))
        run = await it.run()
    assert (run["cost_usd"], run["cost_unknown"]) == ("0.000026", 0)


async def test_what_the_candidate_has_a_row_of_is_left_alone(tmp_path: Path) -> None:
    """Drawn or not, sent or not: the live decision stands, and its weight with it."""
    one, other = asked(1), asked(2)
    out = Replay(one.exchange_id, "ferry", ReplayOutcome.SAMPLED_OUT, "not_drawn", 0.05)
    async with bench(tmp_path) as it:
        await it.keep(one, other, ended=(out,))
        assert (await it.run())["found"] == 1
        assert sorted(await it.rows()) == [("completed", None, 1.0), ("sampled_out", "not_drawn", 0.05)]


async def test_ends_and_what_is_left(tmp_path: Path) -> None:
    """What the request, the configuration or the tenant rules out ends as it would have live."""
    async with bench(tmp_path, models={"openai/*": "small"}) as it:
        await it.keep(
            asked(1, tools=[{"type": "openrouter:web_search"}]),
            asked(2, n=2),
            asked(3, model="google/gemini"),
            replace(asked(4), attribution=Attribution("wary")),
            asked(5, messages=[{"role": "user", "content": "x" * (2 << 20)}]),
        )
        run = await it.run()
        assert (run["left"], it.left()) == ({}, 0)
        assert run["ended"] == {
            "ineligible: server_tools": 1,
            "ineligible: several_choices": 1,
            "ineligible: not_whole": 1,
            "ineligible: model_unmapped": 1,
            "withheld: consent": 1,
        }
        assert ("withheld", "consent", 0.0) in await it.rows()


async def test_consent_to_keep_that_was_withdrawn_counts(tmp_path: Path) -> None:
    """What is still on the disk of a tenant that agrees no more is not sent."""
    async with bench(tmp_path) as it:
        await it.keep(asked(1))
        it.replays._keeper = Keeper(
            Capture(bodies="consented"), Registry(tenants={"other": Tenant(bodies=True), "acme": Tenant()})
        )
        assert ((await it.run())["left"], it.left()) == ({"consent": 1}, 1)


async def test_since_and_limit(tmp_path: Path) -> None:
    """Only exchanges that began by then are looked at; only so many replays are begun; the rest is for another run."""
    early = [replace(asked(n), exchange_id=f"01890000-0000-7000-8000-{n:012x}") for n in range(3)]
    late = [replace(asked(n), exchange_id=f"01990000-0000-7000-8000-{n:012x}") for n in range(6)]
    async with bench(tmp_path) as it:
        await it.keep(*early, *late)
        run = await it.run(since=0x018A00000000 / 1000, limit=4)
        assert (run["found"], run["ended"], it.left()) == (6, {"completed": 4}, 5)
        assert (await it.run(limit=1))["found"] == 5


async def test_any_first_part_is_from_the_whole_period(tmp_path: Path) -> None:
    """Ids are taken by their random halves: a run that is cut short has not seen the first hours alone."""
    by_time = [f"0189{n:04x}-0000-7000-8000-{(n * 7919) % 1000:012x}" for n in range(100)]
    async with bench(tmp_path) as it:
        await it.keep(*(replace(asked(n), exchange_id=name) for n, name in enumerate(by_time)))
        order = outstanding(it.config.store.path, "ferry", (b"", END))
    assert sorted(order) == by_time
    assert max(by_time.index(name) for name in order[:10]) > 60


async def test_the_candidates_concurrency_bounds_a_run(tmp_path: Path) -> None:
    """No more is in flight than the candidate is to have at once, and nothing is dropped for want of room."""
    gate = Gate()
    async with bench(tmp_path, gate.handle, max_concurrency=3) as it:
        await it.keep(*map(asked, range(12)))
        it.replays.begin(Order("ferry"))
        await gate.has(3)
        gate.open.set()
        run = await it.until(lambda run: run["state"] == "done")
    assert (gate.most, run["ended"]) == (3, {"completed": 12})


async def test_a_stopped_run_lets_finish_what_it_sent(tmp_path: Path) -> None:
    """Nothing more begins; the state says so once the last has ended; the rest has no row."""
    gate = Gate()
    async with bench(tmp_path, gate.handle, max_concurrency=2) as it:
        await it.keep(*map(asked, range(6)))
        it.replays.begin(Order("ferry"))
        await gate.has(2)
        it.replays.stop()
        assert (await it.until(lambda run: run["stopping"]))["state"] == "running"
        gate.open.set()
        run = await it.until(lambda run: run["state"] != "running")
        assert (run["state"], run["ended"], it.left()) == ("stopped", {"completed": 2}, 4)


async def test_a_run_that_nobody_asks_about_ends(tmp_path: Path) -> None:
    """Whoever began it may have lost the connection, and is not there to stop it."""
    gate = Gate()
    async with bench(tmp_path, gate.handle, max_concurrency=1) as it:
        await it.keep(asked(1), asked(2), asked(3))
        it.replays.begin(Order("ferry"))
        await gate.has(1)
        it.clock.now += UNWATCHED_S + 1
        gate.open.set()
        run = it.replays._run
        async with asyncio.timeout(30):
            while run is None or run.state is State.RUNNING:  # noqa: ASYNC110 (to ask for progress is to watch it)
                await asyncio.sleep(0.01)
        assert run.state is State.UNWATCHED
        assert it.left() == 3 - gate.seen


async def test_a_low_rate_outlasts_nobody(tmp_path: Path) -> None:
    """Whoever watched may have gone while a replay waited for its turn: then it is not sent."""
    async with bench(tmp_path) as it:
        run = Run(Order("ferry"), it.clock())
        waiting = asyncio.create_task(it.replays._pause(run, 0.01))
        await asyncio.sleep(0)
        it.clock.now += UNWATCHED_S + 1
        await waiting
    assert run.ends_as is State.UNWATCHED


async def test_a_pause_is_waited_for(tmp_path: Path) -> None:
    """What passes leaves no mark: replays begin once an operator resumes them."""
    async with bench(tmp_path) as it:
        await it.keep(asked(1))
        it.mirror.pause()
        it.replays.begin(Order("ferry"))
        await it.until(lambda run: run["waits_for"] == "paused")
        it.mirror.resume()
        run = await it.until(lambda run: run["state"] == "done")
    assert (run["ended"], run["waits_for"]) == ({"completed": 1}, None)


async def test_an_open_circuit_keeps_what_is_left(tmp_path: Path) -> None:
    """A candidate that fails again and again costs five exchanges, not all of them."""

    async def fail(_: web.Request) -> web.Response:
        return web.json_response({"error": {"message": "overloaded"}}, status=503)

    async with bench(tmp_path, fail, max_concurrency=1) as it:
        await it.keep(*map(asked, range(8)))
        it.replays.begin(Order("ferry"))
        await it.until(lambda run: run["waits_for"] == "circuit_open")
        it.replays.stop()
        run = await it.until(lambda run: run["state"] == "stopped")
        assert (run["ended"], it.left()) == ({"failed: server_error": 5}, 3)


async def test_a_key_that_cannot_be_read_ends_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be the end of every exchange."""
    async with bench(tmp_path, max_concurrency=1) as it:
        await it.keep(*map(asked, range(5)))
        monkeypatch.delenv(KEY_VARIABLE)
        run = await it.run()
        assert (run["state"], run["ended"]) == ("keyless", {"withheld: key_unavailable": 1})
        assert it.left() == 4


async def test_a_rate_spaces_replays(tmp_path: Path) -> None:
    """Each takes a turn; the first is at once."""
    async with bench(tmp_path) as it:
        await it.keep(*map(asked, range(3)))
        await it.run(rate=1000)
        run = it.replays._run
    assert run is not None
    assert run.next_at == pytest.approx(it.clock.now + 3 / 1000)


async def test_a_mistake_ends_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One that nobody foresaw, too: the next may begin."""

    def breaks(*_: object) -> None:
        raise LookupError("a prompt")

    async with bench(tmp_path) as it:
        await it.keep(asked(1))
        with monkeypatch.context() as patched:
            patched.setattr("shadow.record.stored.request_of", breaks)
            assert (await it.run())["state"] == "failed"
        assert (await it.run())["ended"] == {"completed": 1}
    assert "a prompt" not in caplog.text


async def test_what_cannot_begin_is_told(tmp_path: Path) -> None:
    """A candidate that is not there, a run beside another, a recorder that keeps nothing."""
    gate = Gate()
    async with bench(tmp_path, gate.handle) as it:
        with pytest.raises(RefusedError, match="there is no candidate canal; there are: ferry"):
            it.replays.begin(Order("canal"))
        await it.keep(asked(1))
        it.replays.begin(Order("ferry"))
        with pytest.raises(RefusedError, match="a replay to ferry is under way"):
            it.replays.begin(Order("ferry"))
        it.replays._keeper = Keeper(Capture(), Registry())
        with pytest.raises(RefusedError, match="no requests are kept"):
            it.replays.begin(Order("ferry"))
        gate.open.set()
        await it.until(lambda run: run["state"] == "done")


async def test_a_run_stays_within_the_budget_and_gives_up_beyond_it(tmp_path: Path) -> None:
    """What there is no money for is left for another day, and the run does not read on for ever."""
    budget = Decimal("0.00225")  # the worst case of one with some of them: 1,150 tokens and an answer of 500
    async with bench(tmp_path, budget_usd_per_day=float(budget), max_output_tokens=500, max_concurrency=1) as it:
        await it.keep(*map(asked, range(BEYOND_BUDGET + 20)))
        run = await it.run()
        completed = run["ended"]["completed"]
        assert 0 < completed < 20
        assert (run["state"], run["left"]) == ("over_budget", {"budget_spent": BEYOND_BUDGET})
        assert Decimal(run["cost_usd"]) <= budget
        assert it.left() == BEYOND_BUDGET + 20 - completed
