"""The mirror as the recorder sees it: decide, submit, and a ledger that is told of every end once."""

import asyncio
import os
from collections import Counter
from dataclasses import replace

import pytest
from aiohttp import web

from shadow.configfile import parse
from shadow.exchange import Attribution, Exchange, Replay, ReplayOutcome
from shadow.mirror import Mirror
from shadow.mirror.circuit import TRIPS_AFTER, State
from shadow.mirror.reasons import Dropped, Failed, Ineligible, SampledOut, Withheld
from shadow.mirror.waiting import MAX_COUNT
from tests.mirror.making import HELLO, JSON, KEY, KEY_VARIABLE, Ledger, chat, config, observed

GOOD = {
    "model": "small-2026",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
}


async def answer(_request: web.Request) -> web.Response:
    return web.json_response(GOOD)


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Gate:
    """A candidate that answers when it is told to, and says how many requests it has."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.arrived = asyncio.Condition()
        self.running = self.most = self.seen = 0

    async def handle(self, _request: web.Request) -> web.Response:
        self.running += 1
        self.seen += 1
        self.most = max(self.most, self.running)
        async with self.arrived:
            self.arrived.notify_all()
        try:
            await self.open.wait()
        finally:
            self.running -= 1
        return web.json_response(GOOD)

    async def has(self, count: int) -> None:
        async with asyncio.timeout(30), self.arrived:
            await self.arrived.wait_for(lambda: self.seen >= count)


def submit(mirror: Mirror, exchange: Exchange) -> list[Replay]:
    """Decide and submit, as the recorder does; what ended at once."""
    ended, planned = mirror.decide(exchange, observed(exchange))
    dropped = [mirror.submit(plan) for plan in planned]
    return [*ended, *(one for one in dropped if one is not None)]


def ends(replays: list[Replay]) -> list[tuple[ReplayOutcome, str | None]]:
    return [(replay.outcome, replay.reason) for replay in replays]


async def test_a_replay_becomes_a_complete_pair(serve, mirrors):
    """A good answer of the candidate is settled as completed, observed, priced and compared."""
    mirror, ledger = await mirrors(config(await serve(answer)))
    exchange = chat()
    assert submit(mirror, exchange) == []
    (replay,) = await ledger.ends(1)
    assert (replay.exchange_id, replay.arm, replay.probability) == (exchange.exchange_id, "ferry", 1.0)
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


async def test_without_candidates_nothing_is_decided(mirrors, tmp_path):
    """A sidecar that only records has no arms."""
    mirror, _ = await mirrors(parse("upstream: {url: 'https://openrouter.ai'}", tmp_path, {}))
    exchange = chat()
    assert mirror.decide(exchange, observed(exchange)) == ((), ())


async def test_every_arm_gets_its_own_decision(mirrors):
    """One exchange, three candidates: planned, not drawn, ineligible."""
    more = (
        "- {name: never, url: 'http://127.0.0.1:9', models: {'*': x}, sample: {rate: 0}}\n"
        "- {name: others, url: 'http://127.0.0.1:9', models: {'*': null}, sample: {rate: 1}}\n"
    )
    mirror, _ = await mirrors(config(more=more))
    exchange = chat()
    ended, planned = mirror.decide(exchange, observed(exchange))
    assert [(one.arm, one.outcome, one.reason, one.probability) for one in ended] == [
        ("never", ReplayOutcome.SAMPLED_OUT, SampledOut.NOT_DRAWN, 0.0),
        ("others", ReplayOutcome.INELIGIBLE, Ineligible.MODEL_EXCLUDED, None),
    ]
    assert [(one.arm, one.probability) for one in planned] == [("ferry", 1.0)]


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        (chat(path="/api/v1/models", method="GET"), Ineligible.NOT_INFERENCE),
        (chat(b"{"), Ineligible.UNREADABLE),
        (chat({**HELLO, "n": 3}), Ineligible.SEVERAL_CHOICES),
        (chat({**HELLO, "provider": {"zdr": True}}), Ineligible.PRIVACY),
        (chat({**HELLO, "reasoning": {"max_tokens": 99}}), Ineligible.REASONING),
    ],
)
async def test_what_is_ineligible_has_its_reason(mirrors, exchange, expected):
    """Each stage of the decision can end it."""
    mirror, _ = await mirrors(config())
    assert ends(submit(mirror, exchange)) == [(ReplayOutcome.INELIGIBLE, expected)]


async def test_a_clients_retry_is_one_request(mirrors):
    """The second of two equal requests is recognised by its retry count."""
    mirror, _ = await mirrors(config(sample={"rate": 0}))
    first = submit(mirror, chat(request_headers=(*JSON, ("x-stainless-retry-count", "0"))))
    second = submit(mirror, chat(request_headers=(*JSON, ("x-stainless-retry-count", "1"))))
    assert [first[0].reason, second[0].reason] == [SampledOut.NOT_DRAWN, Ineligible.CLIENT_RETRY]


async def test_without_consent_nothing_is_sent(mirrors):
    """A tenant that no rule lets through is withheld, drawn or not asked about."""
    mirror, _ = await mirrors(config(head="consent_default: deny"))
    (replay,) = submit(mirror, chat())
    assert ends([replay]) == [(ReplayOutcome.WITHHELD, Withheld.CONSENT)]
    assert replay.probability == 1.0


async def test_always_does_not_override_consent(mirrors):
    """The application's wish is about sampling, not about whose eyes may see the prompt."""
    mirror, _ = await mirrors(config(head="consent_default: deny"))
    exchange = chat(request_headers=(*JSON, ("x-shadow-sample", "always")))
    assert ends(submit(mirror, exchange)) == [(ReplayOutcome.WITHHELD, Withheld.CONSENT)]


async def test_a_pause_withholds_what_is_decided_and_what_waits(serve, mirrors):
    """From the pause on nothing is sent; what was sent before finishes."""
    gate = Gate()
    mirror, ledger = await mirrors(config(await serve(gate.handle), max_concurrency=1))
    submit(mirror, chat())
    submit(mirror, chat())
    await gate.has(1)
    mirror.pause()
    assert ends(submit(mirror, chat())) == [(ReplayOutcome.WITHHELD, Withheld.PAUSED)]
    gate.open.set()
    assert ends(await ledger.ends(2)) == [(ReplayOutcome.COMPLETED, None), (ReplayOutcome.WITHHELD, Withheld.PAUSED)]


async def test_after_a_pause_replays_flow_again(serve, mirrors):
    """Resume is all it takes."""
    mirror, ledger = await mirrors(config(await serve(answer)))
    mirror.pause()
    mirror.resume()
    submit(mirror, chat())
    assert ends(await ledger.ends(1)) == [(ReplayOutcome.COMPLETED, None)]


async def test_concurrency_is_bounded_and_used(serve, mirrors):
    """Three at a time, never more, and all are served in the end."""
    gate = Gate()
    mirror, ledger = await mirrors(config(await serve(gate.handle), max_concurrency=3))
    for _ in range(10):
        submit(mirror, chat())
    await gate.has(3)
    assert mirror.states()[0].in_flight == 3
    assert mirror.states()[0].queued == 7
    gate.open.set()
    await ledger.ends(10)
    assert gate.most == 3


async def test_a_hanging_candidate_does_not_hold_up_another(serve, serve_raw, mirrors):
    """Queues, workers and connections are each candidate's own."""

    async def hang(_reader, _writer):
        await asyncio.Event().wait()

    more = f"- {{name: stuck, url: '{await serve_raw(hang)}', models: {{'*': x}}, sample: {{rate: 1}}}}\n"
    mirror, ledger = await mirrors(config(await serve(answer), more=more))
    for _ in range(30):
        submit(mirror, chat())
    assert {replay.arm for replay in await ledger.ends(30)} == {"ferry"}


async def test_a_full_queue_drops_the_newest(serve_raw, mirrors):
    """With no room left a replay ends at once, and is said to be dropped."""

    async def hang(_reader, _writer):
        await asyncio.Event().wait()

    mirror, _ = await mirrors(config(await serve_raw(hang), max_concurrency=1))
    (plan,) = mirror.decide(exchange := chat(), observed(exchange))[1]
    refused = [mirror.submit(plan) for _ in range(MAX_COUNT + 1)]
    assert refused[:-1] == [None] * MAX_COUNT
    assert ends(refused[-1:]) == [(ReplayOutcome.DROPPED, Dropped.QUEUE_COUNT)]


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


async def test_closing_ends_everything_once(serve, mirrors):
    """What runs is interrupted, what waits is dropped, what comes later finds no room."""
    gate = Gate()
    mirror, ledger = await mirrors(config(await serve(gate.handle), max_concurrency=2))
    for _ in range(5):
        submit(mirror, chat())
    await gate.has(2)
    await mirror.close()
    assert Counter(ends(ledger.settled)) == {
        (ReplayOutcome.FAILED, Failed.INTERRUPTED): 2,
        (ReplayOutcome.DROPPED, Dropped.STOPPING): 3,
    }
    assert ends(submit(mirror, chat())) == [(ReplayOutcome.DROPPED, Dropped.STOPPING)]


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


async def test_a_plan_holds_no_body_of_the_primary(mirrors):
    """A queue that is bounded in bytes must not hold the primary's bodies besides."""
    mirror, _ = await mirrors(config())
    exchange = replace(chat(), arrivals=((1, 0.1),))
    _, (plan,) = mirror.decide(exchange, observed(exchange))
    assert (plan.exchange.request_body.size, plan.exchange.response_body.size, plan.exchange.arrivals) == (0, 0, ())


async def test_a_mistake_in_deciding_costs_one_replay(mirrors, monkeypatch, caplog):
    """The exchange is recorded all the same, the reason is the sidecar's, and the log quotes nothing."""

    def broken(*_arguments, **_more):
        raise ValueError("the secret prompt")

    monkeypatch.setattr("shadow.mirror.mirror.decide", broken)
    mirror, _ = await mirrors(config())
    assert ends(submit(mirror, chat())) == [(ReplayOutcome.FAILED, Failed.INTERNAL)]
    assert "secret prompt" not in caplog.text
    assert "ValueError" in caplog.text


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


async def test_nobodys_exchange_is_decided_like_others(mirrors):
    """Unattributed traffic follows the defaults."""
    mirror, _ = await mirrors(config())
    exchange = chat(attribution=Attribution())
    _, planned = mirror.decide(exchange, observed(exchange))
    assert len(planned) == 1
