"""One replay after another, from leave to settlement: each ends once, and the candidate is learnt from."""

import asyncio
import os
from datetime import date
from decimal import Decimal

import orjson
from aiohttp import web

from shadow.exchange import Observation, Replay, ReplayOutcome, Rewrite
from shadow.mirror.circuit import TRIPS_AFTER, State
from shadow.mirror.performer import judged
from shadow.mirror.planned import Planned
from shadow.mirror.reasons import Dropped, Failed, Withheld
from shadow.mirror.sampling import conversation, number_of
from shadow.wire.prices import PriceBook
from tests.mirror.making import (
    GOOD,
    HELLO,
    KEY,
    KEY_VARIABLE,
    Clock,
    Gate,
    Ledger,
    answer,
    chat,
    config,
    ends,
    observed,
    submit,
)


async def test_a_replay_becomes_a_complete_pair(serve, mirrors):
    """A good answer of the candidate is settled as completed, observed, priced and compared."""
    mirror, ledger = await mirrors(config(await serve(answer)))
    exchange = chat()
    assert submit(mirror, exchange) == []
    (replay,) = await ledger.ends(1)
    assert (replay.exchange_id, replay.arm, replay.probability) == (exchange.exchange_id, "ferry", 1.0)
    assert replay.conversation == number_of(conversation(exchange, orjson.loads(exchange.request_body.head)))
    assert ends([replay]) == [(ReplayOutcome.COMPLETED, None)]
    assert replay.observation.answer.text == "Hi"
    assert str(replay.observation.cost.usd) == "0.000013"  # 9 × $1 + 2 × $2 per million
    assert replay.agreement.finish_reason_same is True
    assert replay.rewrite.mapped == ("model: openai/gpt-4o-mini → small",)


async def test_the_mark_comes_before_the_bytes(serve, mirrors):
    """The ledger has marked a replay as sent before the candidate sees it, and settles it after."""
    ledger = Ledger()

    async def note(request: web.Request) -> web.Response:
        ledger.told.append(("seen", request.headers["X-Shadow-Replay"], "ferry"))
        return await answer(request)

    mirror, _ = await mirrors(config(await serve(note)), ledger)
    submit(mirror, chat())
    await ledger.ends(1)
    assert [what for what, *_ in ledger.told] == ["sent", "seen", "settled"]


async def test_what_a_replay_holds_is_marked_with_it(serve, mirrors):
    """The reservation is in the ledger before the candidate sees the replay, and its charge when that has ended."""
    mirror, ledger = await mirrors(config(await serve(answer), budget_usd_per_day=1), wall=lambda: 1_790_000_000.0)
    submit(mirror, chat())
    (replay,) = await ledger.ends(1)
    [held] = ledger.reserved
    assert (held.day, held.usd, held.day_usd) == (date(2026, 9, 21), held.usd, held.usd)
    assert replay.charged_usd == replay.observation.cost.usd == Decimal("0.000013") < held.usd
    await mirror.close()
    assert mirror.states()[0].budget_remaining_usd == 1 - replay.charged_usd


async def test_a_replay_that_costs_more_than_foreseen_is_told_of(serve, mirrors, caplog):
    """A candidate that bills more tokens than it was allowed is charged with them, and the day is over for it."""

    async def verbose(_request: web.Request) -> web.Response:
        return web.json_response({**GOOD, "usage": {"prompt_tokens": 9, "completion_tokens": 10_000_000}})

    mirror, ledger = await mirrors(config(await serve(verbose), budget_usd_per_day=1))
    submit(mirror, chat())
    (replay,) = await ledger.ends(1)
    await mirror.close()
    assert replay.charged_usd == Decimal("20.000009")
    assert mirror.states()[0].budget_remaining_usd == 1 - replay.charged_usd
    assert "cost more than could be foreseen" in caplog.text


async def test_what_is_not_marked_holds_nothing(mirrors):
    """A store in trouble keeps replays from being sent, and takes nothing of the budget."""

    class Broken(Ledger):
        async def mark_sent(self, *_arguments):
            raise OSError

    mirror, ledger = await mirrors(config(budget_usd_per_day=1), Broken())
    submit(mirror, chat())
    (replay,) = await ledger.ends(1)
    await mirror.close()
    assert (replay.reason, replay.charged_usd) == (Dropped.LEDGER, 0)
    assert mirror.states()[0].budget_remaining_usd == 1


async def test_an_end_that_is_not_stored_keeps_what_was_held(serve, mirrors):
    """What is reserved in the store stays reserved in memory: they must not part."""

    class Broken(Ledger):
        async def settle(self, replay):
            await super().settle(replay)
            raise OSError

    mirror, ledger = await mirrors(config(await serve(answer), budget_usd_per_day=1), Broken())
    submit(mirror, chat())
    await ledger.ends(1)
    await mirror.close()
    assert mirror.states()[0].budget_remaining_usd == 1 - ledger.reserved[0].usd


async def test_the_budget_is_asked_again_when_a_replay_is_to_be_sent(serve, mirrors):
    """Two are decided on while there is room for one: the second is withheld while the first holds it."""
    gate = Gate()
    mirror, ledger = await mirrors(config(await serve(gate.handle), budget_usd_per_day="0.02"))
    submit(mirror, chat())
    submit(mirror, chat())
    assert ends(await ledger.ends(1)) == [(ReplayOutcome.WITHHELD, Withheld.BUDGET_SPENT)]
    gate.open.set()
    assert ends(await ledger.ends(2))[1:] == [(ReplayOutcome.COMPLETED, None)]


async def test_what_waited_too_long_is_not_begun(serve, mirrors):
    """A replay with less than half of its deadline left would be judged by its wait."""
    clock, gate = Clock(), Gate()
    mirror, ledger = await mirrors(config(await serve(gate.handle), max_concurrency=1, deadline_s=100), clock=clock)
    submit(mirror, chat())
    submit(mirror, chat())
    await gate.has(1)
    clock.now += 51
    gate.open.set()
    assert ends(await ledger.ends(2)) == [(ReplayOutcome.COMPLETED, None), (ReplayOutcome.DROPPED, Dropped.EXPIRED)]


async def test_a_failing_candidate_is_left_alone_then_probed(serve, mirrors):
    """The circuit opens, withholds, lets one probe out, and closes when that goes well."""
    clock, well = Clock(), asyncio.Event()

    async def flaky(request: web.Request) -> web.Response:
        return await answer(request) if well.is_set() else web.Response(status=500)

    mirror, ledger = await mirrors(config(await serve(flaky)), clock=clock)
    for count in range(1, TRIPS_AFTER + 1):
        submit(mirror, chat())
        await ledger.ends(count)
    assert mirror.states()[0].circuit is State.OPEN
    assert ends(submit(mirror, chat())) == [(ReplayOutcome.WITHHELD, Withheld.CIRCUIT_OPEN)]
    clock.now += 31
    well.set()
    assert submit(mirror, chat()) == []
    await ledger.ends(TRIPS_AFTER + 1)
    assert mirror.states()[0].circuit is State.CLOSED


async def test_refusals_of_a_parameter_do_not_open_the_circuit(serve, mirrors):
    """They are facts about compatibility: the candidate is well."""

    async def strict(_request: web.Request) -> web.Response:
        error = {"error": {"message": "x", "param": "temperature", "code": "unsupported_parameter"}}
        return web.json_response(error, status=400)

    mirror, ledger = await mirrors(config(await serve(strict)))
    for count in range(1, 2 * TRIPS_AFTER):
        assert submit(mirror, chat()) == []
        replays = await ledger.ends(count)
    assert {replay.reason for replay in replays} == {Failed.PARAM_REJECTED}


async def test_retry_after_is_honoured(serve, mirrors):
    """A candidate that asks for thirty seconds gets them; what waits meanwhile is withheld."""
    clock, gate = Clock(), Gate()

    async def busy(request: web.Request) -> web.Response:
        await gate.handle(request)
        return web.Response(status=429, headers={"Retry-After": "30"})

    mirror, ledger = await mirrors(config(await serve(busy), max_concurrency=1), clock=clock)
    submit(mirror, chat())
    submit(mirror, chat())
    await gate.has(1)
    gate.open.set()
    assert ends(await ledger.ends(2)) == [
        (ReplayOutcome.FAILED, Failed.RATE_LIMITED),
        (ReplayOutcome.WITHHELD, Withheld.RETRY_AFTER),
    ]
    assert ends(submit(mirror, chat())) == [(ReplayOutcome.WITHHELD, Withheld.RETRY_AFTER)]
    clock.now += 31
    assert submit(mirror, chat()) == []


async def test_refused_stream_options_are_remembered(serve, mirrors):
    """One replay pays for the lesson; the next streams go without the field."""
    bodies = []

    async def strict(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        if "stream_options" in bodies[-1]:
            return web.json_response({"detail": [{"type": "extra_forbidden", "loc": ["stream_options"]}]}, status=422)
        return await answer(request)

    mirror, ledger = await mirrors(config(await serve(strict), dialect="generic"))
    for count in (1, 2):
        submit(mirror, chat({**HELLO, "stream": True}))
        await ledger.ends(count)
    assert ["stream_options" in body for body in bodies] == [True, False]
    assert ends(ledger.settled) == [(ReplayOutcome.FAILED, Failed.PARAM_REJECTED), (ReplayOutcome.COMPLETED, None)]


async def test_a_missing_key_withholds(serve, mirrors, monkeypatch):
    """Nothing is sent without the key that the configuration names."""
    mirror, ledger = await mirrors(config(await serve(answer)))
    monkeypatch.delenv(KEY_VARIABLE)
    submit(mirror, chat())
    assert ends(await ledger.ends(1)) == [(ReplayOutcome.WITHHELD, Withheld.KEY_UNAVAILABLE)]
    assert [what for what, *_ in ledger.told] == ["settled"]


async def test_a_rotated_key_is_used_at_once(serve, mirrors):
    """The key is read for every replay."""
    keys = []

    async def note(request: web.Request) -> web.Response:
        keys.append(request.headers["Authorization"])
        return await answer(request)

    mirror, ledger = await mirrors(config(await serve(note)))
    for count, key in enumerate((KEY, "rotated"), 1):
        os.environ[KEY_VARIABLE] = key
        submit(mirror, chat())
        await ledger.ends(count)
    assert keys == [f"Bearer {KEY}", "Bearer rotated"]


async def test_what_cannot_be_marked_is_not_sent(serve, mirrors):
    """A store in trouble must not make a restart pay twice."""
    gate = Gate()

    class Broken(Ledger):
        async def mark_sent(self, _exchange_id: str, _arm: str) -> None:
            raise OSError("disk full")

    mirror, ledger = await mirrors(config(await serve(gate.handle)), Broken())
    submit(mirror, chat())
    assert ends(await ledger.ends(1)) == [(ReplayOutcome.DROPPED, Dropped.LEDGER)]
    assert gate.seen == 0


async def test_an_end_that_cannot_be_stored_is_counted(serve, mirrors):
    """The row stays pending and the next start ends it; here it is a number."""
    tried = asyncio.Event()

    class Broken(Ledger):
        async def settle(self, _replay: Replay) -> None:
            tried.set()
            raise OSError("disk full")

    mirror, _ = await mirrors(config(await serve(answer)), Broken())
    submit(mirror, chat())
    await asyncio.wait_for(tried.wait(), 30)
    await mirror.close()
    assert mirror.unsettled == 1


async def test_an_end_is_stored_even_while_closing(serve, mirrors):
    """A replay that completed while the mirror closes is settled as completed, not lost."""
    begun, finish = asyncio.Event(), asyncio.Event()

    class Slow(Ledger):
        async def settle(self, replay: Replay) -> None:
            begun.set()
            await finish.wait()
            await super().settle(replay)

    mirror, ledger = await mirrors(config(await serve(answer)), Slow())
    submit(mirror, chat())
    await asyncio.wait_for(begun.wait(), 30)
    closing = asyncio.create_task(mirror.close())
    await asyncio.sleep(0)
    finish.set()
    await closing
    assert ends(ledger.settled) == [(ReplayOutcome.COMPLETED, None)]


async def test_a_mistake_in_performing_costs_one_replay(serve, mirrors, monkeypatch, caplog):
    """The worker goes on with the next."""

    async def broken(*_arguments, **_more):
        raise ValueError("the secret prompt")

    mirror, ledger = await mirrors(config(await serve(answer), max_concurrency=1))
    with monkeypatch.context() as patched:
        patched.setattr("shadow.mirror.performer.send", broken)
        submit(mirror, chat())
        await ledger.ends(1)
    submit(mirror, chat())
    assert ends(await ledger.ends(2)) == [(ReplayOutcome.FAILED, Failed.INTERNAL), (ReplayOutcome.COMPLETED, None)]
    assert "secret prompt" not in caplog.text


async def test_a_long_answer_is_read_beside_the_loop(serve, mirrors):
    """It completes like a short one; reading it does not hold up what else is being timed."""
    text = "word " * 100_000

    async def long(_request: web.Request) -> web.Response:
        message = {"role": "assistant", "content": text}
        return web.json_response({**GOOD, "choices": [{"index": 0, "finish_reason": "stop", "message": message}]})

    mirror, ledger = await mirrors(config(await serve(long)))
    submit(mirror, chat())
    (replay,) = await ledger.ends(1)
    assert (replay.reason, replay.observation.answer.text) == (None, text)


def test_a_mistake_in_reading_is_the_sidecars(monkeypatch):
    """An answer that the wire room could not read through its own mistake is no failure of the candidate."""
    primary = chat()
    plan = Planned(primary, observed(primary), "ferry", 1.0, b"{}", Rewrite())
    monkeypatch.setattr("shadow.mirror.performer.observe", lambda *_: Observation(anomalies=("reader_failed",)))
    replay = judged(plan, chat(arm="ferry"), PriceBook({}, None))
    assert (replay.outcome, replay.reason) == (ReplayOutcome.FAILED, Failed.INTERNAL)
